from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String

from lerobot_recorder.cli.status import end_reason
from lerobot_recorder.recording import ImageGeometry
from lerobot_recorder.spool import Spool


def running(graph):
    return graph.wait(lambda: graph.status.get("recorder"))


def start_episode(graph, frames: int = 0) -> None:
    """Start an episode, and wait until it has so many frames."""
    answer = graph.wait(lambda: (answer := graph.call("recorder/start_episode"))[0] and answer[1])
    episode_id = answer.split()[-1]
    graph.wait(
        lambda: (
            not frames or (graph.frames() >= frames and graph.status["recorder"]["episode_id"] == episode_id)
        )
    )


@pytest.mark.parametrize("reliable", [True, False])
def test_published_values_are_recorded(graph, make_robot, tmp_path, reliable):
    root = tmp_path / "data"
    robot = make_robot(reliable=reliable)
    graph.start("recorder", robot.recorder_parameters(root))
    start_episode(graph, 15)
    assert graph.call("recorder/save_episode")[0]
    episode = Spool(root).ready()[0]
    assert episode.episode_id == graph.wait(lambda: graph.completed)[0]["episode_id"]
    sent = {tuple(np.float32(value)): number for number, value in enumerate(robot.sent)}
    found = [sent[tuple(row)] for row in episode.rows()["observation.state"]]
    assert found == sorted(found)
    assert episode.manifest.features["observation.state"]["names"] == ["one.pos", "two.pos"]
    assert episode.manifest.task == "Pick up"


def test_episodes_are_discarded_deleted_and_marked(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    graph.start("recorder", make_robot().recorder_parameters(root))
    start_episode(graph)
    assert graph.call("recorder/discard_episode")[0]
    for _ in range(2):
        start_episode(graph, 3)
        assert graph.call("recorder/save_episode")[0]
    assert graph.switch("recorder/mark_success", True)[0]
    assert [episode.manifest.success for episode in Spool(root).ready()] == [None, True]
    assert graph.call("recorder/delete_last_episode")[0]
    assert len(Spool(root).ready()) == 1
    assert graph.call("recorder/undo_delete")[0]
    assert len(Spool(root).ready()) == 2
    refused = graph.call("recorder/save_episode")
    assert refused == (False, "no episode is being recorded: nothing to save")


def test_a_start_is_refused_with_what_is_missing_and_what_is_published_instead(graph, make_robot, tmp_path):
    parameters = make_robot().recorder_parameters(tmp_path / "data")
    graph.start("recorder", {**parameters, "top.topic": "robot/camera_raw"})
    running(graph)
    graph.wait(
        lambda: (
            graph.status["recorder"]["missing"] and "state" not in str(graph.status["recorder"]["missing"])
        )
    )
    started, reason = graph.call("recorder/start_episode")
    assert not started
    assert "top: nothing is received on robot/camera_raw" in reason
    assert "published topics: /robot/camera" in reason
    missing = graph.wait(
        lambda: [line for line in graph.status["recorder"]["missing"] if "published topics: " in line]
    )
    assert "/robot/camera" in missing[0]


def test_images_of_another_size_than_declared_are_missing_and_refused(graph, make_robot, tmp_path):
    declared = {"top.width": 640, "top.height": 480}
    graph.start("recorder", {**make_robot().recorder_parameters(tmp_path / "data"), **declared})
    reason = "top: expected images of 640x480 as declared, found 48x32"
    graph.wait(lambda: reason in str(graph.status["recorder"]["missing"]))
    started, refusal = graph.call("recorder/start_episode")
    assert not started
    assert reason in refusal


def test_images_are_cropped_rotated_and_resized_by_parameters(graph, make_robot, tmp_path):
    root, robot = tmp_path / "data", make_robot(encoding="rgb8")
    geometry = {"top.crop": [2, 1, 40, 30], "top.rotate": 90, "top.resize": [17, 16], "top.odd_size": "pad"}
    graph.start("recorder", {**robot.recorder_parameters(root), **geometry, "image_format": "png"})
    start_episode(graph, 3)
    assert graph.call("recorder/save_episode")[0]
    episode = Spool(root).ready()[0]
    expected = ImageGeometry((2, 1, 40, 30), 90, (17, 16), "pad")
    published = {expected.apply(robot.image(number)).tobytes() for number in range(len(robot.sent))}
    assert {image.tobytes() for image in episode.frames("observation.images.top")} <= published
    assert episode.manifest.features["observation.images.top"]["shape"] == [16, 18, 3]


def test_a_robot_that_stops_publishing_is_noticed_and_the_take_can_be_accepted(graph, make_robot, tmp_path):
    root, robot = tmp_path / "data", make_robot()
    graph.start("recorder", robot.recorder_parameters(root))
    start_episode(graph, 5)
    robot.playing = False
    time.sleep(1)
    saved, reason = graph.call("recorder/save_episode")
    assert not saved
    assert "no sample within 0.5 s" in reason
    assert graph.call("recorder/accept_episode")[0]
    assert len(Spool(root).ready()) == 1


def test_unattended_it_records_the_number_of_episodes_and_ends(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    parameters = make_robot().recorder_parameters(root)
    recorder = graph.start(
        "recorder", {**parameters, "num_episodes": 2, "episode_time_s": 0.5, "reset_time_s": 0.2}
    )
    assert graph.end_of(recorder) == 0
    assert [episode.length for episode in Spool(root).ready()] == [15, 15]


def test_tasks_are_chosen_a_run_is_paused_and_ended_by_services(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    run = {"num_episodes": 5, "episode_time_s": 1.0, "reset_time_s": 0.0, "tasks": ["Push", "Pull"]}
    recorder = graph.start("recorder", {**make_robot().recorder_parameters(root), "task": "", **run})
    assert graph.call("recorder/next_task") == (True, "the next episode's task: Pull")
    graph.wait(lambda: graph.status["recorder"]["next_task"] == "Pull")
    assert graph.status["recorder"]["tasks"] == ["Push", "Pull"]
    assert graph.switch("recorder/pause", True)[0]
    graph.wait(lambda: graph.status["recorder"]["state"] == "paused")
    assert graph.set_parameter("recorder", "episode_time_s", 0.0)[0]
    saved = len(Spool(root).ready())
    assert graph.switch("recorder/pause", False)[0]
    graph.wait(lambda: graph.frames() > 5 and graph.status["recorder"]["state"] == "recording")
    assert graph.call("recorder/end_recording")[0]
    assert graph.end_of(recorder) == 0
    episodes = Spool(root).ready()
    assert len(episodes) == saved + 1
    assert (episodes[-1].manifest.task, episodes[-1].manifest.ended_by) == ("Pull", "save")


def test_a_blank_task_is_refused_while_the_node_runs(graph, make_robot, tmp_path):
    graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    running(graph)
    for blank in ("", "  "):
        success, reason = graph.set_parameter("recorder", "task", blank)
        assert (success, reason.partition(":")[0]) == (False, "task")
    assert graph.set_parameter("recorder", "task", "Open the drawer")[0]


def test_a_run_stays_paused_when_an_episode_is_started_by_hand(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    run = {"num_episodes": 3, "reset_time_s": 60.0}
    recorder = graph.start("recorder", {**make_robot().recorder_parameters(root), **run})
    graph.wait(lambda: graph.status.get("recorder", {}).get("state") == "recording" and graph.frames() > 1)
    assert graph.switch("recorder/pause", True)[0]
    assert graph.call("recorder/discard_episode")[0]
    graph.wait(lambda: graph.status["recorder"]["state"] == "paused")
    assert graph.call("recorder/start_episode")[0]
    graph.wait(lambda: any("the run stays paused" in line for line in recorder.last_lines))
    graph.wait(lambda: graph.frames() > 1)
    assert graph.call("recorder/save_episode")[0]
    graph.wait(lambda: graph.status["recorder"]["state"] == "paused")


@pytest.fixture
def said(graph, tmp_path):
    """Give the nodes a voice, and return what it says."""
    file, voice = tmp_path / "said", tmp_path / "bin/spd-say"
    voice.parent.mkdir()
    voice.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$3\" >> {file}\n")
    voice.chmod(0o755)
    graph.environment["PATH"] = f"{voice.parent}:{graph.environment['PATH']}"
    return lambda: file.read_text().splitlines() if file.is_file() else []


def test_what_happens_is_spoken(graph, make_robot, tmp_path, said):
    recorder = graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    start_episode(graph, 3)
    graph.wait(lambda: said() == ["Recording episode 0"])
    assert graph.set_parameter("recorder", "play_sounds", False)[0]
    assert graph.call("recorder/save_episode")[0]
    assert graph.set_parameter("recorder", "reset_time_s", 0.5)[0]
    assert graph.set_parameter("recorder", "num_episodes", 1)[0]
    graph.wait(lambda: graph.status["recorder"]["episode_index"] == 1 and graph.frames() > 3)
    assert graph.set_parameter("recorder", "play_sounds", True)[0]
    discarded = graph.status["recorder"]["episode_id"]
    assert graph.call("recorder/discard_episode")[0]
    graph.wait(lambda: said()[1:2] == ["Discarded. Reset the environment"])
    graph.wait(lambda: said()[2:] == ["Recording episode 1"])
    graph.wait(lambda: graph.status["recorder"]["episode_id"] not in ("", discarded) and graph.frames() > 3)
    assert graph.call("recorder/save_episode")[0]
    assert graph.end_of(recorder) == 0
    assert ". ".join(said()[3:]) == "Saved. Recording has ended, 1 saved"


def test_a_killed_recorder_loses_nothing(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    parameters = make_robot().recorder_parameters(root)
    recorder = graph.start("recorder", parameters)
    start_episode(graph, 3)
    assert graph.call("recorder/save_episode")[0]
    start_episode(graph, 10)
    os.kill(recorder._process.pid, signal.SIGKILL)
    assert graph.end_of(recorder) == -signal.SIGKILL
    assert len(Spool(root).ready()) == 1
    graph.status.clear()
    graph.start("recorder", parameters)
    graph.wait(lambda: "interrupted" in graph.status.get("recorder", {}).get("message", ""))
    assert Spool(root).rejected()[0].length >= 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_episode_under_way(graph, make_robot, tmp_path, number):
    root = tmp_path / "data"
    recorder = graph.start("recorder", make_robot().recorder_parameters(root))
    start_episode(graph, 5)
    os.kill(recorder._process.pid, number)
    assert graph.end_of(recorder) == 0
    (episode,) = Spool(root).ready()
    assert (episode.manifest.verdict, episode.manifest.ended_by) == ("good", "interrupted")


def test_an_episode_that_cannot_be_saved_ends_in_exit_status_1(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    recorder = graph.start("recorder", make_robot().recorder_parameters(root))
    start_episode(graph, 5)
    (path,) = Spool(root).directory("recording").iterdir()
    (Spool(root).directory("ready") / path.name / "in the way").mkdir(parents=True)
    os.kill(recorder._process.pid, signal.SIGINT)
    assert graph.end_of(recorder) == 1
    assert end_reason([*recorder.last_lines]).startswith(f"episode {path.name} could not be saved")
    assert "Directory not empty" in recorder.last_lines[-1]


def test_a_second_recorder_of_the_same_dataset_is_refused(graph, make_robot, tmp_path):
    parameters = make_robot().recorder_parameters(tmp_path / "data")
    first = graph.start("recorder", parameters)
    running(graph)
    second = graph.start("recorder", parameters)
    assert graph.end_of(second) == 1
    assert "another recorder is recording into this dataset" in second.last_lines[-1]
    assert str(first._process.pid) in second.last_lines[-1]


def test_parameters_change_at_once_or_are_refused_with_the_reason(graph, make_robot, tmp_path):
    graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    assert graph.set_parameter("recorder", "task", "Open the drawer") == (True, "")
    graph.wait(lambda: graph.status["recorder"]["task"] == "Open the drawer")
    assert graph.set_parameter("recorder", "episode_time_s", 7)[0]
    graph.wait(lambda: graph.status["recorder"]["episode_time_s"] == 7.0)
    changed, reason = graph.set_parameter("recorder", "fps", 60)
    assert not changed
    assert "cannot change while the node runs" in reason
    assert not graph.set_parameter("recorder", "episode_time_s", -1.0)[0]
    assert not graph.set_parameter("recorder", "tusk", "x")[0]
    assert "from the next episode" in graph.describe("recorder", "task")
    assert "Cannot change" in graph.describe("recorder", "fps")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"fpss": 30}, "recorder has no parameter 'fpss' (did you mean 'fps'?)"),
        ({"cam.topic": "/a", "cam.depth": True}, "and does not list cam: add cam to it, or remove these"),
        ({"fps": 0}, "fps: expected 1 to 1000 Hz, found 0"),
        ({"fps": "fast"}, "fps: expected a whole number, found 'fast'"),
        ({"root": ""}, "give repo_id (user/name) or root"),
        (
            {"root": "/dev/null/data"},
            "/dev/null: expected a directory, found a file; choose another root",
        ),
        ({"state.names": [""]}, "state.names: name the joints"),
        ({"top.type": "sensor_msgs/Imagine"}, "are not installed here"),
        ({"top.width": 640}, "top.width and top.height: give both, or none"),
        ({"top.names": ["one"]}, "top.names: has no meaning for sensor_msgs/msg/Image"),
        ({"top.image_format": "bmp"}, "top.image_format: expected one of '', 'raw', 'png', found 'bmp'"),
        ({"top.image_format": "png", "top.type": "sensor_msgs/CompressedImage"}, "top.image_format: has no"),
        ({"top.image_format": "png", "top.depth": True}, "top.image_format: has no meaning for depth maps"),
        ({"top.topic": "robot/the camera"}, "top.topic: topic name must not contain characters other than"),
        (
            {"top.topic": "robot//camera"},
            "top.topic: topic name must not contain repeated '/', found 'robot//ca",
        ),
        ({"streams": ["top", "top"]}, "streams: expected different texts, found top twice"),
        ({"episode_time_s": 1e10}, "out of range Min: 0.0, Max: 1000000000.0"),
        ({"state.depth": True}, "state.depth: has no meaning for sensor_msgs/msg/JointState"),
        ({"state.unit": "furlongs"}, "state.unit: expected one of 'so100', 'degrees', 'as_published'"),
    ],
)
def test_invalid_parameters_end_it_with_one_sentence(graph, make_robot, tmp_path, wrong, reason):
    recorder = graph.start("recorder", {**make_robot().recorder_parameters(tmp_path / "data"), **wrong})
    assert graph.end_of(recorder) == 1
    errors = [line for line in recorder.last_lines if line.startswith("[FATAL]")]
    assert len(errors) == 1
    assert reason in errors[0]
    assert not any("Traceback" in line for line in recorder.last_lines)


def test_a_directory_that_holds_something_else_is_refused(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    (root / "thesis.pdf").write_text("mine")
    recorder = graph.start("recorder", make_robot().recorder_parameters(root))
    assert graph.end_of(recorder) == 1
    assert "found thesis.pdf and no meta/info.json" in recorder.last_lines[-1]
    assert (root / "thesis.pdf").exists()


def test_an_unattended_run_that_cannot_fit_its_dataset_ends_with_the_reason(graph, make_robot, tmp_path):
    root, robot = tmp_path / "data", make_robot()
    parameters = robot.recorder_parameters(root) | {"num_episodes": 1, "episode_time_s": 0.5}
    assert graph.end_of(graph.start("recorder", parameters)) == 0
    changed = graph.start("recorder", parameters | {"state.names": ["one"]})
    assert graph.end_of(changed) == 1
    assert "shape (2,)" in changed.last_lines[-1]


def test_namespaces_move_everything(graph, make_robot, tmp_path):
    robot = make_robot()
    parameters = {
        **robot.recorder_parameters(tmp_path / "data"),
        "state.topic": "/robot/joint_states",
        "top.topic": "/robot/camera",
    }
    graph.start("recorder", parameters, namespace="left")
    graph.wait(lambda: graph.call("left/recorder/start_episode")[0])
    assert graph.call("left/recorder/discard_episode")[0]


def test_an_episode_that_others_delete_is_recorded_again(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    run = {"num_episodes": 2, "episode_time_s": 0.3, "reset_time_s": 1.0}
    recorder = graph.start("recorder", {**make_robot().recorder_parameters(root), **run})
    first = graph.wait(lambda: graph.completed)[0]["episode_id"]
    Spool(root).delete_last(first)  # as the page does with an episode of its list
    assert graph.end_of(recorder) == 0
    saved = {each["episode_id"] for each in graph.completed if each["state"] == "ready"}
    assert {each.episode_id for each in Spool(root).ready()} == saved - {first}
    assert len(saved) == 3


# Without a parent that shows a screen, as under `ros2 launch`


def test_an_operator_without_a_screen_is_told_what_is_missing_and_what_comes_next(
    graph, make_robot, tmp_path
):
    robot = make_robot()
    robot.playing = False
    graph.node.create_publisher(Image, "/left/cameras/side/image_raw", 1)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "lerobot_recorder.nodes.recorder", "--ros-args", "-r", "__ns:=/left"]
    for name, value in {
        **robot.recorder_parameters(tmp_path / "data"),
        "state.topic": "/robot/joint_states",
    }.items():
        command += ["-p", f"{name}:={json.dumps(value)}"]
    command += ["-r", "/left/robot/camera:=/robot/camera"]
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(command, stderr=output, env=graph.environment) as recorder,
    ):
        try:
            graph.wait(lambda: "waiting for streams: state: " in log.read_text())
            robot.playing = True
            graph.wait(lambda: "ros2 service call /left/recorder/start_episode" in log.read_text())
            graph.wait(lambda: "the camera side is not recorded" in log.read_text())
            assert graph.call("left/recorder/start_episode")[0]
            graph.wait(lambda: "recording episode " in log.read_text())
        finally:
            recorder.send_signal(signal.SIGINT)
    assert recorder.returncode == 0
    assert log.read_text().count("waiting for streams") == 1


def test_a_topic_sets_the_task_of_the_episodes_that_start_after_it(graph, make_robot, tmp_path):
    robot = make_robot()
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = graph.node.create_publisher(String, "robot/instruction", latched)
    publisher.publish(String(data="Open the drawer\n"))
    parameters = robot.recorder_parameters(tmp_path / "data")
    graph.start("recorder", {**parameters, "task": "Wait", "task_topic": "robot/instruction"})

    def task_is(task: str) -> bool:
        return graph.status["recorder"]["task"] == task

    graph.wait(lambda: task_is("Open the drawer") and not graph.status["recorder"]["missing"])
    assert graph.call("recorder/start_episode")[0]
    graph.wait(lambda: graph.frames() >= 3)
    for text in ("", "x" * 2000, "Close the drawer"):
        publisher.publish(String(data=text))
    graph.wait(lambda: graph.status["recorder"]["next_task"] == "Close the drawer")
    assert task_is("Open the drawer")
    assert graph.call("recorder/save_episode")[0]
    graph.wait(lambda: task_is("Close the drawer"))
    (episode,) = Spool(tmp_path / "data").waiting()
    assert episode.manifest.task == "Open the drawer"

"""The command ``preflight``, and ``record`` that runs it first."""

from __future__ import annotations

import errno
import json
import socket
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from rich.console import Console

from lerobot_recorder.cameras import encode_jpeg
from lerobot_recorder.cli.preflight import print_findings
from lerobot_recorder.cli.session import Session
from lerobot_recorder.discovery import SeenTopic, Survey
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.preflight import Finding, load_findings, sheet_file
from lerobot_recorder.spool import Spool

needs_ros = pytest.mark.skipif(find_spec("rclpy") is None, reason="no ROS 2 in this Python")

SMALL = [
    f"-phardware.{name}.{side}" for name in ("top", "wrist") for side in ("width=64", "height=48", "fps=10")
]
SIMULATED = ["--hardware", "sim", "--seconds", "0.3", "-phardware.rate_hz=10", *SMALL]


def lines(output: str) -> dict[str, tuple[str, str]]:
    """Return level and text of each subject."""
    words = (line.split(maxsplit=2) for line in output.splitlines())
    return {each[1]: (each[0], each[2]) for each in words if len(each) == 3 and each[0] != "pictures"}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def test_a_simulated_robot_is_fine_and_is_pictured(invoke, root, tmp_path):
    sheet = tmp_path / "sheet.jpg"
    result = invoke("preflight", *SIMULATED, "--root", root, "--sheet", sheet)
    found = lines(result.output)
    assert {*found} == {"follower", "leader", "top", "wrist", "disk", "dataset", "clock"}
    assert {name: level for name, (level, _) in found.items() if level == "fault"} == {}, result.output
    assert result.exit_code == 0
    assert "64x48" in found["top"][1]
    picture = cv2.imread(str(sheet))
    assert picture is not None
    assert picture.shape[1] > picture.shape[0] / 2
    assert not root.exists()
    last = load_findings(root)
    assert last is not None
    assert {each.subject: (each.level, each.text) for each in last.findings} == found
    assert last.has_pictures
    kept = json.loads((Spool(root).path / "preflight/cameras.json").read_text())
    assert {name: each["name"] for name, each in kept.items()} == {"top": "sim", "wrist": "sim"}


def test_a_broken_description_of_the_dataset_is_a_line_and_all_else_is_checked(invoke, root):
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text("{")
    result = invoke("preflight", *SIMULATED, "--root", root)
    found = lines(result.output)
    assert {*found} == {"follower", "leader", "top", "wrist", "disk", "dataset", "clock"}
    level, text = found["dataset"]
    assert level == "fault"
    assert text.startswith(f"{root}/meta/info.json: not an info.json of format v3.0: ")
    assert "repair" in text
    assert "error:" not in result.output
    assert result.exit_code == 1


def test_values_that_are_not_allowed_are_a_line_and_all_else_is_checked(invoke, root):
    wrong = {
        "hardware.rate_hz=fast": "hardware.rate_hz: expected a number, found 'fast'",
        "hardware.top.fps=x": "hardware.top.fps: expected a number, found 'x'",
        "recorder.nonsense=1": "recorder has no parameter 'nonsense'",
        "hardware.top.tomsource=1": "hardware has no parameter 'top.tomsource' (did you mean 'top.source'?)",
        "encoder.crf=30.5": "encoder.crf: expected a whole number, found 30.5",
        "recorder.top.max_age_s=x": "recorder.top.max_age_s: expected a number",
        "recorder.fps=30.5": "recorder.fps: expected a whole number, found 30.5",
        "recorder.joy_buttons=[0:pauze]": "found '0:pauze' (did you mean 'pause'?)",
    }
    result = invoke("preflight", *SIMULATED, *(f"-p{each}" for each in wrong), "--root", root)
    found = lines(result.output)
    assert {*found} == {"parameters", "follower", "leader", "top", "wrist", "disk", "dataset", "clock"}
    assert found["parameters"][0] == "fault"
    assert [text for text in wrong.values() if text not in found["parameters"][1]] == []
    assert result.exit_code == 1


def test_a_file_with_unknown_names_and_values_is_a_line_that_names_the_place(invoke, root, tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text("recorder:\n  ros__parameters:\n    fpss: 3\n    queue_mb: much\n")
    result = invoke("preflight", *SIMULATED, "--config", file, "--root", root)
    level, text = lines(result.output)["parameters"]
    assert level == "fault"
    assert f"{file}:3:5: recorder has no parameter 'fpss' (did you mean 'fps'?)" in text
    assert f"{file}:4:5: recorder.queue_mb: expected a number, found 'much'" in text


def test_what_record_would_refuse_of_keys_is_refused(invoke, root):
    result = invoke("preflight", *SIMULATED, "--root", root, "--key", "b=foo")
    assert result.exit_code == 1
    assert "foo" in result.output


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--reset-time-s=-1", "--reset-time-s: expected a number"),
        ("--dashboard-port=70000", "--dashboard-port: expected a whole number"),
        ("--tag= ", "tag: expected a word"),
        ("--resume", "expected an existing dataset, but there is none"),
        ("--push-to-hub=apache-2.0", "repo_id: expected user/name"),
    ],
)
def test_an_option_that_record_would_refuse_is_refused(invoke, root, option, sentence):
    result = invoke("preflight", *SIMULATED, "--root", root, option)
    assert result.exit_code == 1
    assert sentence in result.output, result.output


@pytest.mark.parametrize(
    ("options", "level"),
    [
        (["-precorder.task=''"], "warning"),
        (["-precorder.task=''", "-precorder.tasks=[Push, Pull]", "--num-episodes=2"], None),
        (["-precorder.task=''", "-precorder.task_topic=/instruction", "--num-episodes=2"], None),
    ],
)
def test_a_recording_without_a_task_is_a_line(invoke, root, options, level):
    result = invoke("preflight", *SIMULATED, "--root", root, *options)
    assert lines(result.output).get("task", (None,))[0] == level
    assert result.exit_code == 0


def test_a_port_of_the_dashboard_that_is_used_is_a_line(invoke, root):
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    pytest.importorskip("segno")
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        result = invoke("preflight", *SIMULATED, "--root", root, "--dashboard", "--dashboard-port", port)
    level, text = lines(result.output)["dashboard"]
    assert level == "fault"
    assert f"cannot listen on 127.0.0.1, port {port}" in text
    free = invoke("preflight", *SIMULATED, "--root", root, "--dashboard", "--dashboard-port", port)
    assert lines(free.output)["dashboard"][0] == "ok"


def test_nothing_is_left_beside_a_root_that_cannot_be_used(invoke, root):
    root.mkdir()
    (root / "thesis.tex").write_text("mine")
    assert invoke("preflight", *SIMULATED, "--root", root).exit_code == 1
    assert not Spool(root).path.exists()


def test_on_a_terminal_lines_do_not_break_inside_words():
    console = Console(width=80, force_terminal=True, color_system=None, record=True)
    print_findings([Finding("top", "fault", "word " * 40)], console)
    shown = console.export_text().splitlines()
    assert len(shown) > 1
    assert {word for line in shown for word in line.split()} == {"fault", "top", "word"}


def test_a_place_that_cannot_be_written_is_a_line(invoke):
    result = invoke("preflight", *SIMULATED, "--root", "/proc/data")
    assert lines(result.output)["disk"][0] == "fault"
    assert "/proc/data.spool cannot be written" in lines(result.output)["disk"][1]
    assert result.exit_code == 1


def film(path, picture: np.ndarray) -> str:
    path.write_bytes(encode_jpeg(picture) * 30)
    return str(path)


def test_a_black_camera_and_another_device_are_faults_until_accepted(invoke, root, tmp_path):
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (64, 48), interpolation=cv2.INTER_CUBIC)
    good, black = film(tmp_path / "good.mjpeg", scene), film(tmp_path / "black.mjpeg", scene * 0)

    def preflight(source: str, *more: str):
        arms = ["-phardware.follower.port=''", "-phardware.leader.port=''"]
        camera = ["-phardware.cameras=[top]", f"-phardware.top.source={source}", *SMALL[:2]]
        result = invoke(
            "preflight", "--hardware", "sim", "--seconds", "0.3", *arms, *camera, "--root", root, *more
        )
        return result.exit_code, *lines(result.output)["top"]

    assert preflight(good)[:2] == (0, "ok")
    status, level, text = preflight(black)
    assert (status, level) == (1, "fault")
    assert "another device than last time, which was" in text
    assert "black: lens cap" in text
    other = film(tmp_path / "other.mjpeg", scene)
    assert preflight(other)[:2] == (1, "fault")
    assert preflight(other, "--accept")[:2] == (1, "fault")
    assert preflight(other)[:2] == (0, "ok")


def test_an_arm_that_is_not_there_is_a_fault(invoke, root):
    result = invoke(
        "preflight", *SIMULATED, "--root", root, "--robot-port", "/dev/nowhere", "--robot-id", "sim"
    )
    assert result.exit_code == 1
    assert lines(result.output)["follower"][0] == "fault"


def test_it_takes_the_flags_of_lerobot_record(invoke, root):
    flags = ["--robot.type=so101_follower", "--robot.port=/dev/nowhere", "--robot.id=nobody"]
    flags += ["--robot.cameras={}", f"--dataset.root={root}", "--dataset.num_episodes=3"]
    flags += [
        "--dataset.reset_time_s",
        "5",
        "--dataset.push_to_hub=true",
        "--resume=false",
        "--display_data=true",
    ]
    result = invoke("preflight", *flags)
    found = lines(result.output)
    assert result.exit_code == 1
    assert found["follower"][0] == "fault"
    assert (
        "lerobot-recorder calibrate --role follower --port /dev/nowhere --id nobody" in found["follower"][1]
    )
    assert "3 episodes" in found["disk"][1]


@needs_ros
@pytest.mark.parametrize("skipped", [False, True])
def test_record_checks_first_and_refuses_a_fault_unless_told_not_to(invoke, root, monkeypatch, skipped):
    def refuse(*_: object) -> None:
        raise ConfigError("the nodes would start now")

    monkeypatch.setattr(Session, "__init__", refuse)
    cameras = ["-phardware.cameras=[top]", "-phardware.top.source=/dev/nowhere"]
    arms = ["-phardware.follower.port=''", "-phardware.leader.port=''"]
    result = invoke("record", *cameras, *arms, "--root", root, *(["--no-preflight"] if skipped else []))
    assert result.exit_code == 1
    if skipped:
        assert "the nodes would start now" in result.output
    else:
        assert lines(result.output)["top"][0] == "fault"
        assert "or record nevertheless with --no-preflight" in result.output


def test_a_full_disk_and_a_folder_for_a_picture_are_refused_with_a_sentence(
    invoke, root, tmp_path, monkeypatch
):
    refused = invoke("preflight", *SIMULATED, "--root", root, "--sheet", tmp_path)
    assert (refused.exit_code, "error: --sheet: " in refused.output) == (1, True)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lerobot_recorder.preflight.last.replace_file", full)
    result = invoke("preflight", *SIMULATED, "--root", root)
    assert result.exit_code == 1
    assert lines(result.output)["clock"][0] == "ok"
    assert "preflight cannot be written: No space left on device" in " ".join(result.output.split())


@needs_ros
def test_record_keeps_what_it_found_for_the_dashboard(invoke, root, monkeypatch, tmp_path):
    def refuse(*_: object) -> None:
        raise ConfigError("the nodes would start now")

    monkeypatch.setattr(Session, "__init__", refuse)
    noise = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    scene = cv2.resize(noise, (64, 48), interpolation=cv2.INTER_CUBIC)
    film_file = film(tmp_path / "film.mjpeg", scene)
    camera = ["-phardware.cameras=[top]", f"-phardware.top.source={film_file}", *SMALL[:2]]
    arms = ["-phardware.follower.port=''", "-phardware.leader.port=''"]
    result = invoke("record", *camera, *arms, "--root", root, "--task", "Pick up the cube")
    assert "the nodes would start now" in result.output
    last = load_findings(root)
    assert last is not None
    assert {each.subject for each in last.findings} == {"top", "disk", "clock"}
    assert last.has_pictures
    assert cv2.imread(str(sheet_file(root))) is not None


def test_topics_that_nobody_publishes_are_faults(invoke, root, tmp_path, monkeypatch):
    seen = Survey(topics=(SeenTopic("/left/joints", "sensor_msgs/msg/JointState", received=9, rate_hz=90.0),))
    monkeypatch.setattr("lerobot_recorder.cli.preflight.survey", lambda seconds: seen)
    file = tmp_path / "robot.yaml"
    streams = "streams: [state, action], state.topic: joints, state.names: [one], action.topic: /goals"
    file.write_text(f"/**/recorder:\n  ros__parameters: {{{streams}, action.names: [one]}}\n")
    place = ["--namespace", "left", "--root", root]
    result = invoke("preflight", "--hardware", "none", "--config", file, *place)
    assert result.exit_code == 1
    found = lines(result.output)
    assert found["state"] == ("ok", "/left/joints: sensor_msgs/msg/JointState at 90.0 Hz")
    assert found["action"] == ("fault", "nothing is published on /goals: is the robot running?")
    assert found["dataset"][0] == "ok"

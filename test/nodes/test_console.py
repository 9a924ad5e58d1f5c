"""``lerobot-recorder console`` on nodes that run already, on a pseudo-terminal and without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from std_msgs.msg import String
from std_srvs.srv import Trigger
from terminal import COMMAND, Terminal

from lerobot_recorder.cli.processes import NodeOutput
from lerobot_recorder.spool import Spool


@pytest.fixture
def terminal(graph):
    made = []

    def make(*arguments: str) -> Terminal:
        made.append(Terminal("console", *arguments, environment=graph.environment, size=(80, 24)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_consoles_come_and_go_while_nodes_in_a_namespace_record(graph, make_robot, terminal, tmp_path):
    root, robot = tmp_path / "data", make_robot()
    run = {"num_episodes": 2, "reset_time_s": 60.0, "tasks": ["Push", "Pull"], "task": ""}
    topics = {"state.topic": "/robot/joint_states", "top.topic": "/robot/camera"}
    patient = {"state.max_age_s": 60.0, "top.max_age_s": 60.0, "frozen_after_s": 0.0}  # a busy machine stalls
    parameters = {**robot.recorder_parameters(root), **topics, **run, **patient}
    recorder = graph.start("recorder", parameters, namespace="left")
    graph.start("encoder", {"root": str(root), "video_encoding_batch_size": 9}, namespace="left")
    lines = subprocess.Popen(
        [*COMMAND, "console"],
        env=graph.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert lines.stdout is not None
        assert any("attached to /left/recorder" in line for line in lines.stdout)  # reads until then
        first = terminal("--namespace", "left")
        first.wait_for(r"● recording   episode 0   1 of 2")
        first.press(b"t")
        first.wait_for("then: Pull")
        first.press(b"p")
        first.wait_for("then paused")
        first.press(b"\x1b[C")
        first.wait_for("next: episode 1   2 of 2")
        first.press(b"n")
        first.wait_for("episode 0 is marked as a failure")
        first.press(b"u")
        first.wait_for("u again deletes episode 0, which is saved")
        first.press(b"u")
        first.wait_for("last +episode 0 deleted")
        first.press(b"b")
        first.wait_for(r"(?s)last +episode 0 saved: good.*, a\s+failure")
        first.press(b"x")
        first.wait_for("x has no meaning here")
        first.press(b"q")
        assert first.end() == 1
        assert "left: 1 of 2 episodes recorded so far, the recording continues" in first.text
        assert "error" not in first.text
        second = terminal()
        second.wait_for("the dataset is")
        assert "attached to /left/recorder" in second.text
        second.wait_for("paused")
        second.press(b" ")
        second.wait_for(r"● recording   episode 1   2 of 2")
        graph.wait(lambda: recorder.running)
        second.press(b"\x1b")
        assert second.end() == 0
        assert graph.end_of(recorder) == 0
        printed = lines.communicate(timeout=60)[0]
        assert lines.returncode == 0, printed
    finally:
        lines.kill()
        lines.communicate()
    assert [episode.manifest.task for episode in Spool(root).ready()] == ["Push", "Pull"]
    for line in ("recorder episode 0 is saved", "recorder deleted episode 0", "recorder restored episode 0"):
        assert line in printed
    assert "\x1b" not in printed
    assert "2 episodes recorded" in printed


def test_a_hardware_node_that_was_killed_is_missed(graph, make_robot, tmp_path):
    graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"), namespace="left")
    hardware = graph.start("hardware", {"follower.port": "sim", "cameras": [""]}, namespace="left")
    graph.run("console", ["--ros-args", "-r", "__ns:=/left"])

    def says(kind: str) -> bool:
        found = [graph.events.get_nowait() for _ in range(graph.events.qsize())]
        lines = [each.line for each in found if isinstance(each, NodeOutput) and each.node == "console"]
        return any(line.startswith('{"from": "hardware"') and kind in json.loads(line) for line in lines)

    for _ in range(3):  # it must be found in the graph, too, which can take longer than its first message
        graph.wait(lambda: says("heard"))
    os.kill(hardware._process.pid, signal.SIGKILL)
    graph.wait(lambda: says("gone"))


def console(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "console", *options],
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_wait_for_a_recorder_has_a_limit_and_those_elsewhere_are_named(graph):
    graph.node.create_publisher(String, "/right/recorder/status", 1)
    graph.wait(lambda: graph.node.count_publishers("/right/recorder/status"))
    result = console(graph.environment, "--namespace", "left", "--wait", "4")
    assert result.returncode == 1
    waiting = "no recorder found in the namespace /left yet, waiting for it at most 4 s"
    assert result.stdout.count(waiting) == 1
    assert "attached" not in result.stdout
    given_up = (
        "no recorder found in the namespace /left within 4 s; recorders run in: /right. It must run in the"
    )
    domain = graph.environment["ROS_DOMAIN_ID"]
    assert f"error: {given_up} same ROS_DOMAIN_ID ({domain}) and be reachable" in result.stderr


def test_several_recorders_are_named(graph):
    for name in ("left", "right"):
        graph.node.create_publisher(String, f"/{name}/recorder/status", 1)
    result = console(graph.environment)
    assert result.returncode == 1
    assert "several recorders run: choose a --namespace of /left, /right" in result.stderr


def test_a_service_that_is_found_later_than_its_node_is_called(graph):
    def call_starts(_request, response):
        response.success, response.message = True, "recording episode 0"
        return response

    process = graph.run("console", ["--ros-args"])
    process.send('{"to": "recorder", "call": "start_episode"}')
    graph.wait(lambda: any(name.startswith("_console") for name in graph.node.get_node_names()))
    graph.do(lambda: graph.node.create_service(Trigger, "recorder/start_episode", call_starts))
    while '"answer"' not in (line := getattr(graph.events.get(timeout=60), "line", "")):
        pass
    assert json.loads(line)["answer"]["message"] == "recording episode 0"

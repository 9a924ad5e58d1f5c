"""Service calls through a node's standard input, and nodes that are interrupted while they import."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys

import pytest

from lerobot_recorder.cli import processes
from lerobot_recorder.cli.processes import NodeEnded, NodeOutput, NodeProcess, node_environment

PLAIN = {"offer": "", "episode_id": ""}
"""An answer that names no episode and offers no service."""


def answer(graph) -> dict:
    """Wait for the answer to a call."""
    while True:
        event = graph.events.get(timeout=60)
        if (
            isinstance(event, NodeOutput)
            and not event.is_log
            and "answer" in (line := json.loads(event.line))
        ):
            return line


def test_calls_are_made_and_answered(graph, make_robot, tmp_path):
    recorder = graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    recorder.send('{"call": "save_episode"}')
    assert answer(graph) == {
        "from": "recorder",
        "answer": {
            "call": "save_episode",
            "success": False,
            "message": "no episode is being recorded: nothing to save",
            **PLAIN,
        },
    }
    graph.wait(lambda: not graph.status["recorder"]["missing"])
    recorder.send('{"call": "start_episode"}')
    assert answer(graph)["answer"]["success"] is True
    graph.wait(lambda: graph.frames() > 3)
    recorder.send('{"call": "save_episode"}')
    assert answer(graph)["answer"]["message"].startswith("saved episode 0 of ")
    assert graph.wait(lambda: graph.completed)


def test_a_call_may_carry_a_flag(graph):
    hardware = graph.start("hardware", {"follower.port": "sim", "cameras": [""]})
    hardware.send('{"call": "enable_teleop", "data": false}')
    assert answer(graph)["answer"] == {
        "call": "enable_teleop",
        "success": True,
        "message": "teleop is as asked",
        **PLAIN,
    }


def test_a_parameter_is_set(graph, make_robot, tmp_path):
    recorder = graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    recorder.send('{"set": "task", "data": "Open the drawer"}')
    expected = {"call": "set task", "success": True, "message": "task is now Open the drawer", **PLAIN}
    assert answer(graph)["answer"] == expected
    graph.wait(lambda: graph.status["recorder"]["task"] == "Open the drawer")
    recorder.send('{"set": "fps", "data": 60}')
    refused = answer(graph)["answer"]
    assert (refused["call"], refused["success"]) == ("set fps", False)
    assert "cannot change while the node runs" in refused["message"]


def test_an_unknown_service_is_answered(graph, tmp_path):
    encoder = graph.start("encoder", {"root": str(tmp_path / "data")})
    encoder.send('{"call": "make_coffee"}')
    assert answer(graph)["answer"] == {
        "call": "make_coffee",
        "success": False,
        "message": "the encoder node has no service make_coffee",
        **PLAIN,
    }


def test_a_node_that_is_started_by_hand_needs_no_input(graph, tmp_path):
    command = [sys.executable, "-m", "lerobot_recorder.nodes.encoder", "--ros-args"]
    node = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command, "-p", f"root:={tmp_path / 'data'}"],
        env=graph.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    graph.wait(lambda: graph.status["encoder"])
    node.send_signal(signal.SIGINT)
    _, printed = node.communicate(timeout=60)
    assert (node.returncode, "Traceback" in printed) == (0, False), printed


def test_sessions_side_by_side_choose_different_domains(graph, tmp_path):
    graph.start("encoder", {"root": str(tmp_path / "data")})
    graph.wait(lambda: graph.status["encoder"])
    assert not processes._is_unused(int(graph.environment["ROS_DOMAIN_ID"]))


NODES = ("hardware", "recorder", "encoder", "replay", "discover")


@pytest.mark.parametrize("name", NODES)
def test_a_node_that_is_interrupted_as_it_starts_prints_no_traceback(name):
    events: queue.SimpleQueue = queue.SimpleQueue()
    node = NodeProcess(name, ["1"], node_environment(isolated=True), events)
    node.interrupt()
    while not isinstance(event := events.get(timeout=60), NodeEnded):
        pass
    node.end(5)
    assert (event.status, list(node.last_lines)) == (-signal.SIGINT, [])


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("module", ["numpy", "lerobot_recorder.errors"])
def test_a_node_that_is_interrupted_while_it_imports_prints_no_traceback(name, module):
    node = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", f"lerobot_recorder.nodes.{name}"],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert node.stderr is not None
    for line in node.stderr:
        if line.rsplit("|", 1)[-1].strip() == module:
            node.send_signal(signal.SIGINT)
            break
    rest = node.communicate(timeout=60)[1]
    assert node.returncode == -signal.SIGINT
    assert "Traceback" not in rest
    assert "KeyboardInterrupt" not in rest

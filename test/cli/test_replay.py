from __future__ import annotations

from importlib.util import find_spec

import pytest

from lerobot_recorder.arms import JOINTS, Comparison, ReplayStatus
from lerobot_recorder.cli import replay as module
from lerobot_recorder.cli.processes import NodeEnded, NodeOutput
from lerobot_recorder.launching import END_S

needs_ros = pytest.mark.skipif(find_spec("rclpy") is None, reason="no ROS 2 in this Python")

ERRORS = {"mean": dict.fromkeys(JOINTS, 0.5), "p95": dict.fromkeys(JOINTS, 1.0)}
COMPARISON = Comparison(
    lag_s=0.04,
    at_once={**ERRORS, "largest": dict.fromkeys(JOINTS, 4.0)},
    lagged={**ERRORS, "largest": dict.fromkeys(JOINTS, 2.0)},
)


@pytest.fixture
def nodes(monkeypatch):
    """The arguments of the nodes that a command starts; none of them runs."""
    started = {}

    def run(nodes, environment, console):
        started.update(nodes)
        return ReplayStatus(state="finished", comparison=COMPARISON)

    monkeypatch.setattr(module, "_run", run)
    monkeypatch.setattr("lerobot_recorder.cli.processes.find_spec", lambda name: True)
    return started


def test_a_running_hardware_node_is_used(invoke, nodes, tmp_path):
    result = invoke("replay", tmp_path, "--episode", 2)
    assert result.exit_code == 0, result.output
    assert list(nodes) == ["replay"]
    assert f'root:="{tmp_path}"' in nodes["replay"]
    assert "episode:=2" in nodes["replay"]
    assert not [word for word in nodes["replay"] if word.startswith("calibration")]


def test_a_follower_is_started_alone_where_a_port_is_given(invoke, nodes, tmp_path):
    arguments = "--port", "/dev/ttyACM0", "--calibration", "mine", "--namespace", "left"
    invoke("replay", tmp_path, "--episode", 0, *arguments)
    hardware = nodes["hardware"]
    assert 'follower.port:="/dev/ttyACM0"' in hardware
    assert 'leader.port:=""' in hardware
    assert "teleop:=false" in hardware
    assert 'cameras:=[""]' in hardware
    assert 'calibration:="mine"' in nodes["replay"]
    assert hardware[2] == nodes["replay"][2] == "__ns:=/left"


def test_the_errors_are_printed_by_joint(invoke, nodes, tmp_path):
    result = invoke("replay", tmp_path, "--episode", 0)
    rows = {line.split()[0]: line.split()[1:] for line in result.output.splitlines()}
    assert rows["elbow_flex"] == ["0.50", "1.00", "4.00", "0.50", "1.00", "2.00"]
    assert "40 ms later" in result.output


class FakeNode:
    """A replay that has ended as soon as it begins, and a hardware node that warns when it is ended."""

    def __init__(self, name, arguments, environment, events):
        self.name, self.events = name, events
        if name == "replay":
            events.put(NodeEnded(name, 0))

    def end(self, grace_s):
        if self.name == "hardware":
            line = "[WARN] [1763.5] [hardware]: The follower is raised and will fall: hold it."
            self.events.put(NodeOutput("hardware", line, is_log=True))
            self.events.put(NodeEnded("hardware", 0))


def test_the_warning_that_the_follower_will_fall_is_shown(invoke, monkeypatch, tmp_path):
    monkeypatch.setattr("lerobot_recorder.cli.processes.find_spec", lambda name: True)
    monkeypatch.setattr(module, "NodeProcess", FakeNode)
    result = invoke("replay", tmp_path, "--episode", 0, "--port", "/dev/ttyACM0")
    assert result.exit_code == 0, result.output
    assert "hardware  The follower is raised and will fall: hold it." in result.output


@needs_ros
def test_the_hardware_node_has_the_time_for_its_longest_warning():
    from lerobot_recorder.hardware_settings import TELEOP_PARAMETERS

    (warning,) = (each for each in TELEOP_PARAMETERS if each.name == "torque_off_warning_s")
    assert warning.high < END_S


def test_a_missing_dataset_is_one_sentence(invoke, nodes):
    result = invoke("replay", "/nowhere/data", "--episode", 0)
    assert (result.exit_code, result.output.splitlines()) == (
        1,
        ["error: /nowhere/data: expected a dataset, as a directory or user/name; found no /nowhere/data"],
    )


@needs_ros
def test_an_error_of_a_node_is_one_sentence(invoke, tmp_path):
    result = invoke("replay", tmp_path, "--episode", 0, "--port", "/dev/no_such_port", "--calibration", "sim")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("error: the ")
    assert "Traceback" not in result.output

"""What happens to the arm and to the take when a cable, or the node itself, goes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest
from sensor_msgs.msg import JointState

from lerobot_recorder.arms.calibration import JOINTS
from lerobot_recorder.arms.registers import TORQUE_ENABLE
from lerobot_recorder.simulation import SimulatedArm
from lerobot_recorder.simulation.leader import home
from lerobot_recorder.spool import Spool

RAISED = home() + np.array([0.4, 0.3, -0.3, 0, 0, 0])


@pytest.fixture
def follower() -> Iterator[SimulatedArm]:
    with SimulatedArm() as arm:
        yield arm


@pytest.fixture
def leader() -> Iterator[SimulatedArm]:
    with SimulatedArm(hand=lambda time_s: RAISED) as arm:
        yield arm


@pytest.fixture
def start(graph, follower, leader):
    """Start a hardware node on these arms, and wait until the follower is where the leader is."""

    def start(**parameters):
        ports = {"follower.port": follower.port, "leader.port": leader.port}
        calibrations = {"follower.calibration": "sim", "leader.calibration": "sim"}
        process = graph.start("hardware", {**ports, **calibrations, "cameras": [""], **parameters})
        graph.wait(lambda: np.allclose(list(follower.pose().values()), RAISED, atol=0.02))
        return process

    return start


def powered(arm: SimulatedArm) -> list[bool]:
    return [bool(servo.get(TORQUE_ENABLE)) for servo in arm.servos.values()]


def test_a_pulled_cable_rejects_the_take_and_the_next_one_needs_no_restart(graph, tmp_path, follower, start):
    hardware = start()
    recorder = {"root": str(tmp_path / "data"), "episode_time_s": 0.0, "task": "Pick"}
    for stream, topic in (("state", "follower/joint_states"), ("action", "follower/joint_target")):
        recorder |= {f"{stream}.topic": topic, f"{stream}.names": list(JOINTS)}
    graph.start("recorder", recorder)

    def record(until) -> tuple[bool, str]:
        graph.wait(lambda: graph.call("recorder/start_episode")[0])
        graph.wait(lambda: graph.frames() > 10)
        until()
        return graph.call("recorder/save_episode")

    def pull() -> None:
        follower.unplug()
        graph.wait(lambda: "state" in graph.status["recorder"]["streams"]["state"]["wrong"])

    saved, message = record(pull)
    assert not saved
    assert "state" in message
    follower.replug()
    assert record(lambda: None)[0]
    assert hardware.running
    with Spool(tmp_path / "data") as spool:
        assert (len(spool.rejected()), len(spool.ready())) == (1, 1)


@pytest.mark.parametrize(("torque_on_exit", "left"), [("off", False), ("hold", True)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_torque_as_requested(graph, follower, start, number, torque_on_exit, left):
    process = start(torque_on_exit=torque_on_exit)
    os.kill(process._process.pid, number)
    assert graph.end_of(process) == 0
    assert powered(follower) == [left] * len(JOINTS)


def test_an_interrupt_counts_although_a_shell_ignores_it_in_the_background(graph, follower, start):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as the nodes inherit it
    try:
        process = start()
    finally:
        signal.signal(signal.SIGINT, before)
    process.interrupt()
    assert graph.end_of(process) == 0
    assert not any(powered(follower))


def test_the_arm_of_a_killed_node_stays_and_the_next_node_takes_it_over(graph, follower, start):
    process = start()
    os.kill(process._process.pid, signal.SIGKILL)
    assert graph.end_of(process) == -signal.SIGKILL
    assert all(powered(follower))
    states: list[JointState] = []
    graph.node.create_subscription(JointState, "follower/joint_states", states.append, 50)
    process = start()
    held = []
    graph.wait(lambda: held.append(powered(follower)) or len(states) > 50)
    assert all(map(all, held))
    assert np.allclose([state.position for state in states], RAISED, atol=0.03)
    process.terminate()
    assert graph.end_of(process) == 0
    assert not any(powered(follower))


def test_no_arm_moves_before_the_cameras_are_open(graph, follower, leader):
    before = follower.pose()
    parameters = {"follower.port": follower.port, "leader.port": leader.port, "cameras": ["top"]}
    calibrations = {"follower.calibration": "sim", "leader.calibration": "sim"}
    process = graph.start("hardware", {**parameters, **calibrations, "top.source": "/dev/video99"})
    assert graph.end_of(process) == 1
    assert any("camera top" in line for line in process.last_lines)
    assert not any(powered(follower))
    assert follower.pose() == pytest.approx(before, abs=0.01)

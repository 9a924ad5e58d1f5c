from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sensor_msgs.msg import JointState

from lerobot_recorder.arms.calibration import JOINTS, SIMULATED
from lerobot_recorder.simulation import SimulatedArm
from lerobot_recorder.simulation.leader import home
from lerobot_recorder.spool import Spool

AWAY = home() + np.array([0.5, 0, 0, 0, 0, 0])


class Hand:
    """Holds a leader where the test says."""

    def __init__(self, pose: np.ndarray) -> None:
        self.pose = pose

    def __call__(self, time_s: float) -> np.ndarray:
        return self.pose


@pytest.fixture
def follower() -> Iterator[SimulatedArm]:
    with SimulatedArm() as arm:
        yield arm


@pytest.fixture
def hand() -> Hand:
    return Hand(AWAY)


@pytest.fixture
def leader(hand: Hand) -> Iterator[SimulatedArm]:
    with SimulatedArm(hand=hand) as arm:
        yield arm


def on(follower: SimulatedArm, leader: SimulatedArm) -> dict:
    """The parameters of a hardware node that has these arms, on ports that it opens as a USB port's."""
    ports = {"follower.port": follower.port, "leader.port": leader.port}
    return {**ports, "follower.calibration": "sim", "leader.calibration": "sim", "cameras": [""]}


def listen(graph, topic: str) -> list[JointState]:
    heard: list[JointState] = []
    graph.node.create_subscription(JointState, topic, heard.append, 50)
    return heard


def test_no_episode_begins_before_the_follower_follows(graph, tmp_path, follower, leader, hand):
    graph.start("hardware", {**on(follower, leader), "teleop_start": "match"})
    recorder = {"root": str(tmp_path / "data"), "num_episodes": 1, "episode_time_s": 0.5, "task": "Pick"}
    for stream, topic in (("state", "follower/joint_states"), ("action", "follower/joint_target")):
        recorder |= {f"{stream}.topic": topic, f"{stream}.names": list(JOINTS)}
    process = graph.start("recorder", recorder)

    def waits_for_the_action_alone() -> bool:
        missing = graph.status["recorder"]["missing"]
        return len(missing) == 1 and missing[0].startswith("action: nothing is received")

    graph.wait(waits_for_the_action_alone)
    assert graph.status["recorder"]["state"] == "waiting"
    hand.pose = home()
    assert graph.end_of(process) == 0
    (episode,) = Spool(tmp_path / "data").ready()
    assert episode.manifest.length == 15


def test_two_pairs_in_two_namespaces_are_independent(graph, follower, leader, hand):
    other_hand = Hand(home())
    with SimulatedArm() as other_follower, SimulatedArm(hand=other_hand) as other_leader:
        heard = {side: listen(graph, f"{side}/follower/joint_target") for side in ("left", "right")}
        graph.start("hardware", on(follower, leader), namespace="left")
        graph.start("hardware", on(other_follower, other_leader), namespace="right")
        graph.wait(lambda: all(heard.values()))

        def is_at(side: str, pose: np.ndarray) -> bool:
            arm = follower if side == "left" else other_follower
            there = np.array(list(arm.pose().values()))
            return np.allclose(there, pose, atol=0.02) and np.allclose(
                heard[side][-1].position, pose, atol=0.02
            )

        graph.wait(lambda: is_at("left", AWAY) and is_at("right", home()))
        assert graph.switch("left/hardware/enable_teleop", False)[0]
        hand.pose, other_hand.pose = home(), SIMULATED.clip(AWAY + 0.2)
        graph.wait(lambda: is_at("right", other_hand.pose))
        assert is_at("left", AWAY)


def test_steps_are_limited_by_joint_and_while_it_runs(graph, follower, leader, hand):
    """A step of nearly nothing keeps the arm where it is."""
    states = listen(graph, "follower/joint_states")
    graph.start("hardware", {**on(follower, leader), "max_relative_target_by_joint.shoulder_pan": 0.01})
    graph.wait(lambda: len(states) > 100)
    assert states[-1].position[0] == pytest.approx(0, abs=0.1)
    assert graph.set_parameter("hardware", "max_relative_target.shoulder_pan", 0.0)[0]
    graph.wait(lambda: abs(states[-1].position[0] - 0.5) < 0.02)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("max_relative_target", -1.0, "expected 0 to 360 deg"),
        ("largest_jump_rad", 0.0, "expected 0.01 to 10 rad"),
        ("limit_tolerance_rad", 2.0, "expected 0 to 1 rad"),
        ("torque_off_warning_s", 60.0, "expected 0 to 10 s"),
    ],
)
def test_invalid_safety_limits_are_refused(graph, name, value, reason):
    hardware = graph.start("hardware", {"follower.port": "sim", "cameras": [""], name: value})
    assert graph.end_of(hardware) == 1
    assert f"{name}: {reason}" in hardware.last_lines[-1]

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from arms import FakeClock

from lerobot_recorder.arms.calibration import JOINTS, SIMULATED
from lerobot_recorder.arms.commands import CommandFilter
from lerobot_recorder.arms.settings import TeleopSettings

SETTINGS = TeleopSettings()
CLOCK = FakeClock()
HIGHEST = SIMULATED.limits_rad[0, 1]


@pytest.fixture
def desk() -> CommandFilter:
    return CommandFilter(SIMULATED, CLOCK)


def test_a_good_command_is_taken_in_the_joints_order(desk: CommandFilter) -> None:
    desk.take(list(reversed(JOINTS)), [0.6, 0.5, 0.4, 0.3, 0.2, 0.1], 0.0, SETTINGS)
    assert desk.accepted == 1
    assert desk.latest is not None
    assert desk.latest.position_rad.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert desk.latest.time_s == CLOCK.now


def test_joints_that_are_not_named_are_left_alone(desk: CommandFilter) -> None:
    desk.take(["wrist_roll"], [0.5], 0.0, SETTINGS)
    assert desk.latest is not None
    assert np.isnan(desk.latest.position_rad).tolist() == [True, True, True, True, False, True]


def test_a_target_is_as_old_as_its_command(desk: CommandFilter) -> None:
    desk.take(["wrist_roll"], [0.5], 0.2, SETTINGS)
    assert desk.latest is not None
    assert desk.latest.time_s == pytest.approx(CLOCK.now - 0.2)


def test_a_command_slightly_outside_the_limits_is_clipped(desk: CommandFilter) -> None:
    desk.take(["shoulder_pan"], [HIGHEST + 0.04], 0.0, SETTINGS)
    assert desk.latest is not None
    assert desk.latest.position_rad[0] == pytest.approx(HIGHEST)


@pytest.mark.parametrize(
    ("names", "position", "age_s", "kind", "said"),
    [
        (["elbow"], [0.1], 0.0, "unknown joint", "unknown joint 'elbow', expected shoulder_pan"),
        (["shoulder_pan"], [math.nan], 0.0, "not a number", "shoulder_pan is nan"),
        (["shoulder_pan"], [-math.inf], 0.0, "not a number", "shoulder_pan is -inf"),
        (["shoulder_pan"], [HIGHEST + 0.06], 0.0, "out of limits", "its range is -1.920 to 1.920 rad"),
        (["shoulder_pan", "gripper"], [0.1], 0.0, "malformed", "2 names for 1 positions"),
        ([], [], 0.0, "malformed", "0 names"),
        (["shoulder_pan"], [0.1], 0.6, "stale", "0.60 s old, the limit is 0.5 s"),
        (["shoulder_pan"], [0.1], math.nan, "stale", "nan s old"),
    ],
)
def test_implausible_commands_are_refused_counted_and_logged_once(
    names: list[str], position: list[float], age_s: float, kind: str, said: str, desk: CommandFilter, caplog
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            desk.take(names, position, age_s, SETTINGS)
    assert desk.refused == {kind: 3}
    assert desk.latest is None
    assert len(caplog.records) == 1
    assert said in caplog.text


def test_a_refused_command_does_not_replace_the_last_one(desk: CommandFilter) -> None:
    desk.take(["wrist_roll"], [0.5], 0.0, SETTINGS)
    before = desk.latest
    desk.take(["wrist_roll"], [50], 0.0, SETTINGS)
    assert desk.latest is before


def test_a_joint_of_any_length_is_refused_in_a_short_text(desk: CommandFilter, caplog) -> None:
    desk.take(["x" * 100_000], [0.0], 0.0, SETTINGS)
    assert desk.refused == {"unknown joint": 1}
    assert len(caplog.text) < 1000

from __future__ import annotations

import numpy as np
import pytest
from arms import FOLDED, UPRIGHT
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.arms.calibration import GRIPPER, SIMULATED
from lerobot_recorder.arms.motion import Motion
from lerobot_recorder.arms.settings import TeleopSettings

TICK_S = 0.01
SLOW = TeleopSettings()
MATCH = TeleopSettings(teleop_start="match")


def ticks(motion: Motion, target: np.ndarray, settings: TeleopSettings, count: int) -> np.ndarray:
    """Move an arm that is at once where it is sent; return its goals."""
    return np.array([motion.towards(target, motion.goal, TICK_S, settings) for _ in range(count)])


def test_a_slow_start_begins_slowly_and_arrives() -> None:
    motion = Motion(SIMULATED, FOLDED)
    goals = ticks(motion, UPRIGHT, SLOW, 300)
    steps = np.abs(np.diff(np.vstack([FOLDED, goals]), axis=0)).max(axis=1)
    assert steps[0] <= SLOW.approach_speed_rad_s * TICK_S * 1.01
    assert motion.phase == "following"
    assert goals[-1] == pytest.approx(UPRIGHT)


def test_a_slow_start_never_exceeds_its_speed() -> None:
    motion = Motion(SIMULATED, FOLDED)
    goals = ticks(motion, UPRIGHT, SLOW, 300)
    steps = np.abs(np.diff(np.vstack([FOLDED, goals]), axis=0)).max(axis=1)
    assert steps.max() <= 2 * SLOW.approach_speed_rad_s * TICK_S * 1.01 + 0.03
    moving = steps[steps > 0]
    assert moving[-10:].max() < 0.3 * moving.max() + 0.03


def test_an_approach_moves_along_with_its_target() -> None:
    motion = Motion(SIMULATED, FOLDED)
    moved = np.array([0.01, 0, 0, 0, 0, 0])
    first = ticks(motion, UPRIGHT, SLOW, 1)[0]
    second = ticks(motion, UPRIGHT + moved, SLOW, 1)[0]
    assert second[0] - first[0] == pytest.approx(0.01, abs=0.001)


def test_once_caught_up_it_follows_at_once() -> None:
    motion = Motion(SIMULATED, FOLDED)
    ticks(motion, FOLDED, SLOW, 1)
    assert motion.phase == "following"
    target = FOLDED + np.array([0.5, 0.5, -0.5, -0.5, 0.5, 0.5])
    assert ticks(motion, target, SLOW, 1)[0] == pytest.approx(target)


def test_an_approach_catches_up_with_a_moving_leader() -> None:
    motion = Motion(SIMULATED, FOLDED)
    for number in range(1000):
        target = UPRIGHT + 0.8 * np.sin(number * TICK_S * 2)
        motion.towards(target, motion.goal, TICK_S, SLOW)
    assert motion.phase == "following"


def test_a_target_beyond_the_limits_is_followed_to_the_limit() -> None:
    motion = Motion(SIMULATED, FOLDED)
    beyond = FOLDED + np.array([0, -0.5, 0.5, 0, 0, 0])
    goals = ticks(motion, beyond, SLOW, 300)
    assert motion.phase == "following"
    assert goals[-1] == pytest.approx(SIMULATED.clip(beyond))
    assert motion.limited == 300


def test_an_approach_does_not_end_before_it_catches_up() -> None:
    motion = Motion(SIMULATED, FOLDED)
    settings = TeleopSettings(max_relative_target=0.05)
    for _ in range(21_000):
        motion.towards(UPRIGHT, FOLDED, 0.05, settings)
    assert motion.phase == "approaching"


def test_after_a_hold_the_target_is_approached_again() -> None:
    motion = Motion(SIMULATED, FOLDED)
    ticks(motion, FOLDED, SLOW, 1)
    motion.hold()
    assert motion.phase == "holding"
    assert np.abs(ticks(motion, UPRIGHT, SLOW, 1)[0] - FOLDED).max() < 0.01
    assert motion.phase == "approaching"


def test_a_long_pause_between_ticks_causes_no_long_step() -> None:
    motion = Motion(SIMULATED, FOLDED)
    goal = motion.towards(UPRIGHT, FOLDED, 10.0, SLOW)
    assert np.abs(goal - FOLDED).max() < 0.05


def test_a_match_is_waited_for_and_names_the_joint_that_differs() -> None:
    motion = Motion(SIMULATED, FOLDED)
    away = FOLDED.copy()
    away[2] -= 0.5
    assert (ticks(motion, away, MATCH, 100) == FOLDED).all()
    assert motion.phase == "waiting"
    assert motion.disagreement == "elbow_flex differs by 29 degrees"
    ticks(motion, FOLDED + 0.1, MATCH, 1)
    assert motion.phase == "following"


def test_the_largest_step_is_measured_from_the_present_position() -> None:
    motion = Motion(SIMULATED, FOLDED)
    settings = TeleopSettings(max_relative_target=5.0)
    ticks(motion, FOLDED, settings, 1)
    steps = motion.towards(FOLDED + 0.5, FOLDED, TICK_S, settings) - FOLDED
    assert np.degrees(steps[1]) == pytest.approx(5)
    assert steps[GRIPPER] == pytest.approx(0.05 * SIMULATED.limits_rad[GRIPPER, 1])
    assert motion.limited == 1


def test_a_joint_may_have_its_own_largest_step() -> None:
    motion = Motion(SIMULATED, FOLDED)
    settings = TeleopSettings(max_relative_target={"wrist_roll": 2.0})
    ticks(motion, FOLDED, settings, 1)
    target = FOLDED + np.array([0.5, 0.5, -0.5, -0.5, 0.5, 0.5])
    steps = motion.towards(target, FOLDED, TICK_S, settings) - FOLDED
    assert steps == pytest.approx([0.5, 0.5, -0.5, -0.5, np.radians(2), 0.5])


def test_a_target_that_jumps_is_approached() -> None:
    """As when the leader's wrist is turned past the end of its sensor's turn."""
    motion = Motion(SIMULATED, FOLDED)
    ticks(motion, FOLDED, SLOW, 1)
    beyond = FOLDED.copy()
    beyond[4] = 3.0
    goal = ticks(motion, beyond, SLOW, 1)[0]
    assert motion.phase == "approaching"
    assert goal[4] < 0.01


def test_a_gripper_may_close_at_once() -> None:
    motion = Motion(SIMULATED, FOLDED)
    ticks(motion, FOLDED, SLOW, 1)
    opened = FOLDED.copy()
    opened[GRIPPER] = 1.8
    assert ticks(motion, opened, SLOW, 1)[0][GRIPPER] == pytest.approx(1.8)


def test_joints_without_a_target_keep_their_goals() -> None:
    motion = Motion(SIMULATED, FOLDED)
    target = np.full(6, np.nan)
    target[GRIPPER] = 1.0
    goal = ticks(motion, target, SLOW, 300)[-1]
    assert goal[:GRIPPER] == pytest.approx(FOLDED[:GRIPPER])
    assert goal[GRIPPER] == pytest.approx(1.0)


@given(
    st.lists(st.lists(st.floats(-10, 10), min_size=6, max_size=6), min_size=1, max_size=20),
    st.sampled_from([SLOW, MATCH, TeleopSettings(max_relative_target=10.0)]),
)
def test_any_target_is_clipped_to_the_limits(targets: list[list[float]], settings: TeleopSettings) -> None:
    motion = Motion(SIMULATED, FOLDED)
    for target in targets:
        goal = motion.towards(np.array(target), motion.goal, TICK_S, settings)
        assert goal == pytest.approx(SIMULATED.clip(goal))

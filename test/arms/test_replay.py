from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.arms.calibration import JOINTS, SIMULATED
from lerobot_recorder.arms.replay import Movement, approach, compare, load_movement
from lerobot_recorder.errors import DatasetError

NAMES = tuple(f"{joint}.pos" for joint in reversed(JOINTS))
angles = st.lists(st.floats(-1, 1), min_size=6, max_size=6).map(np.array)


def backwards(rows: np.ndarray) -> np.ndarray:
    return rows[:, ::-1]


def test_lerobots_units_become_the_followers_angles():
    poses = np.array([[0.1, -0.5, 0.4, 0.3, 1.0, 0.7], [0.2, -0.4, 0.3, 0.2, 0.9, 0.0]])
    units = SIMULATED.lerobot_units(poses)
    states = (NAMES, backwards(units[::-1]))
    movement = load_movement(30, (NAMES, backwards(units)), states, SIMULATED)
    assert np.allclose(movement.action_rad, poses)
    assert np.allclose(movement.state_rad, poses[::-1])
    assert np.allclose(movement.start_rad, poses[1])


@pytest.mark.parametrize(("unit", "factor"), [("degrees", np.pi / 180), ("as_published", 1.0)])
def test_other_units_are_converted_as_requested(unit, factor):
    rows = np.full((2, 6), 0.5)
    movement = load_movement(30, (NAMES, rows), None, SIMULATED, unit)
    assert np.allclose(movement.action_rad, 0.5 * factor)
    assert movement.state_rad is None


def test_actions_of_a_larger_leader_are_clipped_to_the_followers_range():
    movement = load_movement(30, (NAMES, np.full((1, 6), 400.0)), None, SIMULATED)
    assert np.allclose(movement.action_rad[0], SIMULATED.limits_rad[:, 1])


def test_another_robot_than_an_so100_is_refused():
    action = ("left.pos", "gripper.pos"), np.zeros((1, 2))
    with pytest.raises(
        DatasetError, match=r"action is not of an SO-100: expected shoulder_pan, .* found left"
    ):
        load_movement(30, action, None, SIMULATED)


def test_one_arm_of_several_is_replayed():
    joints = [side + name for side in ("left_", "right_") for name in NAMES]
    poses = {"left_": np.full((2, 6), 0.2), "right_": np.full((2, 6), 0.4)}
    both = np.hstack(list(poses.values()))
    for side, expected in poses.items():
        movement = load_movement(
            30, (joints, both), (joints, both), SIMULATED, "as_published", joint_prefix=side
        )
        assert np.allclose(movement.action_rad, expected)
        assert np.allclose(movement.state_rad, expected)
    with pytest.raises(DatasetError, match="set joint_prefix to left_ or right_ to replay one of them"):
        load_movement(30, (joints, both), None, SIMULATED)


def test_it_begins_at_the_first_state_unless_that_is_far_from_the_first_action():
    action = np.zeros((2, 6))
    assert (Movement(30, action, action + 0.1).start_rad == 0.1).all()
    assert (Movement(30, action, action + 2.0).start_rad == 0.0).all()
    assert (Movement(30, action, None).start_rad == 0.0).all()


@given(angles, angles, st.floats(0.1, 5))
def test_the_approach_is_never_faster_than_its_speed(present, first, speed):
    way = approach(present, first, speed, 50.0)
    assert np.allclose(way[0], present)
    assert np.allclose(way[-1], first)
    assert np.abs(np.diff(way, axis=0)).max() <= speed / 50 * 1.001


def test_a_delay_is_distinguished_from_an_error():
    def pose(times_s):
        return np.sin(2 * np.asarray(times_s))[:, None] * np.ones(6)

    rows_s, seen_s = np.arange(90) / 30, np.arange(-0.1, 3.2, 0.01)
    state = pose(rows_s)
    state[:, 2] += np.radians(1.0)
    comparison = compare(Movement(30, pose(rows_s), state), seen_s, pose(seen_s - 0.08))
    assert comparison.lag_s == pytest.approx(0.08, abs=0.006)
    at_once, lagged = comparison.at_once, comparison.lagged
    assert at_once["largest"]["shoulder_pan"] == pytest.approx(np.degrees(0.16), rel=0.05)
    assert lagged["mean"]["shoulder_pan"] < 0.1
    assert lagged["mean"]["elbow_flex"] == pytest.approx(1.0, abs=0.1)
    assert all(lagged["mean"][joint] <= lagged["p95"][joint] for joint in JOINTS)


def test_without_states_there_is_no_comparison():
    still = np.zeros((2, 6))
    assert compare(Movement(30, still, None), [0.0, 1.0], still) is None
    assert compare(Movement(30, still, still), [], still[:0]) is None
    one = compare(Movement(30, still[:1], still[:1]), [0.0, 1.0], still)
    assert set(one.lagged["largest"].values()) == {0}

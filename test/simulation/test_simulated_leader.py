from __future__ import annotations

import numpy as np
import pytest

from lerobot_recorder.arms.calibration import GRIPPER, JOINTS, SIMULATED
from lerobot_recorder.simulation.leader import PERIOD_S, PickAndPlace, home
from lerobot_recorder.simulation.servo import MAX_SPEED
from lerobot_recorder.simulation.tabletop import CUBE_SIDE, PLATE, PLATE_RADIUS, SPOTS, Tabletop

STEP_S = 0.02
CYCLES = len(SPOTS) + 1


@pytest.fixture(scope="module")
def poses() -> np.ndarray:
    script = PickAndPlace()
    return np.array([script(time_s) for time_s in np.arange(0, CYCLES * PERIOD_S, STEP_S)])


def test_it_stays_within_the_joints_ranges(poses: np.ndarray) -> None:
    assert (SIMULATED.clip(poses) == poses).all()


def test_it_is_smooth_and_no_faster_than_a_servo(poses: np.ndarray) -> None:
    speeds = np.diff(poses, axis=0) / STEP_S
    top = MAX_SPEED * 2 * np.pi / 4095
    assert np.abs(speeds).max() < top
    assert np.abs(np.diff(speeds, axis=0)).max() / STEP_S < 60


def test_each_cycle_begins_and_ends_at_rest(poses: np.ndarray) -> None:
    starts = poses[:: round(PERIOD_S / STEP_S)]
    assert np.abs(starts - home()).max() < 0.01


def test_cycles_differ_and_seeds_too_but_the_same_is_the_same() -> None:
    script, again, other = PickAndPlace(), PickAndPlace(), PickAndPlace(seed=1)
    middle = 0.6 * PERIOD_S
    assert (script(middle) == again(middle)).all()
    assert (script(middle) != script(middle + len(SPOTS) * PERIOD_S)).any()
    assert (script(middle) != other(middle)).any()


def test_time_may_jump_back() -> None:
    script = PickAndPlace()
    first = script(2.0)
    script(50.0)
    assert (script(2.0) == first).all()


def test_the_cube_comes_to_the_plate_in_every_cycle(poses: np.ndarray) -> None:
    table, arrivals, was_held = Tabletop(), [], False
    for number, pose in enumerate(poses):
        cube = table.update(dict(zip(JOINTS, pose, strict=True)), number * STEP_S)
        if was_held and not cube.held:
            arrivals.append(np.linalg.norm(cube.frame[:2, 3] - PLATE))
        was_held = cube.held
    assert len(arrivals) == CYCLES
    assert max(arrivals) < PLATE_RADIUS - CUBE_SIDE / 2


def test_the_gripper_opens_and_closes(poses: np.ndarray) -> None:
    assert poses[:, GRIPPER].min() < 0.4
    assert poses[:, GRIPPER].max() > 0.8

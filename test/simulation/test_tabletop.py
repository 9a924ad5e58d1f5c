from __future__ import annotations

import math

import numpy as np
import pytest

from lerobot_recorder.arms.calibration import JOINTS
from lerobot_recorder.arms.kinematics import RESTING, grasp_point, reach
from lerobot_recorder.simulation.leader import PERIOD_S, PickAndPlace
from lerobot_recorder.simulation.tabletop import CUBE_SIDE, PLATE, PLATE_HEIGHT, SPOTS, Tabletop

OPEN, SHUT = 0.9, 0.36


class Arm:
    """Moves in straight steps over a table, at 50 Hz."""

    def __init__(self) -> None:
        self.table = Tabletop()
        self.now_s = 0.0
        self.at = (0.2, 0.0, 0.1)
        self.cube = self.table.update(RESTING, 0.0)

    def go(self, x: float, y: float, z: float, gripper: float) -> None:
        for part in np.linspace(0, 1, 20):
            place = (1 - part) * np.array(self.at) + part * np.array((x, y, z))
            self.see(reach(*place) | {"gripper": gripper})
        self.at = (x, y, z)

    def see(self, joints: dict[str, float]) -> None:
        self.now_s += 0.02
        self.cube = self.table.update(joints, self.now_s)

    def pick(self, x: float, y: float) -> None:
        self.go(x, y, 0.1, OPEN)
        self.go(x, y, CUBE_SIDE / 2, OPEN)
        self.go(x, y, CUBE_SIDE / 2, SHUT)
        self.go(x, y, 0.1, SHUT)

    def put(self, x: float, y: float) -> None:
        self.go(x, y, 0.1, SHUT)
        self.go(x, y, 0.03, SHUT)
        self.go(x, y, 0.03, OPEN)
        self.go(x, y, 0.1, OPEN)

    def place(self) -> np.ndarray:
        return self.cube.frame[:3, 3]


@pytest.fixture
def arm() -> Arm:
    return Arm()


def test_a_cube_between_closing_jaws_goes_with_them(arm):
    arm.pick(*SPOTS[0])
    assert arm.cube.held
    assert arm.place() == pytest.approx(grasp_point(reach(*SPOTS[0], 0.1)), abs=1e-3)


def test_it_is_taken_where_the_jaws_close_even_if_a_little_beside(arm):
    arm.pick(SPOTS[0][0] + 0.012, SPOTS[0][1] - 0.01)
    assert arm.cube.held


def test_opened_jaws_let_it_fall_onto_the_plate_and_lie_flat(arm):
    arm.pick(*SPOTS[0])
    arm.put(*PLATE)
    assert not arm.cube.held
    assert arm.place()[:2] == pytest.approx(PLATE, abs=5e-3)
    assert arm.place()[2] == pytest.approx(PLATE_HEIGHT + CUBE_SIDE / 2)
    assert arm.cube.frame[2, :3] == pytest.approx((0, 0, 1), abs=1e-3)


def test_put_on_the_plate_it_is_at_the_next_spot_once_the_arm_is_away(arm):
    for spot in (0, 1, 2):
        assert arm.place()[:2] == pytest.approx(SPOTS[spot])
        arm.pick(*SPOTS[spot])
        arm.put(*PLATE)
        arm.go(0.2, 0.05, 0.1, OPEN)


def test_a_leader_that_is_elsewhere_in_the_sequence_finds_the_cube_the_next_time(arm):
    arm.pick(*SPOTS[3])
    assert not arm.cube.held
    arm.go(*PLATE, 0.1, OPEN)
    arm.pick(*SPOTS[4])
    assert arm.cube.held


def test_a_miss_nearby_leaves_the_cube_where_it_is(arm):
    arm.pick(SPOTS[0][0] + 0.035, SPOTS[0][1])
    assert not arm.cube.held
    arm.go(*PLATE, 0.1, OPEN)
    assert arm.place()[:2] == pytest.approx(SPOTS[0])


def test_jaws_that_were_never_open_take_nothing(arm):
    arm.go(*SPOTS[0], CUBE_SIDE / 2, SHUT)
    assert not arm.cube.held


def test_every_spot_and_the_plate_can_be_reached_within_the_joints_ranges():
    for spot in (*SPOTS, PLATE):
        for height in (CUBE_SIDE / 2, 0.1):
            joints = reach(*spot, height)
            assert all(abs(angle) < 1.65 for angle in joints.values())


def test_spots_are_apart_from_each_other_and_from_the_plate():
    places = (*SPOTS, PLATE)
    gaps = [math.dist(a, b) for i, a in enumerate(places) for b in places[:i]]
    assert min(gaps) > 0.042


@pytest.mark.parametrize("lag_s", [0.0, 0.1])
def test_the_scripted_leader_puts_the_cube_on_the_plate_in_every_cycle(lag_s):
    table, leader = Tabletop(), PickAndPlace()
    held, takes, places = False, 0, []
    for now_s in np.arange(0, 3 * PERIOD_S, 1 / 30):
        joints = dict(zip(JOINTS, leader(now_s - lag_s).tolist(), strict=True))
        cube = table.update(joints, now_s)
        takes += cube.held and not held
        if held and not cube.held:
            places.append(cube.frame[:2, 3])
        held = cube.held
    assert takes == 3
    assert [math.dist(place, PLATE) < 0.03 for place in places] == [True] * 3

"""The table in front of the simulated arm, with a plate and a cube that the gripper can carry.

This is not a physics simulation: the cube follows the gripper from the moment the jaws close on it until they
open, then it falls. A cube on the plate moves to its next spot on the table as soon as the arm is away.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.arms import GRASP, Frame, forward

CUBE_SIDE = 0.028
PLATE = (0.175, -0.135)
PLATE_RADIUS = 0.058
PLATE_HEIGHT = 0.006

SPOTS = tuple(
    (radius * math.cos(math.radians(bearing)), radius * math.sin(math.radians(bearing)))
    for radius, bearing in (
        (0.215, 20), (0.255, -2), (0.190, 46), (0.250, 34), (0.185, 2), (0.240, 54), (0.260, 16),
    )
)  # fmt: skip
"""Positions of the cube, used in turn: x, y in m."""

HELD_OPENING_RAD = 0.36
"""Angle of ``gripper`` at which the jaws touch both sides of the cube."""

_CLOSED_ON_RAD = HELD_OPENING_RAD + 0.05
_OPEN_RAD = HELD_OPENING_RAD + 0.12
_GRASP_REACH = 0.03
_MISS_DISTANCE = 0.04
_LOW = 0.08
_AWAY = 0.11
_SETTLE_S = 0.06
_GRAVITY = 9.81


@dataclass(frozen=True)
class Cube:
    """Pose of the cube.

    Attributes:
        frame: transform of its coordinates, the origin in its middle, to the world's, (4, 4)
        held: whether the gripper holds it
    """

    frame: Frame
    held: bool


class Tabletop:
    """Moves the cube according to the arm's poses; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spot = 0
        self._cube = _lying_at(*SPOTS[0])
        self._grip: Frame | None = None  # the cube in the gripper's frame, while held
        self._fall_speed = 0.0
        self._was_open = False
        self._must_move = False
        self._now_s = -math.inf

    def update(self, joints: Mapping[str, float], now_s: float) -> Cube:
        """Update the arm's pose, and return the cube's pose.

        Args:
            joints: angles in rad by joint name
            now_s: time on any clock; a time before the previous one counts as equal to it
        """
        with self._lock:
            elapsed_s = min(max(now_s - self._now_s, 0.0), 0.1)
            self._now_s = max(now_s, self._now_s)
            gripper = forward(joints)["gripper"]
            self._follow_jaws(gripper, joints.get("gripper", 0.0))
            if self._grip is not None:
                self._carry(gripper, elapsed_s)
            else:
                self._drop(elapsed_s)
                self._tidy(gripper)
            return Cube(self._cube.copy(), self._grip is not None)

    def _follow_jaws(self, gripper: Frame, opening: float) -> None:
        if opening > _OPEN_RAD:
            self._grip = None
            self._was_open = True
        elif opening < _CLOSED_ON_RAD and self._was_open:
            self._was_open = False
            self._close_on(gripper)

    def _close_on(self, gripper: Frame) -> None:
        place = _grasp_place(gripper)
        distance = float(np.linalg.norm(place - self._cube[:3, 3]))
        if distance < _GRASP_REACH:
            self._grip = np.linalg.inv(gripper) @ self._cube
        if place[2] < _LOW:
            self._spot = min(range(len(SPOTS)), key=lambda i: math.dist(SPOTS[i], place[:2]))
            self._must_move = distance > _MISS_DISTANCE

    def _carry(self, gripper: Frame, elapsed_s: float) -> None:
        """Move the cube with the gripper, and towards the middle of the jaws."""
        assert self._grip is not None
        self._grip[:3, 3] += (np.array(GRASP) - self._grip[:3, 3]) * min(elapsed_s / _SETTLE_S, 1.0)
        self._cube = gripper @ self._grip
        self._fall_speed = 0.0

    def _drop(self, elapsed_s: float) -> None:
        floor = CUBE_SIDE / 2 + (PLATE_HEIGHT if self._is_on_plate() else 0.0)
        self._fall_speed += _GRAVITY * elapsed_s
        self._cube[2, 3] = max(self._cube[2, 3] - self._fall_speed * elapsed_s, floor)
        if self._cube[2, 3] == floor:
            self._fall_speed = 0.0
        self._cube[:3, :3] = _levelled(self._cube[:3, :3], min(elapsed_s / _SETTLE_S, 1.0))

    def _tidy(self, gripper: Frame) -> None:
        """Move a cube that is on the plate, or was clearly missed, to its next spot once the arm is away."""
        away = math.dist(_grasp_place(gripper)[:2], self._cube[:2, 3]) > _AWAY
        if away and (self._is_on_plate() or self._must_move):
            self._spot = (self._spot + 1) % len(SPOTS)
            self._cube = _lying_at(*SPOTS[self._spot])
            self._must_move = False

    def _is_on_plate(self) -> bool:
        return math.dist(self._cube[:2, 3], PLATE) < PLATE_RADIUS


def _grasp_place(gripper: Frame) -> NDArray[np.float64]:
    return np.asarray(gripper @ (*GRASP, 1.0))[:3]


def _lying_at(x: float, y: float) -> Frame:
    """Return the pose of a cube on the table, turned towards the arm."""
    frame = np.eye(4)
    frame[:3, :3] = _turned(math.atan2(y, x))
    frame[:3, 3] = x, y, CUBE_SIDE / 2
    return frame


def _turned(yaw: float) -> NDArray[np.float64]:
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([(cos, -sin, 0.0), (sin, cos, 0.0), (0.0, 0.0, 1.0)])


def _levelled(rotation: NDArray[np.float64], part: float) -> NDArray[np.float64]:
    """Rotate towards the nearest orientation in which the cube lies flat."""
    up = int(np.argmax(np.abs(rotation[2])))
    flat = np.roll(rotation, -1 - up, axis=1)  # the axis that is nearest to vertical comes last
    if flat[2, 2] < 0:
        flat[:, 1:] *= -1.0
    level = _turned(math.atan2(flat[1, 0], flat[0, 0]))
    left, _, right = np.linalg.svd((1 - part) * flat + part * level)
    return np.asarray(left @ right)

"""Where the links of an SO-100 or SO-101 are: forward kinematics, and the pose that reaches a point.

Lengths in m, from the SO-101's published model. The base frame has x forward, y to the left and z up; its
origin is on the axis of ``shoulder_pan``, at the height of the table. In the zero pose the upper arm points
up, the forearm and the hand forward. Positive angles turn the pan to the left and bend lift, elbow and wrist
forward and down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerobot_recorder.robot.calibration import Vector

SHOULDER = (0.0304, 0.1166)
"""The lift axis, forward of the pan axis and above the table."""
UPPER_ARM = (0.0280, 0.1126)
"""From the lift axis to the elbow in the zero pose, forward and up."""
FOREARM = (0.1349, 0.0052)
"""From the elbow to the wrist in the zero pose, forward and up."""
HAND_LENGTH = 0.159
"""From the wrist to the point between the fingertips."""


@dataclass(frozen=True)
class ArmShape:
    """Where the arm's links are, each point (3,) in m in the base frame.

    Attributes:
        shoulder: The lift axis.
        elbow: The elbow axis.
        wrist: The wrist's bending axis.
        tip: The point between the fingertips.
        hand: Rotation of the hand, (3, 3); its columns are the hand's forward, left and up.
    """

    shoulder: Vector
    elbow: Vector
    wrist: Vector
    tip: Vector
    hand: Vector


def forward(position_rad: npt.ArrayLike) -> ArmShape:
    """Return where the links are in a pose, (6,) or (5,) rad."""
    pan, lift, elbow, wrist, roll = np.asarray(position_rad, dtype=np.float64)[:5]
    points = np.cumsum(
        [
            SHOULDER,
            _pitched(UPPER_ARM, lift),
            _pitched(FOREARM, lift + elbow),
            _pitched((HAND_LENGTH, 0.0), lift + elbow + wrist),
        ],
        axis=0,
    )
    turn = _rotation_z(pan)
    in_space = [turn @ (ahead, 0.0, up) for ahead, up in points]
    hand = turn @ _rotation_y(lift + elbow + wrist) @ _rotation_x(roll)
    return ArmShape(in_space[0], in_space[1], in_space[2], in_space[3], hand)


def reach(tip: npt.ArrayLike, pitch_rad: float, roll_rad: float = 0.0) -> Vector:
    """Return the body joints, (5,) rad, that bring the fingertips to a point.

    Args:
        tip: The point, (3,) in m in the base frame.
        pitch_rad: How far the hand points down, pi/2 for straight down.
        roll_rad: The wrist's roll.

    Raises:
        ValueError: The arm is too short.
    """
    x, y, z = np.asarray(tip, dtype=np.float64)
    ahead = np.hypot(x, y) - HAND_LENGTH * np.cos(pitch_rad) - SHOULDER[0]
    up = z + HAND_LENGTH * np.sin(pitch_rad) - SHOULDER[1]
    lift, elbow = _bend(ahead, up)
    return np.array([np.arctan2(y, x), lift, elbow, pitch_rad - lift - elbow, roll_rad])


def _bend(ahead: float, up: float) -> tuple[float, float]:
    """Return lift and elbow that bring the wrist to a point seen from the lift axis."""
    upper, fore = np.hypot(*UPPER_ARM), np.hypot(*FOREARM)
    distance = np.hypot(ahead, up)
    if not abs(upper - fore) < distance < upper + fore:
        raise ValueError(f"the wrist cannot come to {distance:.3f} m from the shoulder")
    corner = np.arccos((upper**2 + distance**2 - fore**2) / (2 * upper * distance))
    lift = np.arctan2(ahead, up) - corner - np.arctan2(*UPPER_ARM)
    elbow_ahead, elbow_up = _pitched(UPPER_ARM, lift)
    fore_pitch = np.arctan2(elbow_up - up, ahead - elbow_ahead)
    return lift, fore_pitch + np.arctan2(FOREARM[1], FOREARM[0]) - lift


def _pitched(link: tuple[float, float], angle: float) -> tuple[float, float]:
    """Turn a link, forward and up, downwards by an angle."""
    ahead, up = link
    return ahead * np.cos(angle) + up * np.sin(angle), up * np.cos(angle) - ahead * np.sin(angle)


def _rotation_x(angle: float) -> Vector:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _rotation_y(angle: float) -> Vector:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _rotation_z(angle: float) -> Vector:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])

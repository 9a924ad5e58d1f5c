"""Forward and inverse kinematics of the SO-100.

The world's origin is where the axis of ``shoulder_pan`` meets the table: x forward, y to the arm's left,
z up, in m. Angles are in rad from the middle of each joint's range. With all angles at zero the upper arm is
upright, leaning forward by its offset, and the forearm and the gripper point forward. In order::

    shoulder   = base      · turn about z by -shoulder_pan
    upper_arm  = shoulder  · move (30.4, 0, 116.6) mm  · turn about y by shoulder_lift
    forearm    = upper_arm · move (28.0, 0, 112.6) mm  · turn about y by elbow_flex
    wrist      = forearm   · move (134.9, 0, 5.2) mm   · turn about y by wrist_flex
    gripper    = wrist     · move (61.1, 0, 0) mm      · turn about x by -wrist_roll
    jaw        = gripper   · move (23.4, 0, 20.2) mm   · turn about y by 10 degrees - gripper

Positive angles turn right, bend down, roll clockwise seen from the front, and open. The lengths are those of
``so101_new_calib.urdf`` in TheRobotStudio/SO-ARM100, whose joint zeros are also the middles of the ranges;
the table is at the height of its ``baseframe``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.errors import ConfigError

Frame = NDArray[np.float64]
"""Homogeneous transform of a link's coordinates to the world's, (4, 4)."""

_SHOULDER_LIFT = (0.0304, 0.0, 0.1166)
_ELBOW = (0.0280, 0.0, 0.11257)
_WRIST = (0.1349, 0.0, 0.0052)
_ROLL = (0.0611, 0.0, 0.0)
_JAW = (0.0234, 0.0, 0.0202)
_JAW_CLOSED_RAD = math.radians(10)

GRASP = (0.0870, 0.0, 0.0080)
"""Middle of a small object held between the jaws, in the gripper's frame."""

RESTING = {
    "shoulder_pan": 0.0,
    "shoulder_lift": -1.70,
    "elbow_flex": 1.55,
    "wrist_flex": 0.95,
    "wrist_roll": 0.0,
    "gripper": 0.1,
}
"""The folded pose in which an arm is left on the table."""


def forward(joints: Mapping[str, float]) -> dict[str, Frame]:
    """Return the frame of each link.

    Args:
        joints: angles in rad by joint name; missing joints are at zero
    """
    angle = {name: float(joints.get(name, 0.0)) for name in RESTING}
    shoulder = _frame((0.0, 0.0, 0.0), "z", -angle["shoulder_pan"])
    upper_arm = shoulder @ _frame(_SHOULDER_LIFT, "y", angle["shoulder_lift"])
    forearm = upper_arm @ _frame(_ELBOW, "y", angle["elbow_flex"])
    wrist = forearm @ _frame(_WRIST, "y", angle["wrist_flex"])
    gripper = wrist @ _frame(_ROLL, "x", -angle["wrist_roll"])
    jaw = gripper @ _frame(_JAW, "y", _JAW_CLOSED_RAD - angle["gripper"])
    return {
        "base": np.eye(4),
        "shoulder": shoulder,
        "upper_arm": upper_arm,
        "forearm": forearm,
        "wrist": wrist,
        "gripper": gripper,
        "jaw": jaw,
    }


def grasp_point(joints: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the position of a small object between the jaws: x, y, z in m."""
    return np.asarray(forward(joints)["gripper"] @ (*GRASP, 1.0))[:3]


def reach(x: float, y: float, z: float, pitch: float = 1.2, roll: float = 0.0) -> dict[str, float]:
    """Return the angles of the five body joints that move the grasp point to a position, elbow up.

    Args:
        x: forward, m
        y: to the left, m
        z: above the table, m
        pitch: angle of the gripper below the horizon, rad; straight down is pi / 2
        roll: angle of ``wrist_roll``, rad; the position is exact for 0

    Raises:
        ConfigError: the position is out of reach or too close to the shoulder.
    """
    along, above = _in_plane(_ROLL[0] + GRASP[0], GRASP[2], pitch)
    lift, elbow = _two_links(math.hypot(x, y) - along - _SHOULDER_LIFT[0], z - above - _SHOULDER_LIFT[2])
    if math.isnan(lift):
        raise ConfigError(
            f"the arm cannot reach ({x:.3f}, {y:.3f}, {z:.3f}) m with the gripper {math.degrees(pitch):.0f} "
            "degrees below the horizon; choose a position 0.15 to 0.35 m from its base"
        )
    return {
        "shoulder_pan": -math.atan2(y, x),
        "shoulder_lift": lift,
        "elbow_flex": elbow,
        "wrist_flex": pitch - lift - elbow,
        "wrist_roll": roll,
    }


def _two_links(forward_m: float, up_m: float) -> tuple[float, float]:
    """Return the angles of shoulder_lift and elbow_flex that put the wrist at a position; NaN if none do."""
    upper, lower = math.hypot(_ELBOW[0], _ELBOW[2]), math.hypot(_WRIST[0], _WRIST[2])
    distance = math.hypot(forward_m, up_m)
    if not abs(upper - lower) < distance < upper + lower:
        return math.nan, math.nan
    inner = math.acos((upper**2 + distance**2 - lower**2) / (2 * upper * distance))
    upper_elevation = math.atan2(up_m, forward_m) + inner
    lower_elevation = math.atan2(
        up_m - upper * math.sin(upper_elevation), forward_m - upper * math.cos(upper_elevation)
    )
    lift = math.atan2(_ELBOW[2], _ELBOW[0]) - upper_elevation
    return lift, math.atan2(_WRIST[2], _WRIST[0]) - lower_elevation - lift


def _in_plane(forward_m: float, up_m: float, pitch: float) -> tuple[float, float]:
    """Rotate a vector in the arm's plane down by a pitch."""
    cos, sin = math.cos(pitch), math.sin(pitch)
    return forward_m * cos + up_m * sin, up_m * cos - forward_m * sin


def _frame(at: tuple[float, float, float], axis: str, angle: float) -> Frame:
    """Return a translation followed by a right-handed rotation about an axis."""
    cos, sin = math.cos(angle), math.sin(angle)
    turn = {
        "x": ((1.0, 0.0, 0.0), (0.0, cos, -sin), (0.0, sin, cos)),
        "y": ((cos, 0.0, sin), (0.0, 1.0, 0.0), (-sin, 0.0, cos)),
        "z": ((cos, -sin, 0.0), (sin, cos, 0.0), (0.0, 0.0, 1.0)),
    }[axis]
    return np.array([(*row, offset) for row, offset in zip(turn, at, strict=True)] + [(0.0, 0.0, 0.0, 1.0)])

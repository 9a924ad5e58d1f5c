"""A position and a rotation, and how they become the values of a row."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np

Rotation = Literal["quaternion", "rotation_vector"]

_AXES = ("x", "y", "z")
_POSITION = tuple(f"position.{axis}" for axis in _AXES)
NAMES: dict[Rotation, tuple[str, ...]] = {
    "quaternion": (*_POSITION, *(f"orientation.{axis}" for axis in (*_AXES, "w"))),
    "rotation_vector": (*_POSITION, *(f"rotation.{axis}" for axis in _AXES)),
}
"""Names of the values of a transform."""

_SAME_DIRECTION = 0.9999999
"""Cosine of an angle below which rotations are interpolated linearly."""

_ROUNDING = 1e-6
"""A component of a quaternion below this has the sign that rounding gave it."""

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


class Transform(NamedTuple):
    """A position in m and a rotation as a unit quaternion x, y, z, w: the pose of a frame in another one."""

    position: Vector
    rotation: Quaternion

    @classmethod
    def of(cls, message: Any) -> Transform:
        """Return the values of a ``geometry_msgs/msg/Transform`` as they are."""
        at, turned = message.translation, message.rotation
        return cls((at.x, at.y, at.z), (turned.x, turned.y, turned.z, turned.w))

    def __matmul__(self, other: Transform) -> Transform:
        """Return the pose in this frame's parent of a frame whose pose is given in this frame."""
        x, y, z = _rotated(self.rotation, other.position)
        a, b, c = self.position
        return Transform((a + x, b + y, c + z), _product(self.rotation, other.rotation))

    def inverse(self) -> Transform:
        """Return the pose of the parent in this frame."""
        x, y, z, w = self.rotation
        back = (-x, -y, -z, w)
        a, b, c = _rotated(back, self.position)
        return Transform((-a, -b, -c), back)

    def towards(self, other: Transform, part: float) -> Transform:
        """Return the transform between this one (part 0) and another (part 1)."""
        x, y, z = (a + (b - a) * part for a, b in zip(self.position, other.position, strict=True))
        return Transform((x, y, z), _slerp(self.rotation, other.rotation, part))

    def vector(self, rotation: Rotation) -> np.ndarray:
        """Return its values as in ``NAMES``, float64; w is not negative, an angle is pi at most.

        The first of x, y and z is positive if w is 0, whatever the sign of its rounding error.
        """
        x, y, z, w = self.rotation
        if next((each for each in (w, x, y, z) if abs(each) > _ROUNDING), 1.0) < 0:
            x, y, z, w = -x, -y, -z, -w
        if rotation == "quaternion":
            return np.array((*self.position, x, y, z, w))
        sine = math.sqrt(x * x + y * y + z * z)
        factor = 2 * math.atan2(sine, w) / sine if sine > 1e-12 else 2.0
        return np.array((*self.position, x * factor, y * factor, z * factor))


def continued(rotation: Rotation, values: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    """Return the values of a transform that mean the same and are nearest to those of the row before.

    A quaternion may be negated; a rotation vector may be longer by full turns.

    Args:
        rotation: how the rotation is given.
        values: those of ``Transform.vector``.
        before: the values before; None in the first row.
    """
    if before is None:
        return values
    turned, last = values[3:], before[3:]
    if rotation == "quaternion":
        return values if turned @ last >= 0 else np.concatenate((values[:3], -turned))
    angle = float(np.linalg.norm(turned))
    axis = turned / angle if angle > 1e-9 else last / max(float(np.linalg.norm(last)), 1e-9)
    turns = round((float(axis @ last) - angle) / math.tau)
    return np.concatenate((values[:3], turned + axis * turns * math.tau))


def _product(a: Quaternion, b: Quaternion) -> Quaternion:
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _rotated(q: Quaternion, v: Vector) -> Vector:
    x, y, z, w = q
    a, b, c = v
    p, q_, r = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return a + w * p + y * r - z * q_, b + w * q_ + z * p - x * r, c + w * r + x * q_ - y * p


def _slerp(a: Quaternion, b: Quaternion, part: float) -> Quaternion:
    cosine = sum(p * q for p, q in zip(a, b, strict=True))
    sign = 1.0 if cosine >= 0 else -1.0
    cosine = min(abs(cosine), 1.0)
    if cosine > _SAME_DIRECTION:
        of_a, of_b = 1 - part, sign * part
    else:
        angle = math.acos(cosine)
        of_a = math.sin((1 - part) * angle) / math.sin(angle)
        of_b = sign * math.sin(part * angle) / math.sin(angle)
    x, y, z, w = (of_a * p + of_b * q for p, q in zip(a, b, strict=True))
    length = math.sqrt(x * x + y * y + z * z + w * w)
    return x / length, y / length, z / length, w / length

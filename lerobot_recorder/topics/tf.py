"""Transforms between two frames from the messages of ``/tf`` and ``/tf_static``.

Each transform of a tree is known at the stamps of its messages. `TransformTracker` gives the transform
between two frames at all these stamps, and interpolates those that have other stamps: positions linearly,
rotations on the shortest arc. Nothing is extrapolated.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np

from lerobot_recorder.errors import StreamError
from lerobot_recorder.excerpt import excerpt, listing
from lerobot_recorder.topics.stamps import stamp_ns

Rotation = Literal["quaternion", "rotation_vector"]

_AXES = ("x", "y", "z")
_POSITION = tuple(f"position.{axis}" for axis in _AXES)
NAMES: dict[Rotation, tuple[str, ...]] = {
    "quaternion": (*_POSITION, *(f"orientation.{axis}" for axis in (*_AXES, "w"))),
    "rotation_vector": (*_POSITION, *(f"rotation.{axis}" for axis in _AXES)),
}
"""Names of the values of a transform."""

_KEPT = 4096
"""Messages of one transform that wait for those of others."""

_SET_BACK_NS = 2_000_000_000
"""Messages are this much older than the newest: the clock that stamps them was set back."""

_MOST_FRAMES = 4096

_TOLERANCE = 0.01
"""By how much the length of a quaternion may differ from 1; tf2 has the same limit."""

_SAME_DIRECTION = 0.9999999
"""Cosine of an angle below which rotations are interpolated linearly."""

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


class Transform(NamedTuple):
    """A position in m and a rotation as a unit quaternion x, y, z, w: the pose of a frame in another one."""

    position: Vector
    rotation: Quaternion

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
        """Return its values as in ``NAMES``, float64; w is not negative, an angle is pi at most."""
        x, y, z, w = self.rotation if self.rotation[3] >= 0 else (-each for each in self.rotation)
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


@dataclass(eq=False)
class _Link:
    """A frame's transform to its parent.

    Attributes:
        parent: name of the parent
        is_static: whether it holds for all times
        newest: the newest message, as it came
        known: its transforms by their stamps in nanoseconds, oldest first; only between the two frames
        fault: what is wrong with the newest message; empty if nothing is
    """

    parent: str
    is_static: bool
    newest: Any
    known: deque[tuple[int, Transform]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    fault: str = ""

    def keep(self, child: str) -> None:
        """Keep the newest message; ignore one that is older than the one before."""
        try:
            transform = _transform(self.newest, f"{excerpt(self.parent)} to {excerpt(child)}")
            at_ns = 0 if self.is_static else stamp_ns(self.newest.header.stamp)
            if at_ns <= 0 and not self.is_static:
                raise StreamError(
                    f"the transform from {excerpt(self.parent)} to {excerpt(child)} has no stamp"
                )
        except StreamError as error:
            self.fault = str(error)
            return
        self.fault = ""
        if self.is_static or (self.known and at_ns < self.known[-1][0] - _SET_BACK_NS):
            self.known.clear()
        if not self.known or at_ns > self.known[-1][0]:
            self.known.append((at_ns, transform))

    def at(self, time_ns: int) -> Transform:
        """Return its transform at a time between its stamps."""
        after_ns, after = self.known[-1]
        for before_ns, before in reversed(self.known):
            if self.is_static or before_ns <= time_ns:
                part = (time_ns - before_ns) / (after_ns - before_ns) if after_ns > before_ns else 0.0
                return before.towards(after, part) if 0 < part <= 1 else before
            after_ns, after = before_ns, before
        return after

    def forget(self, before_ns: int) -> None:
        """Forget what is not needed from a time on."""
        while len(self.known) > 1 and self.known[1][0] <= before_ns:
            self.known.popleft()


class TransformTracker:
    """Gives the transform between two frames at the stamps of the messages that it consists of.

    A message for a frame with another parent than before moves the frame to that parent.
    """

    def __init__(self, parent: str, child: str) -> None:
        """Track the pose of the frame ``child`` in the frame ``parent``."""
        self._parent = parent.lstrip("/")
        self._child = child.lstrip("/")
        self._links: dict[str, _Link] = {}
        self._up: list[str] = []
        self._down: list[str] = []
        self._is_known = False
        self._done_ns = 0

    def add(self, message: Any, *, is_static: bool) -> Iterator[tuple[int, Transform]]:
        """Add a message, and yield the transforms that are now known, with their stamps, oldest first.

        Args:
            message: a ``tf2_msgs/msg/TFMessage``.
            is_static: whether its transforms hold for all times, as those of ``/tf_static``.

        Raises:
            StreamError: there is no transform between the frames, or it is damaged or static.
        """
        changed = {self._note(stamped, is_static) for stamped in message.transforms}
        if not self._is_known:
            changed |= self._find_path()
        for frame in changed.intersection((*self._up, *self._down)):
            self._links[frame].keep(frame)
        yield from self._due()

    def _note(self, stamped: Any, is_static: bool) -> str:
        """Note the newest message of a frame, and return the frame."""
        frame: str = stamped.child_frame_id.lstrip("/")
        parent: str = stamped.header.frame_id.lstrip("/")
        link = self._links.get(frame)
        if link is not None and (link.parent, link.is_static) == (parent, is_static):
            link.newest = stamped
        elif link is not None or len(self._links) < _MOST_FRAMES:
            self._links[frame] = _Link(parent, is_static, stamped)
            self._is_known = self._is_known and frame not in (*self._up, *self._down)
        return frame

    def _find_path(self) -> set[str]:
        """Find the frames from child and parent up to one that they share; return those that are new."""
        above_child, above_parent = self._above(self._child), self._above(self._parent)
        common = next((frame for frame in above_child if frame in above_parent), None)
        if common is None:
            raise StreamError(
                f"no transform connects {self._parent} and {self._child}: {self._parent} belongs to "
                f"{excerpt(above_parent[-1])}, {self._child} to {excerpt(above_child[-1])}"
            )
        before = {*self._up, *self._down}
        self._up = above_child[: above_child.index(common)]
        self._down = above_parent[: above_parent.index(common)]
        self._is_known = True
        new = {*self._up, *self._down} - before
        for frame in new:
            self._links[frame].known.clear()
        return new

    def _above(self, frame: str) -> list[str]:
        """Return a frame and those above it, up to the root of its tree."""
        parents = {link.parent for link in self._links.values()}
        if frame not in self._links and frame not in parents:
            known = sorted(parents.union(self._links))
            raise StreamError(f"there is no frame {frame}; there are {listing(known) or 'none'}")
        found = [frame]
        while (link := self._links.get(found[-1])) is not None:
            if link.parent in found:
                loop = found[found.index(link.parent) :]
                raise StreamError(f"the frames {listing(loop)} form a loop: each is below the next")
            found.append(link.parent)
        return found

    def _due(self) -> Iterator[tuple[int, Transform]]:
        path = [self._links[frame] for frame in (*self._up, *self._down)]
        if faults := [link.fault for link in path if link.fault]:
            raise StreamError(faults[0])
        moving = [link for link in path if not link.is_static]
        if not moving:
            raise StreamError(
                f"{self._child} does not move in {self._parent}: only static transforms connect them"
            )
        if not all(link.known for link in moving):
            return
        from_ns = max(link.known[0][0] for link in moving)
        until_ns = min(link.known[-1][0] for link in moving)
        if until_ns < self._done_ns - _SET_BACK_NS:
            self._done_ns = 0
        if until_ns <= self._done_ns:
            return
        stamps = {at_ns for at_ns, _ in chain.from_iterable(link.known for link in moving)}
        for at_ns in sorted(stamps):
            if max(from_ns, self._done_ns + 1) <= at_ns <= until_ns:
                self._done_ns = at_ns
                yield at_ns, self._at(at_ns)
        for link in moving:
            link.forget(until_ns)

    def _at(self, time_ns: int) -> Transform:
        return self._pose(self._down, time_ns).inverse() @ self._pose(self._up, time_ns)

    def _pose(self, frames: list[str], time_ns: int) -> Transform:
        """Return the pose of the first of some frames, each below the next, in the parent of the last."""
        pose = Transform((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        for frame in frames:
            pose = self._links[frame].at(time_ns) @ pose
        return pose


def _transform(stamped: Any, of: str) -> Transform:
    at, turned = stamped.transform.translation, stamped.transform.rotation
    position, rotation = (at.x, at.y, at.z), (turned.x, turned.y, turned.z, turned.w)
    length = math.sqrt(sum(each * each for each in rotation))
    if not abs(length - 1) <= _TOLERANCE:
        raise StreamError(f"the rotation from {of} is no unit quaternion: its length is {length:.2g}")
    if not all(map(math.isfinite, position)):
        raise StreamError(f"the position from {of} is NaN or infinite")
    x, y, z, w = (each / length for each in rotation)
    return Transform(position, (x, y, z, w))


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

"""Buffers that interpolate the transforms on the path between two frames: ``tf2``'s, or one of our own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from lerobot_recorder.topics.transform import Transform

logger = logging.getLogger(__name__)

_Timed = tuple[int, Transform]


class Path(NamedTuple):
    """The frames between two frames of a tree.

    Attributes:
        parent: the frame in which a pose is given
        child: the frame whose pose is given
        up: the frames from the child up to below the first frame that is above both
        down: the frames from the parent up to there
    """

    parent: str
    child: str
    up: Sequence[str] = ()
    down: Sequence[str] = ()


class TransformBuffer(Protocol):
    """Keeps the transforms of frames to their parents, and gives those between two frames."""

    def set(self, parent: str, child: str, transform: Transform, at_ns: int | None) -> None:
        """Add the pose of a frame in its parent.

        Args:
            parent: name of the parent, always the same for a frame
            child: name of the frame
            transform: the pose; its rotation is a unit quaternion
            at_ns: its time, after that of the frame's pose before; None if it holds for all times
        """
        ...

    def lookup(self, path: Path, at_ns: int) -> Transform:
        """Return the pose of a path's child in its parent.

        Args:
            path: path between the frames
            at_ns: the time; only the last pose of each frame may be as late or later

        Raises:
            StreamError: the buffer cannot give it.
        """
        ...


def choose_buffer() -> type[TransformBuffer]:
    """Return the buffer of tf2 where ROS has it, else the other, which gives the same but for rounding."""
    try:
        from lerobot_recorder.topics.tf2_buffer import Tf2Buffer
    except ImportError as error:
        logger.info(f"Transforms are interpolated without tf2: {error}")
        return OwnBuffer
    logger.info("Transforms are interpolated by tf2")
    return Tf2Buffer


class OwnBuffer:
    """Interpolates positions linearly and rotations on the shortest arc, as ``tf2`` does."""

    def __init__(self) -> None:
        """Begin without transforms."""
        self._last_two: dict[str, tuple[_Timed, _Timed]] = {}

    def set(self, parent: str, child: str, transform: Transform, at_ns: int | None) -> None:  # noqa: ARG002
        """Add the pose of a frame in its parent, see `TransformBuffer`."""
        timed = (at_ns or 0, transform)
        _, before = self._last_two.get(child, (timed, timed))
        self._last_two[child] = (before, timed)

    def lookup(self, path: Path, at_ns: int) -> Transform:
        """Return the pose of a path's child in its parent, see `TransformBuffer`."""
        return self._pose(path.down, at_ns).inverse() @ self._pose(path.up, at_ns)

    def _pose(self, frames: Sequence[str], at_ns: int) -> Transform:
        """Return the pose of the first of some frames, each below the next, in the parent of the last."""
        pose = Transform((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        for frame in frames:
            pose = self._at(frame, at_ns) @ pose
        return pose

    def _at(self, frame: str, at_ns: int) -> Transform:
        (before_ns, before), (after_ns, after) = self._last_two[frame]
        if at_ns >= after_ns:
            return after
        return before.towards(after, (at_ns - before_ns) / (after_ns - before_ns))

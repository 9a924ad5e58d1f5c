"""The transform between two frames, from the messages of ``/tf`` and ``/tf_static``.

Each transform of a tree is known at the stamps of its messages. `TransformTracker` gives the transform
between two frames at all these stamps; a buffer interpolates those that have other stamps. Nothing is
extrapolated.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lerobot_recorder.errors import StreamError
from lerobot_recorder.excerpt import excerpt, listing
from lerobot_recorder.topics.stamps import stamp_ns
from lerobot_recorder.topics.tf_buffer import Path, choose_buffer
from lerobot_recorder.topics.transform import Transform

_MOST_WAITING = 4096
"""Transforms of one frame that wait for those of others."""

_SET_BACK_NS = 2_000_000_000
"""Messages are this much older than the newest: the clock that stamps them was set back."""

_MOST_FRAMES = 4096

_TOLERANCE = 0.01
"""By how much the squared length of a quaternion may differ from 1; tf2 has the same limit."""


@dataclass(eq=False)
class _Link:
    """A frame's transform to its parent.

    Attributes:
        parent: name of the parent
        is_static: whether it holds for all times
        newest: the newest message, as it came
        first_ns: stamp of the oldest transform from which samples can be made, in nanoseconds
        newest_ns: stamp of the newest transform; 0: none
        buffered_ns: stamp of the newest transform in the buffer; 0: none
        waiting: transforms that are not in the buffer yet, with their stamps, oldest first
        fault: what is wrong with the newest message; empty if nothing is
    """

    parent: str
    is_static: bool
    newest: Any
    first_ns: int = 0
    newest_ns: int = 0
    buffered_ns: int = 0
    waiting: deque[tuple[int, Transform]] = field(default_factory=deque)
    fault: str = ""

    def add(self, at_ns: int, transform: Transform) -> None:
        """Let a transform wait that is newer than the one before; forget the oldest of too many."""
        self.waiting.append((at_ns, transform))
        if len(self.waiting) > _MOST_WAITING:
            self.waiting.popleft()
            self.first_ns = self.waiting[0][0]
        self.first_ns, self.newest_ns = self.first_ns or at_ns, at_ns

    def stamps(self) -> Iterator[int]:
        """Yield the stamps of the transforms of which samples may still be made."""
        yield self.buffered_ns
        yield from (at_ns for at_ns, _ in self.waiting)

    def clear(self) -> None:
        """Forget all transforms but the newest message."""
        self.first_ns = self.newest_ns = self.buffered_ns = 0
        self.waiting.clear()


class TransformTracker:
    """Gives the transform between two frames at the stamps of the messages that it consists of.

    A message for a frame with another parent than before moves the frame to that parent.
    """

    def __init__(self, parent: str, child: str) -> None:
        """Track the pose of the frame ``child`` in the frame ``parent``."""
        self._new_buffer = choose_buffer()
        self._buffer = self._new_buffer()
        self._path = Path(parent.lstrip("/"), child.lstrip("/"))
        self._is_known = False
        self._links: dict[str, _Link] = {}
        self._done_ns = 0

    def add(self, message: Any, *, is_static: bool) -> Iterator[tuple[int, Transform]]:
        """Add a message, and yield the transforms that are now known, with their stamps, oldest first.

        Args:
            message: a ``tf2_msgs/msg/TFMessage``.
            is_static: whether its transforms hold for all times, as those of ``/tf_static``.

        Raises:
            StreamError: there is no transform between the frames, or it is damaged or static.
        """
        for stamped in message.transforms:
            frame = self._note(stamped, is_static)
            if self._is_known and frame in self._on_path():
                self._keep(frame)
        if not self._is_known:
            self._find_path()
            self._restart()
        yield from self._due()

    def _on_path(self) -> tuple[str, ...]:
        return (*self._path.up, *self._path.down)

    def _note(self, stamped: Any, is_static: bool) -> str:
        """Note the newest message of a frame, and return the frame."""
        frame: str = stamped.child_frame_id.lstrip("/")
        parent: str = stamped.header.frame_id.lstrip("/")
        if not frame or not parent:  # tf2 ignores it, too
            return frame
        link = self._links.get(frame)
        if link is not None and (link.parent, link.is_static) == (parent, is_static):
            link.newest = stamped
        elif link is not None or len(self._links) < _MOST_FRAMES:
            self._links[frame] = _Link(parent, is_static, stamped)
            self._is_known = self._is_known and frame not in self._on_path()
        return frame

    def _find_path(self) -> None:
        """Find the frames from child and parent up to one that they share."""
        parent, child = self._path.parent, self._path.child
        above_child, above_parent = self._above(child), self._above(parent)
        common = next((frame for frame in above_child if frame in above_parent), None)
        if common is None:
            raise StreamError(
                f"no transform connects {parent} and {child}: {parent} belongs to "
                f"{excerpt(above_parent[-1])}, {child} to {excerpt(above_child[-1])}"
            )
        up = above_child[: above_child.index(common)]
        down = above_parent[: above_parent.index(common)]
        self._path = Path(parent, child, up, down)
        self._is_known = True

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

    def _restart(self) -> None:
        """Begin an empty buffer with the newest message of each frame on the path."""
        self._buffer = self._new_buffer()
        for frame in self._on_path():
            self._links[frame].clear()
        for frame in self._on_path():
            self._keep(frame)

    def _keep(self, frame: str) -> None:
        """Keep the newest message of a frame on the path; ignore one that is older than the one before."""
        link = self._links[frame]
        try:
            at_ns, transform = _read(link, frame)
        except StreamError as error:
            link.fault = str(error)
            return
        link.fault = ""
        if at_ns is None:
            self._buffer.set(link.parent, frame, transform, None)
        elif at_ns < link.newest_ns - _SET_BACK_NS:
            self._restart()
        elif at_ns > link.newest_ns:
            link.add(at_ns, transform)

    def _due(self) -> Iterator[tuple[int, Transform]]:
        path = [self._links[frame] for frame in self._on_path()]
        if faults := [link.fault for link in path if link.fault]:
            raise StreamError(faults[0])
        moving = [link for link in path if not link.is_static]
        if not moving:
            parent, child = self._path.parent, self._path.child
            raise StreamError(f"{child} does not move in {parent}: only static transforms connect them")
        until_ns = min(link.newest_ns for link in moving)
        if until_ns < self._done_ns - _SET_BACK_NS:
            self._done_ns = 0
        from_ns = max(self._done_ns + 1, *(link.first_ns for link in moving))
        if from_ns > until_ns:
            return
        stamps = {at_ns for link in moving for at_ns in link.stamps() if from_ns <= at_ns <= until_ns}
        for at_ns in sorted(stamps):
            self._fill_buffer(at_ns)
            self._done_ns = at_ns
            yield at_ns, self._buffer.lookup(self._path, at_ns)

    def _fill_buffer(self, until_ns: int) -> None:
        """Move transforms of each frame into the buffer, up to the first that is not older than a time."""
        for frame in self._on_path():
            link = self._links[frame]
            while link.waiting and link.buffered_ns < until_ns:
                link.buffered_ns, transform = link.waiting.popleft()
                self._buffer.set(link.parent, frame, transform, link.buffered_ns)


def _read(link: _Link, frame: str) -> tuple[int | None, Transform]:
    """Return the stamp of a link's newest message, None if it is static, and its transform."""
    of = f"{excerpt(link.parent)} to {excerpt(frame)}"
    position, rotation = Transform.of(link.newest.transform)
    squared = sum(each * each for each in rotation)
    if not abs(squared - 1) < _TOLERANCE:
        raise StreamError(
            f"the rotation from {of} is no unit quaternion: its length is {math.sqrt(squared):.4g}"
        )
    if not all(map(math.isfinite, position)):
        raise StreamError(f"the position from {of} is NaN or infinite")
    at_ns = None if link.is_static else stamp_ns(link.newest.header.stamp)
    if at_ns is not None and at_ns <= 0:
        raise StreamError(f"the transform from {of} has no stamp")
    x, y, z, w = (each / math.sqrt(squared) for each in rotation)
    return at_ns, Transform(position, (x, y, z, w))

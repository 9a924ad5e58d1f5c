"""What the messages of a topic show of it: rate, joints, encoding, size."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lerobot_recorder.discovery import (
    ARRAY,
    ARRAYS,
    COMPRESSED,
    CONTROLLER_STATE,
    IMAGE,
    JOINT_STATE,
    JOY,
    TF,
    TRAJECTORY,
    VIDEO,
)
from lerobot_recorder.errors import RecorderError
from lerobot_recorder.images import EncodedImage
from lerobot_recorder.topics.images import VideoTopic, compressed_to_encoded
from lerobot_recorder.topics.vectors import joints_in

_MOST_ELEMENTS = 1000
_MOST_PARTS = 50
"""Sets of joints that are distinguished on one topic: each message could name others."""


@dataclass
class ObservedPart:
    """Messages of one topic with one set of joints.

    Attributes:
        received: number of messages
        message: one of them; None without messages
    """

    received: int = 0
    message: Any = None
    _first_s: float = 0.0
    _last_s: float = 0.0

    def note(self, message: Any, at_s: float) -> None:
        """Count a message.

        Args:
            message: the message.
            at_s: when it arrived, on any clock.
        """
        self._first_s = at_s if self.message is None else self._first_s
        self._last_s = at_s
        self.received += 1
        self.message = message

    @property
    def rate_hz(self) -> float:
        """Messages per second, 0 if fewer than two arrived."""
        span_s = self._last_s - self._first_s
        return round((self.received - 1) / span_s, 2) if span_s > 0 else 0.0


class ObservedTopic:
    """Messages of one topic by their joints or frames: an arm and its gripper may share a topic."""

    def __init__(self) -> None:
        self._parts: dict[frozenset[str], ObservedPart] = {}

    def __bool__(self) -> bool:
        return bool(self._parts)

    def note(self, message: Any, at_s: float) -> None:
        """Count a message.

        Args:
            message: the message.
            at_s: when it arrived, on any clock.
        """
        joints = frozenset(joints_in(message) or _frames_in(message))
        if joints in self._parts or len(self._parts) < _MOST_PARTS:
            self._parts.setdefault(joints, ObservedPart()).note(message, at_s)

    def parts(self) -> list[ObservedPart]:
        """Return the parts whose joints are no subset of another part's; an empty one without messages."""
        parts = self._parts
        whole = [part for joints, part in parts.items() if not any(joints < other for other in parts)]
        return whole or [ObservedPart()]


def facts_of(name: str, kind: str, message: Any) -> dict[str, Any]:
    """Return the properties of a topic that a message shows, as fields of `SeenTopic`.

    Args:
        name: name of the topic.
        kind: type of the message.
        message: the message; None without messages.
    """
    facts = {} if message is None else dict(_facts(kind, message))
    if kind == ARRAY:
        facts["field"] = next((each for each in ("velocity", "effort") if each in name), "position")
    return facts


def _facts(kind: str, message: Any) -> Iterator[tuple[str, Any]]:
    if kind == JOINT_STATE:
        yield "joints", tuple(message.name)
        yield "field", _filled(message, "position", "velocity", "effort")
    elif kind == CONTROLLER_STATE:
        yield "joints", tuple(message.joint_names)
    elif kind == TRAJECTORY:
        yield "joints", tuple(message.joint_names)
        if len(message.points) and not len(message.points[0].positions):
            yield "field", "velocity"
    elif kind == ARRAY:
        yield "values", len(message.data)
    elif kind == JOY:
        yield "numbers", (*_elements("axes", message.axes), *_elements("buttons", message.buttons))
    elif kind in ARRAYS:
        yield "numbers", _elements("data", message.data)
    elif kind == TF:
        yield "links", tuple((each.header.frame_id, each.child_frame_id) for each in message.transforms)
    elif kind == IMAGE:
        yield from (("encoding", message.encoding), ("width", message.width), ("height", message.height))
    elif kind == COMPRESSED:
        yield from _compressed_facts(message)
    elif kind == VIDEO:
        yield from _video_facts(message)


def _frames_in(message: Any) -> list[str]:
    """Return the frames of a message of transforms: each node publishes those of its own."""
    return [
        each.child_frame_id for each in getattr(message, "transforms", ()) if hasattr(each, "child_frame_id")
    ]


def _elements(path: str, values: Sized) -> tuple[str, ...]:
    return tuple(f"{path}[{index}]" for index in range(min(len(values), _MOST_ELEMENTS)))


def _filled(message: Any, *fields: str) -> str:
    return next((field for field in fields if len(getattr(message, field))), fields[0])


def _video_facts(message: Any) -> Iterator[tuple[str, Any]]:
    yield "encoding", message.format
    with suppress(RecorderError):  # the first message is not a key frame
        picture = VideoTopic().picture(message)
        yield from (("width", picture.width), ("height", picture.height))


def _compressed_facts(message: Any) -> Iterator[tuple[str, Any]]:
    if message.format.startswith("16UC1"):
        yield "encoding", "16UC1"
        return
    try:
        image = compressed_to_encoded(message)
    except RecorderError:
        return
    kind = image.format if isinstance(image, EncodedImage) else "png"
    yield from (("encoding", kind), ("width", image.width), ("height", image.height))

"""Reads joints, encodings and sizes from a message, to describe its topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lerobot_recorder.discovery import (
    ARRAY,
    COMPRESSED,
    CONTROLLER_STATE,
    IMAGE,
    JOINT_STATE,
    TRAJECTORY,
)
from lerobot_recorder.errors import ImageError
from lerobot_recorder.nodes.conversion import compressed_to_encoded


def facts_of(kind: str, message: Any) -> dict[str, Any]:
    """Return the properties of a topic that a message shows, as fields of `SeenTopic`."""
    return dict(_facts(kind, message))


def joints_in(message: Any) -> tuple[str, ...]:
    """Return the joints that a message names; none if its type has no joint names."""
    return tuple(getattr(message, "name", getattr(message, "joint_names", ())))


def _facts(kind: str, message: Any) -> Iterator[tuple[str, Any]]:
    if kind == JOINT_STATE:
        yield "joints", tuple(message.name)
        yield "field", _filled(message, "position", "velocity", "effort")
    elif kind == CONTROLLER_STATE:
        yield "joints", tuple(message.joint_names)
    elif kind == TRAJECTORY:
        yield "joints", tuple(message.joint_names)
        if message.points and not message.points[0].positions:
            yield "field", "velocity"
    elif kind == ARRAY:
        yield "values", len(message.data)
    elif kind == IMAGE:
        yield from (("encoding", message.encoding), ("width", message.width), ("height", message.height))
    elif kind == COMPRESSED:
        yield from _compressed_facts(message)


def _filled(message: Any, *fields: str) -> str:
    return next((field for field in fields if len(getattr(message, field))), fields[0])


def _compressed_facts(message: Any) -> Iterator[tuple[str, Any]]:
    if message.format.startswith("16UC1"):
        yield "encoding", "16UC1"
        return
    try:
        image = compressed_to_encoded(message)
    except ImageError:
        return
    yield from (("encoding", image.format), ("width", image.width), ("height", image.height))

"""Finds the transform that is most likely worth recording: from a robot's base to its tool."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lerobot_recorder.discovery.seen import TF, SeenTopic
from lerobot_recorder.discovery.stream import PlannedStream, identifier, unique

_TOOLS = frozenset({"tool", "tool0", "tcp", "ee", "eef", "effector", "gripper", "hand", "flange", "tip"})
_BASES = ("base_link", "base", "base_footprint")
_STATIC = "_static"
_MOST_NAMED = 20


def transform_streams(topics: Sequence[SeenTopic], taken: Sequence[str]) -> list[PlannedStream]:
    """Return a stream of the transform from the base to the tool; none if no frame moves.

    Args:
        topics: the observed topics.
        taken: names of other streams.
    """
    seen = [topic for topic in topics if topic.type == TF and topic.received]
    parents = {child: parent for topic in seen for parent, child in topic.links}
    moved = {child for topic in seen if not topic.name.endswith(_STATIC) for _, child in topic.links}
    paths = {frame: _above(frame, parents) for frame in parents}
    ends = [frame for frame, path in paths.items() if moved.intersection(path)]
    if not ends:
        return []
    child = max(ends, key=lambda frame: (_is_tool(frame), len(paths[frame]), frame))
    path = paths[child]
    parent = next((frame for frame in path if frame.rpartition("/")[2] in _BASES), path[-1])
    if parent == child or not moved.intersection(path[: path.index(parent)]):
        parent = path[-1]
    topic = next(topic for topic in seen if not topic.name.endswith(_STATIC))
    name = unique(identifier(child), taken)
    frames = sorted({*parents, *parents.values()})
    others = f"{', '.join(frames[:_MOST_NAMED])}{', ...' if len(frames) > _MOST_NAMED else ''}"
    return [
        PlannedStream(
            name,
            topic,
            f"observation.{name}",
            remarks=(f"the frames are {others}",),
            parent=parent,
            child=child,
        )
    ]


def _above(frame: str, parents: dict[str, str]) -> list[str]:
    """Return a frame and those above it; a loop ends at its first frame."""
    path = [frame]
    while (parent := parents.get(path[-1])) is not None and parent not in path:
        path.append(parent)
    return path


def _is_tool(frame: str) -> bool:
    return bool(_TOOLS.intersection(re.split(r"[/_]+", frame.lower())))

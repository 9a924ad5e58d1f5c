"""Detects several publishers on one stream, whose messages would be mixed row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.topic_endpoint_info import TopicEndpointInfo

from lerobot_recorder.excerpt import listing
from lerobot_recorder.nodes.message_facts import joints_in

_MOST_PARTS = 20


class Publishers:
    """The publishers of a stream's topic.

    An arm and its gripper may share a topic, each with its own joints. A stream ignores messages with none of
    its joints, so their publishers do not count.
    """

    def __init__(self) -> None:
        self._gids: frozenset[tuple[int, ...]] = frozenset()
        self._others: set[frozenset[str]] = set()
        self._names: list[str] = []

    def update(self, found: Sequence[TopicEndpointInfo]) -> None:
        """Note the current publishers."""
        gids = frozenset(tuple(info.endpoint_gid) for info in found)
        if gids != self._gids:
            self._gids = gids
            self._others.clear()
        self._names = sorted(f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in found)

    @property
    def number(self) -> int:
        """Number of publishers."""
        return len(self._names)

    def note_other(self, message: Any) -> None:
        """Note a message with none of the stream's joints."""
        if len(self._others) < _MOST_PARTS:
            self._others.add(frozenset(joints_in(message)))

    def conflict(self, stream: str, topic: str) -> str:
        """Return why messages could come from the wrong publisher; empty if they cannot."""
        if len(self._names) - len(self._others) < 2:
            return ""
        return (
            f"{topic} has {len(self._names)} publishers, whose messages would be mixed: nodes "
            f"{listing(self._names)}; end all but one, start this robot in a namespace of its own, or set "
            f"{stream}.allow_multiple_publishers"
        )

"""What nodes tell: status as JSON on latched topics, and diagnostics."""

from __future__ import annotations

import atexit
import json
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from lerobot_recorder.nodes.guard import GuardedNode

_ASKED_FOR = "LEROBOT_RECORDER_NEWS"
_STDOUT = 1
_LAST_NEWS_S = 2.0


class ParentNews:
    """Writes lines in a thread of its own: nobody waits for a parent that does not read, as one suspended."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="news", daemon=True)
        self._thread.start()

    def tell(self, node: str, kind: str, content: Mapping[str, Any]) -> None:
        """Write what a node published."""
        self._lines.put(json.dumps({"from": node, kind: content}) + "\n")

    def close(self) -> None:
        """Wait for a moment until all is written."""
        self._lines.put(None)
        self._thread.join(_LAST_NEWS_S)

    def _write(self) -> None:
        with suppress(OSError):  # the parent is gone
            while (line := self._lines.get()) is not None:
                os.write(self._descriptor, line.encode())


@cache
def parent_news() -> ParentNews | None:
    """Return where to tell news; None where the process that started this one has not asked for them."""
    if not os.environ.get(_ASKED_FOR):
        return None
    news = ParentNews(_STDOUT)
    atexit.register(news.close)
    return news


_LEVELS = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR)


def latched(depth: int) -> QoSProfile:
    """Return the QoS of topics that late subscribers get the last messages of."""
    return QoSProfile(
        depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
    )


class JsonTopic:
    """A latched topic of JSON objects; the process that started the node gets them, too, where it asks."""

    def __init__(self, node: Node, topic: str, depth: int) -> None:
        self._publisher = node.create_publisher(String, topic, latched(depth))
        self._node, self._kind = node.get_name(), topic.rpartition("/")[2]

    def publish(self, content: Mapping[str, Any]) -> None:
        """Publish one object."""
        self._publisher.publish(String(data=json.dumps(content)))
        if news := parent_news():
            news.tell(self._node, self._kind, content)


class Diagnostics:
    """A node's part of `/diagnostics`."""

    def __init__(self, node: GuardedNode) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._prefix = node.get_fully_qualified_name().lstrip("/")

    def publish(self, reports: Iterable[tuple[str, int, str, Mapping[str, Any]]]) -> None:
        """Publish reports (name of the part, level 0 to 2, message, values) and the faults of callbacks."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [
            DiagnosticStatus(
                name=f"{self._prefix}: {name}",
                level=_LEVELS[level],
                message=text,
                values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
            )
            for name, level, text, values in (*reports, *self._node.faults.reports())
        ]
        self._publisher.publish(message)

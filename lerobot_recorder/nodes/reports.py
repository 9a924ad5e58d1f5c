"""What nodes tell: status as JSON on latched topics, and diagnostics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.nodes.parent import parent_news

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

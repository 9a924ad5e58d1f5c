"""Quality of service: what a publisher offers, unless the standard override parameters say otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import rclpy.qos
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.nodes.parameters import overrides

_PREFIX = "qos_overrides."
_OF_RCLPY = tuple(f"{_PREFIX}{topic}." for topic in ("/clock", "/parameter_events", "/rosout"))
_KINDS = (
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.DURABILITY,
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.RELIABILITY,
)


def matching(reliable: bool, depth: int) -> QoSProfile:
    """Return the profile of a subscription to publishers that are all reliable, or not all."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
    )


class QosOverrides:
    """What ``qos_overrides.<topic>.subscription.<policy>`` says of the topics of a node.

    Only what is given becomes a parameter: rclpy would keep the other policies as they first were, and a
    publisher that comes back with other ones would not be heard.
    """

    def __init__(self, node: Node, topics: Sequence[str]) -> None:
        """Check what is given.

        Raises:
            ConfigError: it is for another topic or policy, or its value means nothing.
        """
        self._node = node
        self._given = {name: value for name, value in overrides(node).items() if name.startswith(_PREFIX)}
        known = {self._name(topic, kind): kind for topic in topics for kind in _KINDS}
        for name, value in self._given.items():
            if name in known:
                _check(known[name], value)
            elif not name.startswith(_OF_RCLPY):
                raise ConfigError(f"{name} is for no subscription; there are {', '.join(sorted(known))}")

    def options(self, topic: str) -> QoSOverridingOptions:
        """Return what is overridden of a topic's subscription."""
        return QoSOverridingOptions([kind for kind in _KINDS if self._name(topic, kind) in self._given])

    def _name(self, topic: str, kind: QoSPolicyKind) -> str:
        return f"{_PREFIX}{self._node.resolve_topic_name(topic)}.subscription.{kind.name.lower()}"


def _check(kind: QoSPolicyKind, given: Parameter) -> None:
    if kind is QoSPolicyKind.DEPTH:
        if given.type_ is not Parameter.Type.INTEGER or given.value < 1:
            raise ConfigError(f"{given.name}: expected a whole number from 1 up, found {given.value!r}")
        return
    policies = getattr(rclpy.qos, f"{kind.name.capitalize()}Policy")
    names = [policy.name.lower() for policy in policies if policy.name != "UNKNOWN"]
    if given.value not in names:
        raise ConfigError(f"{given.name}: expected one of {', '.join(names)}, found {given.value!r}")

"""The publishers of a topic: what they offer, and whether their messages would be mixed.

Subscriptions match what the publishers offer; the standard QoS override parameters take precedence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rclpy.qos
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.topic_endpoint_info import TopicEndpointInfo

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import listing
from lerobot_recorder.nodes.parameters import overrides
from lerobot_recorder.topics import joints_in

_PREFIX = "qos_overrides."
_OF_RCLPY = tuple(f"{_PREFIX}{topic}." for topic in ("/clock", "/parameter_events", "/rosout"))
_KINDS = (
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.DURABILITY,
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.RELIABILITY,
)
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

    @property
    def names(self) -> list[str]:
        """Full names of the nodes that publish."""
        return self._names

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


@dataclass(frozen=True)
class Offer:
    """What all publishers of a topic offer.

    Attributes:
        reliable: whether they send lost messages again.
        latched: whether late subscribers receive their last messages; False if there are no publishers.
    """

    reliable: bool
    latched: bool


def offer_of(publishers: Sequence[TopicEndpointInfo]) -> Offer:
    """Return what all publishers offer."""
    profiles = [info.qos_profile for info in publishers]
    latched = all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in profiles)
    return Offer(
        reliable=all(profile.reliability == ReliabilityPolicy.RELIABLE for profile in profiles),
        latched=latched and bool(profiles),
    )


def matching(offer: Offer, depth: int) -> QoSProfile:
    """Return a subscription profile that matches the offer."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if offer.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if offer.latched else DurabilityPolicy.VOLATILE,
    )


class QosOverrides:
    """The parameters ``qos_overrides.<topic>.subscription.<policy>`` of a node.

    Only given policies become parameters. For the others rclpy would keep the first value, and a publisher
    that returns with another policy would not match.
    """

    def __init__(self, node: Node, topics: Sequence[str]) -> None:
        """Check the given parameters.

        Raises:
            ConfigError: a parameter names an unknown topic or policy, or has an invalid value.
        """
        self._node = node
        self._given = {name: value for name, value in overrides(node).items() if name.startswith(_PREFIX)}
        known = {self._name(topic, kind): kind for topic in topics for kind in _KINDS}
        for name, value in self._given.items():
            if name in known:
                _check(known[name], value)
            elif not name.startswith(_OF_RCLPY):
                raise ConfigError(
                    f"{name} matches no subscription; expected one of {', '.join(sorted(known))}"
                )

    def options(self, topic: str) -> QoSOverridingOptions:
        """Return the overridden policies of a topic's subscription."""
        return QoSOverridingOptions([kind for kind in _KINDS if self._name(topic, kind) in self._given])

    def _name(self, topic: str, kind: QoSPolicyKind) -> str:
        return f"{_PREFIX}{self._node.resolve_topic_name(topic)}.subscription.{kind.name.lower()}"


def _check(kind: QoSPolicyKind, given: Parameter[Any]) -> None:
    if kind is QoSPolicyKind.DEPTH:
        if given.type_ is not Parameter.Type.INTEGER or given.value < 1:
            raise ConfigError(f"{given.name}: expected a whole number from 1 up, found {given.value!r}")
        return
    policies = getattr(rclpy.qos, f"{kind.name.capitalize()}Policy")
    names = [policy.name.lower() for policy in policies if policy.name != "UNKNOWN"]
    if given.value not in names:
        raise ConfigError(f"{given.name}: expected one of {', '.join(names)}, found {given.value!r}")

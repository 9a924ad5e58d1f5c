"""Subscriptions that fill streams and match the QoS of their publishers."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.subscription import Subscription

from lerobot_recorder.errors import ConfigError, RecorderError, StreamError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.nodes.clock import steady_timer
from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.nodes.losses import LossCounter, counted_subscription, remedy
from lerobot_recorder.nodes.message_types import InstalledTypes, message_class
from lerobot_recorder.nodes.parameters import Parameters
from lerobot_recorder.nodes.publishers import Offer, Publishers, QosOverrides, matching, offer_of
from lerobot_recorder.nodes.receiver import Receiver
from lerobot_recorder.recording import Clock, Stream, StreamSpec
from lerobot_recorder.settings import settings_from
from lerobot_recorder.topics import RECORDABLE, OtherJointsError, StreamBinding, StreamSettings, binding_of

_IMAGES_KEPT = 10
_VECTORS_KEPT = 5
_STAMPED_KEPT = 100
"""Messages kept while the node is busy. Few vectors, unless their publisher has stamped them: the oldest
message of a queue comes first, so a long queue on a busy machine delays every sample."""

_MATCH_S = 0.2
_SENT_AGAIN_NS = 2_000_000_000
"""On a busy computer, messages overtake each other by less than this; by more, the clock was set back."""

_LOG_LOSSES_S = 10.0

_ALTERNATIVES = 3
_ALIKE, _LESS_ALIKE = 0.6, 0.3
"""How similar names must be (1: equal) if the message types differ, and if they are the same."""


@dataclass
class Listener:
    """One topic of a binding and its subscription, which exists once a publisher was seen."""

    binding: StreamBinding
    topic: str
    publishers: Publishers = field(default_factory=Publishers)
    offer: Offer | None = None
    subscription: Subscription[Any] | None = None
    losses: LossCounter | None = None
    came_ns: int = 0
    lost: int = 0
    logged_s: float = 0.0
    remedied: list[str] | None = None

    def note_arrival(self, came_ns: int) -> int:
        """Return the arrival time of a message, given the time at which the middleware received it.

        On a busy computer a message may arrive before an earlier one that had to be sent again. It then waits
        for that one and gets the same arrival time.
        """
        if not 0 < self.came_ns - came_ns < _SENT_AGAIN_NS:
            self.came_ns = came_ns
        return self.came_ns


class Subscriptions:
    """The subscriptions of a recorder's streams.

    A subscription is created when a publisher appears, with the reliability and durability that it offers,
    and again when these change: a best-effort subscription to a reliable publisher would lose images, and a
    reliable one to a best-effort publisher would receive nothing. QoS override parameters take precedence.

    Attributes:
        streams: the streams, in the order of the parameter ``streams``.
        bindings: how they are filled, in the same order.
        settings: their parameters, by name.
    """

    def __init__(self, node: GuardedNode, parameters: Parameters, clock: Clock) -> None:
        """Read the stream parameters.

        Raises:
            ConfigError: a stream cannot be recorded as configured.
        """
        self._node = node
        self._prefix = f"{node.get_namespace().rstrip('/')}/"
        self._clock = clock
        self.settings = {
            name: settings_from(StreamSettings, parameters.group(f"{name}."))
            for name in parameters["streams"]
        }
        bindings = [
            binding_of(name, settings, parameters["image_format"], InstalledTypes())
            for name, settings in self.settings.items()
        ]
        self.bindings = bindings
        for binding in bindings:
            _check_topic(node, binding)
        self._bindings = {binding.stream.spec.name: binding for binding in bindings}
        self._listeners = [Listener(each, topic) for each in bindings for topic in _topics(each)]
        self.streams = [binding.stream for binding in bindings]
        self._overrides = QosOverrides(node, [listener.topic for listener in self._listeners])
        self._receiver = Receiver(node)
        self._timer = steady_timer(node, _MATCH_S, self._match)

    def close(self) -> None:
        """Receive no more messages."""
        self._receiver.close()

    def hint(self, stream: Stream) -> str:
        """Suggest published topics for a stream that delivers nothing."""
        binding = self._bindings[stream.spec.name]
        wanted = self._node.resolve_topic_name(binding.topic)
        found = dict(self._node.get_topic_names_and_types())
        if self._node.count_publishers(wanted):
            kinds = found.get(wanted, [binding.message_type])
            is_right = binding.message_type in kinds
            return (
                "it has a publisher"
                if is_right
                else f"its type is {', '.join(kinds)}, not {binding.message_type}"
            )
        published = {
            topic: kinds
            for topic, kinds in found.items()
            if not RECORDABLE.isdisjoint(kinds) and self._node.count_publishers(topic)
        }
        return _alternatives(wanted, binding.message_type, published)

    def unrecorded_cameras(self) -> list[str]:
        """Return the cameras that are published as the hardware node does, and that no stream records."""
        published = (topic for topic, _ in self._node.get_topic_names_and_types())
        wanted = {
            self._node.resolve_topic_name(each.topic).rpartition("/image_raw")[0]
            for each in self._bindings.values()
        }
        start, end = f"{self._prefix}cameras/", "/image_raw"
        cameras = (
            topic.removesuffix(end) for topic in published if topic.startswith(start) and topic.endswith(end)
        )
        return sorted(camera.removeprefix(start) for camera in cameras if camera not in wanted)

    def _match(self) -> None:
        self._receiver.take_events()
        for listener in self._listeners:
            topic = self._node.resolve_topic_name(listener.topic)
            publishers = self._node.get_publishers_info_by_topic(topic)
            offered = [info for info in publishers if info.topic_type == listener.binding.message_type]
            listener.publishers.update(offered)
            self._check_conflict(listener)
            self._note_remedy(listener)
            if offered and (offer := offer_of(offered)) != listener.offer:
                self._subscribe(listener, offer)
            self._log_losses(listener)

    def _note_remedy(self, listener: Listener) -> None:
        """Note what helps against losses; discovery names a publisher's node later than its topic."""
        names = listener.publishers.names
        if names != listener.remedied:
            listener.remedied = list(names)
            sibling = f"{self._prefix}hardware"
            listener.binding.stream.remedy = remedy(from_sibling=names == [sibling])

    def _check_conflict(self, listener: Listener) -> None:
        binding = listener.binding
        if not binding.allow_multiple_publishers:
            topic = self._node.resolve_topic_name(listener.topic)
            binding.stream.set_conflict(listener.publishers.conflict(binding.stream.spec.name, topic))

    def _subscribe(self, listener: Listener, offer: Offer) -> None:
        if listener.subscription is not None:
            self._receiver.remove(listener.subscription)
            self._node.destroy_subscription(listener.subscription)
        binding, listener.offer = listener.binding, offer
        listener.losses = LossCounter(binding.stream.note_lost)
        listener.subscription = counted_subscription(
            self._node,
            message_class(binding.message_type),
            listener.topic,
            lambda message, info: self._receive(listener, message, info),
            listener.losses,
            qos_profile=matching(offer, _kept(binding.stream.spec)),
            qos_overriding_options=self._overrides.options(listener.topic),
            callback_group=self._receiver.group,
        )
        self._receiver.add(listener.subscription)

    def _log_losses(self, listener: Listener) -> None:
        stream, now_s = listener.binding.stream, time.monotonic()
        recent = stream.recent_arrivals()
        lost = stream.arrivals().lost
        if not stream.spec.is_image or lost == listener.lost or now_s - listener.logged_s < _LOG_LOSSES_S:
            return
        if losses := stream.describe_losses(recent):
            listener.lost, listener.logged_s = lost, now_s
            self._node.get_logger().warning(f"{stream.spec.name}: {losses}")

    def _receive(self, listener: Listener, message: Any, info: Mapping[str, Any]) -> None:
        received_ns = self._received_ns(listener, info)
        if listener.losses is not None:
            listener.losses.note_message(info, listener.publishers.number)
        binding, stream = listener.binding, listener.binding.stream
        try:
            if not received_ns:
                raise StreamError("use_sim_time is set, but no message received on /clock yet")
            for sample in binding.samples(message, received_ns, listener.topic):
                stream.push(sample)
        except OtherJointsError as error:
            listener.publishers.note_other(message)
            self._check_conflict(listener)
            # While its own joints arrive, others may share the topic.
            if stream.missing(self._clock.now_ns()):
                stream.fault(str(error))
        except RecorderError as error:
            stream.fault(str(error))
        except Exception as error:  # no message may end the take or the node
            self._node.faults.note(listener.topic, error)
            stream.fault(f"a message cannot be used: {type(error).__name__}: {excerpt(error)}")

    def _received_ns(self, listener: Listener, info: Mapping[str, Any]) -> int:
        """Return when a message arrived, by the middleware's clock if possible: this callback may be late."""
        came_ns = info.get("received_timestamp", 0) if self._clock.name == "system" else 0
        return listener.note_arrival(came_ns) if came_ns else self._clock.now_ns()


def _topics(binding: StreamBinding) -> tuple[str, ...]:
    return (binding.topic, *binding.held_topics)


def _check_topic(node: GuardedNode, binding: StreamBinding) -> None:
    if binding.is_video:
        raise ConfigError(
            f"{binding.stream.spec.name}.type: {binding.message_type} is imported from bags only, because a "
            "lost message spoils those after it; record a topic with whole images"
        )
    try:
        node.resolve_topic_name(binding.topic)
    except RuntimeError as error:
        why = str(error).removeprefix("failed to resolve name: ").partition(", at ")[0]
        raise ConfigError(f"{binding.stream.spec.name}.topic: {why}, found {binding.topic!r}") from error


def _alternatives(wanted: str, message_type: str, published: Mapping[str, Sequence[str]]) -> str:
    """Name published topics with a similar name, else topics of the same type."""
    same = [topic for topic, kinds in published.items() if message_type in kinds]
    alike = difflib.get_close_matches(wanted, published, _ALTERNATIVES, _ALIKE)
    alike += difflib.get_close_matches(wanted, same, _ALTERNATIVES, _LESS_ALIKE)
    chosen = list(dict.fromkeys(alike or same))[:_ALTERNATIVES]
    named = [topic if topic in same else f"{topic} ({', '.join(published[topic])})" for topic in chosen]
    return f"it has no publisher; published topics: {', '.join(named)}" if named else "it has no publisher"


def _kept(spec: StreamSpec) -> int:
    if spec.is_image:
        return _IMAGES_KEPT
    return _STAMPED_KEPT if spec.by_header else _VECTORS_KEPT

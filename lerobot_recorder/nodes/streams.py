"""Streams out of topics: subscriptions that match their publishers, and what is published instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.subscription import Subscription

from lerobot_recorder.errors import ConfigError, RecorderError, StreamError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.nodes.bindings import RECORDABLE, Source, message_class, source_of
from lerobot_recorder.nodes.clock import header_ns, steady_timer
from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.nodes.parameters import Parameters
from lerobot_recorder.nodes.publishers import Publishers
from lerobot_recorder.nodes.qos import Offer, QosOverrides, matching, offer_of
from lerobot_recorder.nodes.recorder_settings import StreamSettings
from lerobot_recorder.nodes.vectors import OtherJointsError
from lerobot_recorder.recording import Clock, Sample, Stream, StreamSpec
from lerobot_recorder.settings import settings_from

_IMAGES_KEPT = 10
_VECTORS_KEPT = 5
_STAMPED_KEPT = 100
"""Messages kept for a moment of inattention. Of vectors few, unless their source has stamped them: a long
queue is worked off oldest first, and would be a second behind as long as the machine is busy."""

_MATCH_S = 0.2
_SENT_AGAIN_NS = 2_000_000_000
"""By less than this, a busy computer's messages overtake each other; by more, the clock was set back."""

_ALTERNATIVES = 3
_ALIKE, _LESS_ALIKE = 0.6, 0.3
"""How much names must have in common, of 1, where the type is another one, and where it is the same."""


@dataclass
class Listener:
    """A source and the subscription to it; none before a publisher was seen."""

    source: Source
    publishers: Publishers = field(default_factory=Publishers)
    offer: Offer | None = None
    subscription: Subscription[Any] | None = None
    came_ns: int = 0

    def note_arrival(self, came_ns: int) -> int:
        """Return from when a message counts, by when the middleware got it.

        On a busy computer one may have come before an earlier one, which had to be sent again; it then waited
        for that, and counts from the same time.
        """
        if not 0 < self.came_ns - came_ns < _SENT_AGAIN_NS:
            self.came_ns = came_ns
        return self.came_ns


class Subscriptions:
    """The subscriptions of a recorder's streams.

    Each is made once a publisher is there, with the reliability and durability that it offers, and made anew
    should these change: a best-effort subscription to a reliable publisher would lose images, and a reliable
    one to a best-effort publisher would get nothing. QoS override parameters have the last word.

    Attributes:
        streams: what they fill, in the order of the parameter `streams`.
    """

    def __init__(self, node: GuardedNode, parameters: Parameters, clock: Clock) -> None:
        """Read the stream parameters.

        Raises:
            ConfigError: a stream cannot be recorded as configured.
        """
        self._node = node
        self._clock = clock
        sources = [
            source_of(
                name, settings_from(StreamSettings, parameters.group(f"{name}.")), parameters["image_format"]
            )
            for name in parameters["streams"]
        ]
        for source in sources:
            _check_topic(node, source)
        self._listeners = {source.stream.spec.name: Listener(source) for source in sources}
        self.streams = [source.stream for source in sources]
        self._overrides = QosOverrides(node, [source.topic for source in sources])
        self._timer = steady_timer(node, _MATCH_S, self._match)

    def hint(self, stream: Stream) -> str:
        """Say what is published that may have been meant, for a stream that brings nothing."""
        source = self._listeners[stream.spec.name].source
        wanted = self._node.resolve_topic_name(source.topic)
        found = dict(self._node.get_topic_names_and_types())
        if self._node.count_publishers(wanted):
            kinds = found.get(wanted, [source.message_type])
            right = source.message_type in kinds
            return (
                "it has a publisher" if right else f"it carries {', '.join(kinds)}, not {source.message_type}"
            )
        published = {
            topic: kinds
            for topic, kinds in found.items()
            if not RECORDABLE.isdisjoint(kinds) and self._node.count_publishers(topic)
        }
        return _alternatives(wanted, source.message_type, published)

    def _match(self) -> None:
        for listener in self._listeners.values():
            topic = self._node.resolve_topic_name(listener.source.topic)
            publishers = self._node.get_publishers_info_by_topic(topic)
            offered = [info for info in publishers if info.topic_type == listener.source.message_type]
            listener.publishers.update(offered)
            self._look_for_conflict(listener)
            if offered and (offer := offer_of(offered)) != listener.offer:
                self._subscribe(listener, offer)

    def _look_for_conflict(self, listener: Listener) -> None:
        source = listener.source
        if not source.allow_multiple_publishers:
            topic = self._node.resolve_topic_name(source.topic)
            source.stream.set_conflict(listener.publishers.conflict(source.stream.spec.name, topic))

    def _subscribe(self, listener: Listener, offer: Offer) -> None:
        if listener.subscription is not None:
            self._node.destroy_subscription(listener.subscription)
        source, listener.offer = listener.source, offer
        listener.subscription = self._node.create_subscription(
            message_class(source.message_type),
            source.topic,
            lambda message, info: self._receive(listener, message, info),
            matching(offer, _kept(source.stream.spec)),
            qos_overriding_options=self._overrides.options(source.topic),
        )

    def _receive(self, listener: Listener, message: Any, info: Mapping[str, Any]) -> None:
        received_ns = self._received_ns(listener, info)
        source, stream = listener.source, listener.source.stream
        try:
            value = source.take(message)
            stamp_ns = _measured_ns(message) if stream.spec.by_header else received_ns
            if not received_ns:
                raise StreamError("use_sim_time is set, but no time has come on /clock")
            stream.push(Sample(stamp_ns, value, _source_ns(message)))
        except OtherJointsError as error:
            listener.publishers.note_other(message)
            self._look_for_conflict(listener)
            if stream.missing(self._clock.now_ns()):  # as long as its own come, others share the topic
                stream.fault(str(error))
        except RecorderError as error:
            stream.fault(str(error))
        except Exception as error:  # whatever others publish, the take and the node go on
            self._node.faults.note(source.topic, error)
            stream.fault(f"a message cannot be used: {type(error).__name__}: {excerpt(error)}")

    def _received_ns(self, listener: Listener, info: Mapping[str, Any]) -> int:
        """Return when a message came: by the middleware, as this callback may be late."""
        came_ns = info.get("received_timestamp", 0) if self._clock.name == "system" else 0
        return listener.note_arrival(came_ns) if came_ns else self._clock.now_ns()


def _check_topic(node: GuardedNode, source: Source) -> None:
    try:
        node.resolve_topic_name(source.topic)
    except RuntimeError as error:
        why = str(error).removeprefix("failed to resolve name: ").partition(", at ")[0]
        raise ConfigError(f"{source.stream.spec.name}.topic: {why}, found {source.topic!r}") from error


def _alternatives(wanted: str, message_type: str, published: Mapping[str, Sequence[str]]) -> str:
    """Name what is published: what is called alike, with its type where that is another; else what fits."""
    same = [topic for topic, kinds in published.items() if message_type in kinds]
    alike = difflib.get_close_matches(wanted, published, _ALTERNATIVES, _ALIKE)
    alike += difflib.get_close_matches(wanted, same, _ALTERNATIVES, _LESS_ALIKE)
    chosen = list(dict.fromkeys(alike or same))[:_ALTERNATIVES]
    named = [topic if topic in same else f"{topic} ({', '.join(published[topic])})" for topic in chosen]
    return f"nobody publishes it; published are {', '.join(named)}" if named else "nobody publishes it"


def _kept(spec: StreamSpec) -> int:
    if spec.is_image:
        return _IMAGES_KEPT
    return _STAMPED_KEPT if spec.by_header else _VECTORS_KEPT


def _source_ns(message: Any) -> int:
    """Return the stamp in a message's header, of any clock; 0 where there is none."""
    return header_ns(message) if hasattr(message, "header") else 0


def _measured_ns(message: Any) -> int:
    stamp_ns = header_ns(message)
    if stamp_ns <= 0:
        found = "a negative stamp" if stamp_ns else "no stamp"
        raise StreamError(f"the header carries {found}; with stamp: receive the time of its arrival counts")
    return stamp_ns

"""The topics of a bag that fill streams."""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from lerobot_recorder.bags import BagMessage
from lerobot_recorder.errors import BagError, ConfigError, RecorderError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.importing.parameters import ImportParameters
from lerobot_recorder.importing.sim_time import TimedBag
from lerobot_recorder.recording import Stream, check_fps, check_rates, check_specs
from lerobot_recorder.topics import OtherJointsError, StreamBinding, StreamSettings, binding_of

_MEASURED = 50
"""Messages of a stream whose header is compared with the log time."""

_MEASURED_S = 10.0
_ALTERNATIVES = 3
_ALIKE = 0.5


@dataclass(frozen=True)
class Listener:
    """A topic of a bag and the stream that it fills.

    Attributes:
        binding: how to read its messages
        topic: the topic as configured
    """

    binding: StreamBinding
    topic: str

    def take(self, message: BagMessage) -> None:
        """Put the samples of a message into the stream; what is wrong with it is a fault of the stream."""
        stream = self.binding.stream
        try:
            for sample in self.binding.samples(message.decode(), message.log_ns, self.topic):
                stream.push(sample)
        except OtherJointsError as error:
            if stream.missing(message.log_ns):  # while its own joints arrive, others may share the topic
                stream.fault(str(error))
        except RecorderError as error:
            stream.fault(str(error))
        except Exception as error:  # no message may end the import
            stream.fault(f"a message cannot be used: {type(error).__name__}: {excerpt(error)}")


class BagStreams:
    """The streams that a bag fills.

    Attributes:
        streams: the streams, in the order of the parameter ``streams``
        bindings: how they are filled, in the same order
        topics: the topics of the bag that fill them
    """

    def __init__(self, bag: TimedBag, parameters: ImportParameters) -> None:
        """Find the topics.

        Raises:
            ConfigError: a stream cannot be recorded from this bag; the message names all that are missing.
        """
        self._bag, self._parameters = bag, parameters
        self.bindings = bindings = _bindings(bag, parameters)
        self.streams = [binding.stream for binding in bindings]
        specs = [stream.spec for stream in self.streams]
        check_specs(specs)
        if any(spec.is_image for spec in specs):
            check_fps(parameters.rows.fps)
        check_rates(specs, parameters.rows.fps)
        self._listeners: dict[str, list[Listener]] = {}
        for binding in bindings:
            for topic in (binding.topic, *binding.held_topics):
                self._listeners.setdefault(parameters.topic(topic), []).append(Listener(binding, topic))
        self.topics = [topic for topic in self._listeners if topic in bag.topics]
        self._held = [topic for binding in bindings for topic in map(parameters.topic, binding.held_topics)]
        self._now_s = 0.0
        for stream in self.streams:
            stream.steady_s = lambda: self._now_s

    def take(self, message: BagMessage) -> None:
        """Put a message into the streams that its topic fills."""
        self._now_s = message.log_ns / 1e9
        for listener in self._listeners[message.topic]:
            listener.take(message)

    def at(self, time_ns: int, lead_ns: int) -> BagStreams | None:
        """Return new streams in the state that these have at a time, without reading all messages before it.

        Messages within ``lead_ns`` before the time are read, and of each topic without any the last one
        before; of topics whose messages hold until the next, like ``/tf_static``, all.

        Args:
            time_ns: the next messages to take are those from this time on
            lead_ns: at least as long as messages may be late

        Returns:
            The streams; None if one of them would have no sample, so that nothing may be left out.

        Raises:
            BagError: the bag cannot be read.
        """
        made, bag, begin_ns = BagStreams(self._bag, self._parameters), self._bag, time_ns - lead_ns
        for stream in made.streams:
            stream.keep_from(time_ns)
        held = [topic for topic in self._held if topic in self.topics]
        early = list(bag.messages(held, None, begin_ns - 1)) if held else []
        for topic in (each for each in self.topics if each not in held):
            if next(bag.messages([topic], begin_ns, time_ns - 1), None) is None:
                last = bag.latest(topic, begin_ns)
                early += [] if last is None else [last]
        early.sort(key=lambda message: message.log_ns)
        for message in chain(early, bag.messages(self.topics, begin_ns, time_ns - 1)):
            made.take(message)
        return made if all(stream.newest() is not None for stream in made.streams) else None

    def differences_s(self) -> dict[str, float]:
        """Measure by how many seconds the headers of each stream are ahead of the log time.

        Returns:
            The median of its first messages, by the stream's name; without streams that have no stamps.

        Raises:
            BagError: the bag cannot be read.
        """
        found: dict[str, list[float]] = {stream.spec.name: [] for stream in self.streams}
        for message in self._first_messages():
            for listener in self._listeners[message.topic]:
                found[listener.binding.stream.spec.name] += _ahead_s(listener, message)
        return {name: statistics.median(values) for name, values in found.items() if values}

    def _first_messages(self) -> Iterator[BagMessage]:
        left = dict.fromkeys(self.topics, _MEASURED)
        end_ns = self._bag.start_ns + int(_MEASURED_S * 1e9)
        for message in self._bag.messages(self.topics, end_ns=end_ns):
            if left[message.topic] > 0:
                left[message.topic] -= 1
                yield message
            elif not any(left.values()):
                return


def _ahead_s(listener: Listener, message: BagMessage) -> list[float]:
    try:
        samples = listener.binding.samples(message.decode(), message.log_ns, listener.topic)
        return [(sample.source_ns - message.log_ns) / 1e9 for sample in samples if sample.source_ns > 0]
    except Exception:  # the import itself counts what is wrong with a message
        return []


def check_clocks(bag: TimedBag, streams: list[Stream], differences_s: Mapping[str, float]) -> None:
    """Check that the clocks that stamped the headers agree with the one of the bag.

    Raises:
        ConfigError: they differ by more than a stream's ``max_age_s``; the message has the differences.
    """
    wrong = [
        stream.spec
        for stream in streams
        if stream.spec.by_header and abs(differences_s.get(stream.spec.name, 0.0)) > stream.spec.max_age_s
    ]
    if wrong:
        told = ", ".join(f"{name} {_signed(by_s)}" for name, by_s in differences_s.items())
        raise ConfigError(
            f"{bag.path}: the headers of {', '.join(spec.name for spec in wrong)} differ from the log times "
            f"by more than max_age_s ({wrong[0].max_age_s:g} s), so the clocks of the computers differed, or "
            f"the bag was recorded while another one was played (median differences: {told}): use stamp: "
            "receive for these streams"
        )


def _signed(by_s: float) -> str:
    return f"{abs(by_s):.2f} s {'ahead' if by_s > 0 else 'behind'}"


def _bindings(bag: TimedBag, parameters: ImportParameters) -> list[StreamBinding]:
    bindings, missing = [], []
    for name, settings in parameters.streams.items():
        topic = parameters.topic(settings.topic) if settings.topic else ""
        found = bag.topics.get(topic)
        if topic and found is None:
            missing.append(f"no topic {topic} for the stream {name}{alike(bag, topic)}")
            continue
        typed = replace(settings, type=found.type) if found is not None and not settings.type else settings
        binding = _binding(bag, name, typed, parameters)
        topic = parameters.topic(binding.topic)
        found = bag.topics.get(topic)
        if found is None:
            missing.append(f"no topic {topic} for the stream {name}{alike(bag, topic)}")
        elif binding.message_type != found.type:
            missing.append(f"{topic} has messages of {found.type}, not {binding.message_type} as for {name}")
        bindings.append(binding)
    if missing:
        raise ConfigError(f"{bag.path}: {'; '.join(missing)}")
    return bindings


def _binding(
    bag: TimedBag, name: str, settings: StreamSettings, parameters: ImportParameters
) -> StreamBinding:
    try:
        return binding_of(name, settings, parameters.rows.image_format, bag)
    except ConfigError as error:
        raise ConfigError(f"{bag.path}: {error}") from error


def alike(bag: TimedBag, topic: str) -> str:
    """Name the topics of a bag that are similar to one that it lacks, as the end of a sentence."""
    similar = difflib.get_close_matches(topic, bag.topics, _ALTERNATIVES, _ALIKE)
    if not similar:
        end = topic.rpartition("/")[2]
        similar = [name for name in bag.topics if name.endswith(f"/{end}")][:_ALTERNATIVES]
    if similar:
        return f"; similar: {', '.join(f'{name} ({bag.topics[name].type})' for name in similar)}"
    return f"; it has {', '.join(sorted(bag.topics)[:10]) or 'no topic'}"


def require_topic(bag: TimedBag, topic: str, types: tuple[str, ...]) -> str:
    """Return the type of a topic that marks episodes.

    Raises:
        BagError: the bag lacks it, or its messages have another type.
    """
    if (found := bag.topics.get(topic)) is None:
        raise BagError(f"{bag.path}: no topic {topic}{alike(bag, topic)}")
    if found.type not in types:
        raise BagError(f"{bag.path}: {topic} has messages of {found.type}, expected {' or '.join(types)}")
    return found.type

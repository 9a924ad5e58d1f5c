"""What a file of a bag offers, and how messages of several parts are merged by log time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class StoredTopic:
    """A topic of a file. One topic may appear several times, with other types or definitions.

    Attributes:
        name: full name with namespace
        type: type of its messages, for example ``sensor_msgs/msg/JointState``
        serialization: format of the messages; ROS 2 uses ``cdr``
        encoding: format of the definition: ``ros2msg`` or ``ros2idl``; empty if there is none
        definition: definition of the type
        qos: the QoS of its publishers, as YAML; empty if unknown
    """

    name: str
    type: str
    serialization: str = "cdr"
    encoding: str = ""
    definition: str = ""
    qos: str = ""


class StoredMessage(NamedTuple):
    """A message of a file.

    Attributes:
        log_ns: when it was recorded
        topic: its topic
        data: the serialized message
    """

    log_ns: int
    topic: StoredTopic
    data: bytes


class StorageFile(Protocol):
    """A file of a bag, as it was when it was opened."""

    path: Path
    topics: Sequence[StoredTopic]
    counts: Sequence[int]
    """Number of messages of each topic."""

    start_ns: int
    end_ns: int
    """Log time of the first and the last message; both 0 without messages."""

    damage: str
    """What is missing at the end, and why; empty if nothing is."""

    def messages(
        self, topics: Collection[StoredTopic], start_ns: int | None, end_ns: int | None
    ) -> Iterator[StoredMessage]:
        """Yield messages by log time, those with equal stamps in the order of the file.

        Args:
            topics: the topics to read.
            start_ns: log time from which to read, inclusive.
            end_ns: log time up to which to read, inclusive.

        Raises:
            BagError: the file is damaged.
        """
        ...

    def latest(self, topics: Collection[StoredTopic], before_ns: int) -> StoredMessage | None:
        """Return the last message before a log time; None if there is none.

        Raises:
            BagError: the file is damaged.
        """
        ...


class Part(NamedTuple):
    """A part of a bag whose messages are sorted.

    Attributes:
        start_ns: no message of it is older.
        number: its place in the bag.
        read: yields its messages by log time.
    """

    start_ns: int
    number: int
    read: Callable[[], Iterator[StoredMessage]]


def merged(parts: Iterable[Part]) -> Iterator[StoredMessage]:
    """Yield the messages of all parts by log time; with equal stamps by the numbers of the parts.

    A part is read only when its time has come, so of parts that do not overlap one is read at a time.

    Args:
        parts: the earliest ``start_ns`` first
    """
    coming = iter(parts)
    waiting = next(coming, None)
    heads: list[tuple[int, int, StoredMessage, Iterator[StoredMessage]]] = []
    while waiting is not None or heads:
        while waiting is not None and (not heads or waiting.start_ns <= heads[0][0]):
            number, messages = waiting.number, waiting.read()
            waiting = next(coming, None)
            if (first := next(messages, None)) is not None:
                heapq.heappush(heads, (first.log_ns, number, first, messages))
        if not heads:
            continue
        _, number, message, messages = heads[0]
        yield message
        if (following := next(messages, None)) is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (following.log_ns, number, following, messages))


def full_type(name: str) -> str:
    """Return the full name of a message type, ``sensor_msgs/msg/Image`` for ``sensor_msgs/Image``."""
    package, _, rest = name.partition("/")
    return f"{package}/msg/{rest}" if rest and "/" not in rest else name

"""The time of a bag: its log times, or with ``use_sim_time`` the times on ``/clock``, as for a recorder."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from lerobot_recorder.bags import BagMessage, BagTopic
from lerobot_recorder.errors import BagError
from lerobot_recorder.topics import stamp_ns

CLOCK = "/clock"
_NEVER_NS = 1 << 62


class TimedBag(Protocol):
    """A bag whose messages have times; see `lerobot_recorder.bags.Bag`."""

    @property
    def path(self) -> Path:
        """The folder or file."""

    @property
    def topics(self) -> Mapping[str, BagTopic]:
        """Topics by name."""

    @property
    def start_ns(self) -> int:
        """Time of the first message."""

    @property
    def end_ns(self) -> int:
        """Time of the last message."""

    def fields(self, message_type: str) -> Mapping[str, str]:
        """Return the types of a message's fields by name."""

    def messages(
        self, topics: Collection[str] = (), start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Yield messages by time."""

    def latest(self, topic: str, before_ns: int) -> BagMessage | None:
        """Return the last message of a topic before a time."""


class SimTimeBag:
    """A bag whose messages have the simulated time at which they were recorded.

    Attributes:
        path: the folder or file
        topics: topics by name
        start_ns: first time on ``/clock``
        end_ns: last time on ``/clock``
    """

    def __init__(self, bag: TimedBag) -> None:
        """Read the clock.

        Raises:
            BagError: the clock jumps back, or the bag cannot be read.
        """
        self.path = bag.path
        self.topics: Mapping[str, BagTopic] = bag.topics
        self.start_ns = self.end_ns = 0
        self._bag = bag
        self._log_ns: list[int] = []
        self._sim_ns: list[int] = []
        for message in bag.messages([CLOCK]):
            now_ns = stamp_ns(message.decode().clock)
            if now_ns < self.end_ns:
                back_s, at_s = (self.end_ns - now_ns) / 1e9, (message.log_ns - bag.start_ns) / 1e9
                raise BagError(
                    f"{bag.path}: {CLOCK} jumps back by {back_s:.2f} s, {at_s:.1f} s after the start of the "
                    "bag, as the simulation was started again: record a bag for each start"
                )
            self.start_ns, self.end_ns = self.start_ns or now_ns, now_ns
            self._log_ns.append(message.log_ns)
            self._sim_ns.append(now_ns)

    def fields(self, message_type: str) -> Mapping[str, str]:
        """Return the types of a message's fields by name."""
        return self._bag.fields(message_type)

    def messages(
        self, topics: Collection[str] = (), start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Yield messages by simulated time; those before the first time on ``/clock`` have that time.

        Args:
            topics: names of topics; none: all.
            start_ns: simulated time from which to read, inclusive.
            end_ns: simulated time up to which to read, inclusive.
        """
        now_ns, wanted = self.start_ns, topics or self.topics
        log_ns = None if start_ns is None or start_ns <= self.start_ns else self._log_ns_of(start_ns)
        for message in self._bag.messages({*wanted, CLOCK}, log_ns):
            if message.topic == CLOCK:
                now_ns = max(now_ns, stamp_ns(message.decode().clock))
            if end_ns is not None and now_ns > end_ns:
                return
            if message.topic in wanted and (start_ns is None or now_ns >= start_ns):
                message.log_ns = now_ns
                yield message

    def latest(self, topic: str, before_ns: int) -> BagMessage | None:
        """Return the last message of a topic before a simulated time; None if there is none."""
        message = self._bag.latest(topic, self._log_ns_of(before_ns))
        if message is not None:
            place = bisect_right(self._log_ns, message.log_ns)
            message.log_ns = self._sim_ns[place - 1] if place else self.start_ns
        return message

    def _log_ns_of(self, sim_ns: int) -> int:
        """Return the log time at which the clock reaches a simulated time."""
        place = bisect_left(self._sim_ns, sim_ns)
        return self._log_ns[place] if place < len(self._log_ns) else _NEVER_NS


def timed(bag: TimedBag, clock: str) -> TimedBag:
    """Return a bag with the times that a recorder with this clock would use.

    Args:
        bag: the bag
        clock: ``system`` or ``sim``; without messages on ``/clock``, the log times are simulated ones

    Raises:
        BagError: the clock jumps back, or the bag cannot be read.
    """
    found = bag.topics.get(CLOCK)
    if clock != "sim" or found is None or not found.count:
        return bag
    return SimTimeBag(bag)

"""The part of a bag that can be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from lerobot_recorder.bags.bag import Bag, BagMessage, BagTopic
from lerobot_recorder.errors import BagError


class WholePart:
    """A bag that ends where it is damaged.

    Attributes:
        path: the folder or file
        topics: topics by name
        start_ns: log time of the first message
        end_ns: log time of the last message
        damage: what is missing, and why; empty if nothing is
    """

    def __init__(self, bag: Bag) -> None:
        self.path: Path = bag.path
        self.topics: Mapping[str, BagTopic] = bag.topics
        self.start_ns, self.end_ns = bag.start_ns, bag.end_ns
        self.damage = bag.damage
        self._bag = bag

    def fields(self, message_type: str) -> Mapping[str, str]:
        """Return the types of a message's fields by name."""
        return self._bag.fields(message_type)

    def messages(
        self, topics: Collection[str] = (), start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Yield messages by log time, up to the first one that is damaged."""
        try:
            yield from self._bag.messages(topics, start_ns, end_ns)
        except BagError as error:
            self._note(error)

    def latest(self, topic: str, before_ns: int) -> BagMessage | None:
        """Return the last message of a topic before a log time; None if there is none, or it is damaged."""
        try:
            return self._bag.latest(topic, before_ns)
        except BagError as error:
            self._note(error)
            return None

    def _note(self, error: BagError) -> None:
        if str(error) not in self.damage:
            self.damage = "; ".join(filter(None, [self.damage, str(error)]))

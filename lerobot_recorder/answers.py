"""What a service of a node answers, and what a message offers to do next.

A service has one text for its answer. The first line is a sentence; each other line is a name, a colon and a
value: ``episode_id: 20261128T...`` is the episode that was meant, ``undo_delete: brings it back`` a service
that can be called next. Screens and pages name a key or a button instead of that service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OFFERS: Mapping[str, str] = {
    "start_episode": "starts an episode",
    "accept_episode": "keeps the take",
    "undo_delete": "brings it back",
}
"""What a service does that a message can offer."""


@dataclass(frozen=True)
class Answer:
    """What a service of a node has answered.

    Attributes:
        success: whether it has done what was asked.
        message: what it did, or why not: a sentence without names of services.
        offer: the service that can be called next, one of `OFFERS`; empty if there is none.
        episode_id: identifier of the episode that was meant; empty if there is none.
    """

    success: bool
    message: str
    offer: str = ""
    episode_id: str = ""

    @property
    def text(self) -> str:
        """The message of the service's response."""
        lines = [" ".join(self.message.splitlines())]
        if self.episode_id:
            lines.append(f"episode_id: {self.episode_id}")
        if self.offer:
            lines.append(f"{self.offer}: {OFFERS[self.offer]}")
        return "\n".join(lines)

    @classmethod
    def from_text(cls, success: bool, text: str) -> Answer:
        """Read the response of a service; lines that it does not know are ignored."""
        message, *others = text.split("\n")
        values = dict(line.partition(": ")[::2] for line in others)
        offer = next((name for name in values if name in OFFERS), "")
        return cls(success, message, offer, values.get("episode_id", ""))


def with_offer(sentence: str, offer: str, names: Mapping[str, str]) -> str:
    """Return a sentence that ends with what can be done next.

    Args:
        sentence: what has happened.
        offer: a service, one of `OFFERS`; empty: nothing is offered.
        names: what does the same as a service, by its name: a key or a button. Others are named themselves.
    """
    return f"{sentence}; {names.get(offer, offer)} {OFFERS[offer]}" if offer in OFFERS else sentence

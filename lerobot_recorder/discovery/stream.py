"""A stream to record, and names for streams."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lerobot_recorder.discovery.seen import SeenTopic


@dataclass(frozen=True)
class PlannedStream:
    """A stream to record.

    Attributes:
        name: name of the stream
        topic: its topic
        feature: feature of the dataset
        names: values to record, as the message names them
        aliases: their names in the dataset; empty: the same names
        depth: whether its images are depth maps
        remarks: notes for the user, one sentence each
        parent: for a transform, the frame that it starts from; empty for others
        child: for a transform, the frame that it leads to
    """

    name: str
    topic: SeenTopic
    feature: str
    names: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    depth: bool = False
    remarks: tuple[str, ...] = ()
    parent: str = ""
    child: str = ""


def identifier(*words: str) -> str:
    """Join words to a name that is valid in a parameter's name."""
    return "_".join(re.sub(r"\W+", "_", word).strip("_").lower() for word in words if word.strip("_"))


def unique(name: str, taken: Iterable[str]) -> str:
    """Return the name, numbered if it is taken."""
    taken = set(taken)
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(each for each in numbered if each not in taken)

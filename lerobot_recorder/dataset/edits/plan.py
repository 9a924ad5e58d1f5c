"""What a dataset consists of after an edit: a list of pieces of episodes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from lerobot_recorder.errors import ConfigError


class Unchanged(Enum):
    """Stands for a value that an edit does not change."""

    KEEP = "keep"


KEEP = Unchanged.KEEP

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of an episode, which become an episode of the new dataset.

    Attributes:
        root: the dataset that has the episode.
        episode: its number there.
        start: number of the first row in the episode.
        stop: number of the row after the last one.
        task: new task; None keeps the tasks.
        success: new success mark; `KEEP` keeps it.
    """

    root: Path
    episode: int
    start: int
    stop: int
    task: str | None = None
    success: bool | Unchanged | None = KEEP

    @property
    def length(self) -> int:
        """Number of rows."""
        return self.stop - self.start


def parse_episodes(text: str) -> list[int]:
    """Parse numbers and ranges of episodes, such as ``3,7-9``.

    Returns:
        The numbers in rising order, each once.

    Raises:
        ConfigError: the text is something else.
    """
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise ConfigError(f"episodes: expected numbers and ranges such as 3,7-9, found {text!r}")
        found.update(range(first, last + 1))
    return sorted(found)

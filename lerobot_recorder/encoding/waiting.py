"""The episodes that wait in the spool, and what there is to encode of them: each is read once."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from lerobot_recorder.errors import RecorderError
from lerobot_recorder.spool import Spool, SpooledEpisode


@dataclass(frozen=True)
class _Facts:
    """What is counted of a waiting episode; it does not change as long as the episode waits."""

    duration_s: float
    frames: int
    size_bytes: int


class WaitingEpisodes:
    """The episodes in `ready/` when someone last looked.

    Attributes:
        episodes: oldest first.
    """

    def __init__(self) -> None:
        self.episodes: list[SpooledEpisode] = []
        self._facts: dict[str, _Facts] = {}

    def look(self, spool: Spool) -> list[SpooledEpisode]:
        """List them anew, reading those that came since.

        Raises:
            OSError: the spool cannot be listed.
        """
        self.episodes = spool.ready()
        found = {each.episode_id: self._facts.get(each.episode_id) or _read(each) for each in self.episodes}
        self._facts = {episode_id: facts for episode_id, facts in found.items() if facts is not None}
        return self.episodes

    @property
    def duration_s(self) -> float:
        """Seconds of all that wait."""
        return sum(each.duration_s for each in self._facts.values())

    @property
    def frames(self) -> int:
        """Video frames to encode, of all cameras."""
        return sum(each.frames for each in self._facts.values())

    @property
    def size_bytes(self) -> int:
        """The disk that they hold."""
        return sum(each.size_bytes for each in self._facts.values())


def _read(episode: SpooledEpisode) -> _Facts | None:
    """Read an episode; None where it cannot be read, which is reported when it is encoded."""
    try:
        manifest, size = episode.manifest, episode.size_bytes()
        cameras, length = len(manifest.cameras), operator.index(manifest.length)
        return _Facts(manifest.duration_s, cameras * length, size)
    except (RecorderError, OSError, TypeError, ValueError, ArithmeticError):
        return None

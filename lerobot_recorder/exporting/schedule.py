"""When the rows of exported episodes are: their own times, without overlaps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lerobot_recorder.dataset import Source

SECOND_NS = 1_000_000_000

_FIRST_NS = SECOND_NS
"""Start of the first episode if it is unknown; 0 stands for no time in ROS."""

_PAUSE_NS = SECOND_NS
"""Between an episode whose start is unknown and the one before."""


@dataclass(frozen=True)
class Scheduled:
    """An episode and the time of its first row.

    Attributes:
        number: its number in the dataset.
        start_ns: time of its first row, in nanoseconds.
        end_ns: when the row after its last one would be, but not after the start of the next episode.
        fps: rows per second.
        is_moved: whether it was recorded at another time, which overlaps with an episode before it. Less than
            half the time between two rows is no overlap: times are whole nanoseconds, rows are not.
    """

    number: int
    start_ns: int
    end_ns: int
    fps: int
    is_moved: bool

    def row_ns(self, row: int) -> int:
        """Return the time of a row."""
        return self.start_ns + row * SECOND_NS // self.fps


def schedule(source: Source, episodes: Iterable[int]) -> list[Scheduled]:
    """Order episodes by time; one of which it is unknown follows the one before it in the dataset."""
    started, after_ns = [], _FIRST_NS
    for number in episodes:
        known_ns = source.recordings.get(number, {}).get("started_at_ns")
        start_ns = known_ns if isinstance(known_ns, int) and known_ns > 0 else after_ns
        after_ns = start_ns + _length_ns(source, number) + _PAUSE_NS
        started.append((start_ns, number))
    scheduled: list[Scheduled] = []
    half_period_ns = SECOND_NS // source.info.fps // 2
    for wanted_ns, number in sorted(started):
        start_ns = wanted_ns
        if scheduled:
            before = scheduled[-1]
            if before.end_ns - wanted_ns > half_period_ns:
                start_ns = before.end_ns
            scheduled[-1] = replace(before, end_ns=min(before.end_ns, start_ns))
        end_ns = start_ns + _length_ns(source, number)
        scheduled.append(Scheduled(number, start_ns, end_ns, source.info.fps, start_ns != wanted_ns))
    return scheduled


def _length_ns(source: Source, episode: int) -> int:
    return int(source.dataset.lengths[episode]) * SECOND_NS // source.info.fps

"""Finds the episodes in rows whose numbers may be wrong, and the episode row of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lerobot_recorder.dataset import tables
from lerobot_recorder.dataset.layout import FileIndex

_OFFSETS = (0, 1, -1)
"""Differences between the numbers in rows and in episode rows: one of both may count from one."""


@dataclass(eq=False)
class FoundEpisode:
    """Consecutive rows of a data file that are an episode.

    Attributes:
        file: number of the data file.
        start: first row in the file.
        stop: row after the last one.
        label: its number in the rows; None if they have none.
        order: rows of the file in the order of their frames; None if that is the order in the file.
        row: its episode row; empty if there is none.
        length: number of its first rows that are kept.
        videos: by camera, the number of the video file and its first frame there.
        number: its new number.
        from_index: its first row in the new dataset.
    """

    file: FileIndex
    start: int
    stop: int
    label: int | None
    order: npt.NDArray[np.int64] | None = None
    row: tables.Row = field(default_factory=dict)
    length: int = 0
    videos: dict[str, tuple[FileIndex, int]] = field(default_factory=dict)
    number: int = -1
    from_index: int = 0

    @property
    def rows(self) -> int:
        """Number of rows in the file."""
        return self.stop - self.start

    @property
    def name(self) -> str:
        """What it is called in messages: its number before the repair."""
        known = self.row.get("episode_index", self.label)
        return f"episode {known}" if known is not None else f"the episode in row {self.start} of {self.file}"


def split_episodes(table: pa.Table, file: FileIndex, lengths: Sequence[int]) -> list[FoundEpisode]:
    """Split the rows of a data file into episodes.

    Three things show where one begins: the number of the episode changes, the number of the frame starts
    again, and the lengths in the episode rows. Two that agree outvote the third.

    Args:
        table: the rows.
        file: number of the data file.
        lengths: lengths of the episodes that should be in the file.
    """
    labels, frames = (whole_numbers(table, name) for name in ("episode_index", "frame_index"))
    begins = [0, *_starts(labels, frames, lengths, table.num_rows)]
    found = []
    for start, stop in zip(begins, [*begins[1:], table.num_rows], strict=True):
        if stop > start:
            found.append(FoundEpisode(file, start, stop, _label(labels, start, stop), length=stop - start))
            found[-1].order = _order(frames, start, stop)
    return found


def whole_numbers(table: pa.Table, name: str) -> npt.NDArray[np.int64] | None:
    """Return a column of whole numbers; None if it is missing, incomplete or something else."""
    if table.column_names.count(name) != 1:
        return None
    column = table[name]
    if not pa.types.is_integer(column.type) or column.null_count:
        return None
    values: npt.NDArray[np.int64] = column.to_numpy().astype(np.int64)
    return values


def _starts(
    labels: npt.NDArray[np.int64] | None,
    frames: npt.NDArray[np.int64] | None,
    lengths: Sequence[int],
    rows: int,
) -> list[int]:
    """Return the first rows of all episodes but the first."""
    votes = []
    if labels is not None:
        votes.append(np.flatnonzero(np.diff(labels)) + 1)
    if frames is not None:
        votes.append(np.flatnonzero(np.diff(frames) <= 0) + 1)
    if lengths and sum(lengths) == rows:
        votes.append(np.cumsum(lengths)[:-1])
    plain = [[int(start) for start in vote] for vote in votes]
    agreed = next((vote for vote in plain if plain.count(vote) > 1), None)
    return agreed if agreed is not None else (plain[0] if plain else [])


def _label(labels: npt.NDArray[np.int64] | None, start: int, stop: int) -> int | None:
    return None if labels is None else int(Counter(labels[start:stop].tolist()).most_common(1)[0][0])


def _order(frames: npt.NDArray[np.int64] | None, start: int, stop: int) -> npt.NDArray[np.int64] | None:
    if frames is None:
        return None
    inside = frames[start:stop]
    if (np.diff(inside) > 0).all() or len(np.unique(inside)) < len(inside):
        return None
    return start + np.argsort(inside, kind="stable")


def match_rows(episodes: Sequence[FoundEpisode], rows: Sequence[tables.Row]) -> list[tables.Row]:
    """Give each episode its row, by its number and length.

    Args:
        episodes: in order; their attribute ``row`` is set.
        rows: the episode rows.

    Returns:
        The rows that belong to no episode.
    """
    by_label: dict[int, tables.Row] = {}
    for row in rows:
        by_label.setdefault(row["episode_index"], row)
    scores = [_score(by_label, episodes, offset) for offset in _OFFSETS]
    offset = _OFFSETS[scores.index(max(scores))]
    waiting = dict(by_label)
    for strict in (True, False):
        for each in episodes:
            known = None if each.label is None else each.label - offset
            if each.row or known not in waiting or (strict and not _fits(waiting, each, offset)):
                continue
            each.row = waiting.pop(known)
    unnamed = [each for each in episodes if not each.row]
    left = list(waiting.values())
    if [each.rows for each in unnamed] == [row.get("length") for row in left]:
        for each, row in zip(unnamed, left, strict=True):
            each.row = row
        left = []
    return left


def _score(rows: dict[int, tables.Row], episodes: Sequence[FoundEpisode], offset: int) -> tuple[int, int]:
    """Count the episodes that have a row with this offset, and those whose length it has."""
    known = sum(each.label is not None and each.label - offset in rows for each in episodes)
    return known, sum(_fits(rows, each, offset) for each in episodes)


def _fits(rows: dict[int, tables.Row], episode: FoundEpisode, offset: int) -> bool:
    row = rows.get(episode.label - offset) if episode.label is not None else None
    return row is not None and row.get("length") == episode.rows


def first_frames(starts: Sequence[int], lengths: Sequence[int], frames: int) -> tuple[list[int], list[int]]:
    """Find where episodes begin in a video file, and how many of their frames it has.

    Args:
        starts: first frames that are noted for the episodes; they may have drifted.
        lengths: number of rows of each.
        frames: number of frames of the file.

    Returns:
        First frames, and numbers of frames.
    """
    order = sorted(range(len(starts)), key=lambda n: starts[n])
    sums = np.cumsum([0, *(lengths[n] for n in order)])
    noted = [starts[n] for n in order]
    ends = [start + lengths[n] for start, n in zip(noted, order, strict=True)]
    is_apart = all(end <= after for end, after in zip(ends, noted[1:], strict=False))
    placed = noted if is_apart and frames != sums[-1] else [int(each) for each in sums[:-1]]
    begins, counts = [0] * len(starts), [0] * len(starts)
    for place, n in enumerate(order):
        end = min(frames, placed[place] + lengths[n])
        begins[n], counts[n] = placed[place], max(0, end - placed[place])
    return begins, counts

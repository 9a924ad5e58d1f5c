"""What a commit needs to know of a dataset as it is: of its many files it reads only the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from lerobot_recorder.dataset import statistics, tables
from lerobot_recorder.dataset.info import DatasetInfo
from lerobot_recorder.dataset.layout import DatasetLayout, FileIndex
from lerobot_recorder.dataset.statistics import Stats
from lerobot_recorder.errors import DatasetError


@dataclass(frozen=True)
class ExistingDataset:
    """A dataset before a commit.

    Attributes:
        layout: Where its files are.
        info: Its ``info.json``; with no episodes in it for a new dataset.
        episodes: The rows of its last episodes file, None if there is none.
        episodes_index: The number of that file.
        tasks: Its tasks in the order of their indices.
        stats: Statistics over all of it, empty if there are none.
    """

    layout: DatasetLayout
    info: DatasetInfo
    episodes: pa.Table | None = None
    episodes_index: FileIndex | None = None
    tasks: Sequence[str] = ()
    stats: Mapping[str, Stats] = field(default_factory=dict)

    def last(self, column: str) -> Any:
        """Return a value of the last episode's row; None if there is no episode."""
        return self.episodes[column][self.episodes.num_rows - 1].as_py() if self.episodes else None

    def last_file(self, kind: str) -> FileIndex | None:
        """Return the file in which the last episode is.

        Args:
            kind: ``data`` or ``videos/<key>``.
        """
        if self.episodes is None:
            return None
        return FileIndex(self.last(f"{kind}/chunk_index"), self.last(f"{kind}/file_index"))


def read_existing(root: Path, info: DatasetInfo) -> ExistingDataset:
    """Read the dataset at ``root``, which has this info.

    Raises:
        DatasetError: Its files cannot be read or do not agree with its info.
    """
    layout = info.layout(root)
    if info.total_episodes == 0:
        return ExistingDataset(layout, info)
    index, episodes = _read_last_episodes(layout, info)
    tasks, stats = tables.read_tasks(layout.tasks), _read_stats(layout.stats)
    return ExistingDataset(layout, info, episodes, index, tasks, stats)


def _read_last_episodes(layout: DatasetLayout, info: DatasetInfo) -> tuple[FileIndex, pa.Table]:
    files = layout.episodes_files()
    table = tables.read_table(files[-1]) if files else None
    index = FileIndex.of(files[-1]) if files else None
    if not table or index is None:
        raise DatasetError(
            f"{layout.root}: expected {info.total_episodes} episodes, found none in meta/episodes."
        )
    last = table.num_rows - 1
    found = table["episode_index"][last].as_py() + 1, table["dataset_to_index"][last].as_py()
    if found != (info.total_episodes, info.total_frames):
        raise DatasetError(
            f"{files[-1]}: ends after {found[0]} episodes and {found[1]} rows, but meta/info.json counts "
            f"{info.total_episodes} and {info.total_frames}. Check the dataset before recording more."
        )
    return index, table


def _read_stats(path: Path) -> dict[str, Stats]:
    if not path.is_file():
        return {}
    try:
        return statistics.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path}: not the statistics of a dataset: {error}.") from error

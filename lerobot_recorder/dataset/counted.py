"""A dataset as LeRobot sees it: as far as ``info.json`` counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from lerobot_recorder.dataset import tables
from lerobot_recorder.dataset.features import video_keys
from lerobot_recorder.dataset.info import DatasetInfo
from lerobot_recorder.dataset.journal import Journal
from lerobot_recorder.dataset.layout import DatasetLayout, FileIndex
from lerobot_recorder.errors import DatasetError

_PLACES = ("episode_index", "length", "dataset_from_index", "dataset_to_index", "tasks")
_OPTIONAL = ("tasks", "meta/episodes/chunk_index", "meta/episodes/file_index")
"""LeRobot does without these, and leaves them out where it converts images to videos."""

_FILE = ("chunk_index", "file_index")
_SPAN = ("from_timestamp", "to_timestamp")


@dataclass(frozen=True)
class CountedDataset:
    """A dataset that is looked at, and what an unfinished commit may have changed in it.

    Attributes:
        layout: Where its files are.
        info: Its info.
        episodes: The episode rows that the info counts, without statistics, by column; without ``tasks`` and
            ``meta/episodes`` where no file has them.
        episode_rows: Rows in each episodes file, also beyond what the info counts.
        tasks: Its tasks in the order of their indices.
        journal: The unfinished commit, None if there is none.
    """

    layout: DatasetLayout
    info: DatasetInfo
    episodes: Mapping[str, np.ndarray]
    episode_rows: Mapping[Path, int]
    tasks: Sequence[str]
    journal: Journal | None

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each episode."""
        return self.episodes["length"]

    def files(self, kind: str) -> list[FileIndex]:
        """Return the file in which each episode is; ``data``, ``meta/episodes`` or ``videos/<key>``."""
        chunks, files = (self.episodes[f"{kind}/{part}"] for part in _FILE)
        return [FileIndex(int(chunk), int(file)) for chunk, file in zip(chunks, files, strict=True)]

    def task(self, episode: int) -> str:
        """Return what an episode shows; empty where it is not noted."""
        return ", ".join(self.episodes["tasks"][episode]) if "tasks" in self.episodes else ""

    def is_enough(self, found: int, expected: int) -> bool:
        """Tell whether there is as much as must be; an unfinished commit may have added to it."""
        return found == expected or (self.journal is not None and found > expected)

    def is_unfinished(self, path: Path) -> bool:
        """Tell whether the unfinished commit puts this file in place."""
        return (
            self.journal is not None and path.relative_to(self.layout.root).as_posix() in self.journal.paths
        )


def read_counted(root: Path, info: DatasetInfo, journal: Journal | None) -> CountedDataset:
    """Read the episode rows and tasks of the dataset at ``root``.

    Raises:
        DatasetError: They cannot be read, or a column is missing or of another kind.
    """
    layout = info.layout(root)
    found = {path: tables.read_table(path) for path in layout.episodes_files()}
    rows = {path: table.num_rows for path, table in found.items()}
    if info.total_episodes == 0:
        return CountedDataset(layout, info, {}, rows, [], journal)
    lacking = {name for name in _OPTIONAL if not any(name in table.column_names for table in found.values())}
    columns = [name for name in _columns(info) if name not in lacking]
    episodes = [_selected(path, table, columns) for path, table in found.items()]
    if not sum(rows.values()):
        raise DatasetError(f"{root}: expected {info.total_episodes} episodes, found none in meta/episodes.")
    values = {name: _array(name, episodes, info.total_episodes) for name in columns}
    if values["length"].min() < 1:
        raise DatasetError(
            f"{root}: episode {values['length'].argmin()} has length {values['length'].min()}."
        )
    return CountedDataset(layout, info, values, rows, tables.read_tasks(layout.tasks), journal)


def _columns(info: DatasetInfo) -> list[str]:
    files = [f"{kind}/{part}" for kind in ("data", "meta/episodes") for part in _FILE]
    videos = [f"videos/{key}/{part}" for key in video_keys(info.features) for part in (*_FILE, *_SPAN)]
    return [*_PLACES, *files, *videos]


def _selected(path: Path, table: pa.Table, columns: Sequence[str]) -> pa.Table:
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise DatasetError(f"{path}: no column {', '.join(missing)}.")
    repeated = [name for name in columns if table.column_names.count(name) > 1]
    if repeated:
        raise DatasetError(f"{path}: {', '.join(repeated)} is there more than once.")
    empty = [name for name in columns if table[name].null_count]
    if empty:
        raise DatasetError(f"{path}: {', '.join(empty)} not given for all episodes.")
    wrong = [name for name in columns if not _is_of_its_kind(name, table.schema.field(name).type)]
    if wrong:
        found, expected = table.schema.field(wrong[0]).type, _kind(wrong[0])
        raise DatasetError(f"{path}: {wrong[0]} is {found}, expected {expected}.")
    return table.select(list(columns))


def _kind(name: str) -> str:
    if name == "tasks":
        return "lists of sentences"
    return "seconds" if name.endswith(_SPAN) else "whole numbers"


def _is_of_its_kind(name: str, kind: pa.DataType) -> bool:
    if name == "tasks":
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return bool(
            is_list and (pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type))
        )
    is_whole = bool(pa.types.is_integer(kind))
    return is_whole or bool(name.endswith(_SPAN) and pa.types.is_floating(kind))


def _array(name: str, tables_of_all: Sequence[pa.Table], count: int) -> np.ndarray:
    """Return the values of a column in all files, as far as they are counted; lists as objects."""
    values = [value for table in tables_of_all for value in table[name].to_pylist()][:count]
    if name == "tasks":
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    return np.array(values)

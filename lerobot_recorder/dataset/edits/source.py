"""Reads everything that is known about the episodes of a dataset."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lerobot_recorder.dataset import recordings, tables
from lerobot_recorder.dataset.edits.plan import Piece
from lerobot_recorder.dataset.episode import StreamAges
from lerobot_recorder.dataset.existing import dataset_errors
from lerobot_recorder.dataset.info import DatasetInfo, load_info
from lerobot_recorder.dataset.layout import DatasetLayout, FileIndex
from lerobot_recorder.dataset.reader import CountedDataset, read_counted
from lerobot_recorder.dataset.setups import read_setup, setup_path
from lerobot_recorder.errors import DatasetError

FileState = tuple[int, int, int]
"""Inode, size and time of the last change of a file."""


class Source:
    """A dataset whose episodes are used.

    Attributes:
        root: its directory.
        dataset: its episode rows, as far as they are counted, without statistics.
        files: the state of each of its files when it was opened, by path relative to ``root``.
    """

    def __init__(self, root: Path) -> None:
        """Read the descriptions.

        Raises:
            DatasetError: there is no dataset, or it cannot be read.
        """
        self.root = root
        self.files = file_states(root)
        with dataset_errors(root):
            info = load_info(root)
            if info is None:
                raise DatasetError(f"{root}: no dataset, there is no meta/info.json")
            self.dataset: CountedDataset = read_counted(root, info, None)

    @property
    def info(self) -> DatasetInfo:
        """Its ``info.json``."""
        return self.dataset.info

    @property
    def layout(self) -> DatasetLayout:
        """Where its files are."""
        return self.dataset.layout

    @property
    def tasks(self) -> Sequence[str]:
        """Its tasks in the order of their indices."""
        return self.dataset.tasks

    def piece(self, episode: int) -> Piece:
        """Return a whole episode as a piece."""
        return Piece(self.root, episode, 0, int(self.dataset.lengths[episode]))

    def pieces(self) -> list[Piece]:
        """Return all episodes."""
        return [self.piece(episode) for episode in range(self.info.total_episodes)]

    def is_whole(self, piece: Piece) -> bool:
        """Return whether a piece is a whole episode of this dataset."""
        return piece.start == 0 and piece.stop == self.dataset.lengths[piece.episode]

    def tasks_of(self, piece: Piece) -> list[str]:
        """Return the tasks of a piece's rows, in the order of the rows, at least one.

        The episode rows list the tasks of whole episodes; datasets that LeRobot has converted have no list.

        Raises:
            DatasetError: a row has a task that is not in ``meta/tasks.parquet``.
        """
        listed = self.listed_tasks(piece.episode)
        if len(listed) == 1 or (listed and self.is_whole(piece)):
            return listed
        index = self.file("data", piece.episode)
        if index not in self._task_numbers:
            columns = ["episode_index", "task_index"]
            table = tables.read_table(self.layout.data_file(index), columns)
            self._task_numbers[index] = tuple(table[name].to_numpy() for name in columns)
        episodes, tasks = self._task_numbers[index]
        rows = tasks[episodes == piece.episode][piece.start : piece.stop]
        return [self.task(number) for number in dict.fromkeys(rows.tolist())] or [""]

    def listed_tasks(self, episode: int) -> list[str]:
        """Return the tasks that the row of an episode lists; none in datasets that LeRobot has converted."""
        tasks = self.dataset.episodes.get("tasks")
        return [] if tasks is None else list(tasks[episode])

    def task(self, number: int) -> str:
        """Return the task of a ``task_index``.

        Raises:
            DatasetError: there is none.
        """
        if not 0 <= number < len(self.tasks):
            raise DatasetError(
                f"{self.layout.tasks}: a row has task {number}, found {len(self.tasks)} tasks; "
                f"`lerobot-recorder repair {self.root}` can repair that"
            )
        return self.tasks[number]

    @cached_property
    def _task_numbers(self) -> dict[FileIndex, tuple[Any, ...]]:
        return {}

    def seconds(self, episode: int) -> float:
        """Return the length of an episode in seconds."""
        return float(self.dataset.lengths[episode] / self.info.fps)

    def check_rows(self) -> None:
        """Check that the data files have the rows that the episodes say.

        Raises:
            DatasetError: they have others, or a file cannot be read, for example as it is being written.
        """
        lengths = self.dataset.lengths
        for index in self.files_of("data"):
            path = self.layout.data_file(index)
            expected = sum(int(lengths[episode]) for episode in self.in_file("data", index))
            if (found := tables.summarize_data_file(path).rows) != expected:
                raise DatasetError(
                    f"{path}: expected {expected} rows, found {found}. Run `lerobot-recorder check "
                    f"{self.root}` to see what is wrong"
                )

    def check_unchanged(self, activity: str) -> None:
        """Check that the episodes are still the same; new ones do not matter.

        Args:
            activity: during which they may have changed, for the message.

        Raises:
            DatasetError: another program has edited the dataset.
        """
        count, now = self.info.total_episodes, Source(self.root)
        for name, values in self.dataset.episodes.items():
            found = now.dataset.episodes.get(name, np.zeros(0))[:count]
            if name != "tasks" and not np.array_equal(values, found):
                raise DatasetError(
                    f"{self.root}: the dataset was edited during the {activity}, so nothing was written; "
                    f"{activity} again"
                )

    def columns(self, episode: int) -> dict[str, np.ndarray]:
        """Read the rows of an episode, by column; images in the data files are left out.

        Raises:
            DatasetError: they cannot be read, or there are not as many as the episode is long.
        """
        path = self.layout.data_file(self.file("data", episode))
        names = [key for key, ft in self.info.features.items() if ft["dtype"] not in ("video", "image")]
        table = tables.read_episode(path, episode, names)
        if (expected := int(self.dataset.lengths[episode])) != table.num_rows:
            raise DatasetError(
                f"{path}: expected {expected} rows of episode {episode}, found {table.num_rows}"
            )
        return {name: tables.column_values(table[name]) for name in names}

    def file(self, kind: str, episode: int) -> FileIndex:
        """Return the number of an episode's file; for the kinds see ``CountedDataset.files``."""
        return self._files(kind)[episode]

    def files_of(self, kind: str) -> list[FileIndex]:
        """List the files with episodes, in the order of the first episode in each."""
        return list(self._members(kind))

    def in_file(self, kind: str, index: FileIndex) -> list[int]:
        """List the episodes in a file."""
        return self._members(kind).get(index, [])

    def _files(self, kind: str) -> list[FileIndex]:
        if kind not in self._known_files:
            self._known_files[kind] = self.dataset.files(kind)
        return self._known_files[kind]

    def _members(self, kind: str) -> dict[FileIndex, list[int]]:
        if kind not in self._known_members:
            members: dict[FileIndex, list[int]] = {}
            for episode, index in enumerate(self._files(kind)):
                members.setdefault(index, []).append(episode)
            self._known_members[kind] = members
        return self._known_members[kind]

    @cached_property
    def _known_files(self) -> dict[str, list[FileIndex]]:
        return {}

    @cached_property
    def _known_members(self) -> dict[str, dict[FileIndex, list[int]]]:
        return {}

    def rows_in_file(self, index: FileIndex) -> range:
        """Return the numbers of the episodes whose rows a file of ``meta/episodes`` has.

        Empty if it has other rows as well, which ``info.json`` does not count.
        """
        rows = self._rows_in_files.get(self.layout.episodes_file(index), range(0))
        return rows if rows.stop <= self.info.total_episodes else range(0)

    @cached_property
    def _rows_in_files(self) -> dict[Path, range]:
        ends = itertools.accumulate(self.dataset.episode_rows.values())
        rows = self.dataset.episode_rows.items()
        return {path: range(end - count, end) for (path, count), end in zip(rows, ends, strict=True)}

    def first_frame(self, key: str, episode: int) -> int:
        """Return the number of an episode's first frame in its video file."""
        return round(float(self.dataset.episodes[f"videos/{key}/from_timestamp"][episode]) * self.info.fps)

    @property
    def rows(self) -> list[tables.Row]:
        """The episode rows with their statistics."""
        return list(self.table.to_pylist())

    @cached_property
    def table(self) -> pa.Table:
        """The episode rows with their statistics, with the columns of the first file."""
        with dataset_errors(self.root):
            found = [tables.read_table(path) for path in self.layout.episodes_files()]
            schema = found[0].schema
            found = [tables.conform(_shared(table, schema), schema) for table in found]
            return pa.concat_tables(found).slice(0, self.info.total_episodes)

    @cached_property
    def recordings_files(self) -> Mapping[Path, Mapping[int, recordings.Recording]]:
        """The lines of provenance in each file, by the number of the episode."""
        return {path: recordings.recordings_of([path]) for path in self.layout.recordings_files()}

    @cached_property
    def recordings(self) -> Mapping[int, recordings.Recording]:
        """The provenance of each episode by number; episodes of other programs have none."""
        return {number: line for lines in self.recordings_files.values() for number, line in lines.items()}

    def setup(self, episode: int) -> dict[str, str]:
        """Read the files of an episode's set-up; none if it is unknown.

        Raises:
            DatasetError: a file cannot be read.
        """
        return read_setup(self.root, self._setup_id(episode))

    def setup_path(self, episode: int) -> Path:
        """Return the directory of an episode's set-up."""
        return setup_path(self.root, str(self._setup_id(episode)))

    def _setup_id(self, episode: int) -> object:
        return self.recordings.get(episode, {}).get("setup")

    def ages(self, episode: int) -> dict[str, StreamAges]:
        """Read how old the samples of an episode were; empty if unknown."""
        path = self.layout.ages_file(recordings.ages_index(episode))
        return recordings.read_ages(path, episode)


def _shared(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table without the columns that another one does not have."""
    return table.select([name for name in table.column_names if name in schema.names])


def file_states(root: Path) -> dict[str, FileState]:
    """Return the state of each file under a directory, by relative path."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            state = path.stat()
            found[path.relative_to(root).as_posix()] = (state.st_ino, state.st_size, state.st_mtime_ns)
    return found

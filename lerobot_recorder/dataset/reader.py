"""Reads episodes as LeRobot sees them: up to the counts in ``info.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lerobot_recorder.dataset import recordings, tables
from lerobot_recorder.dataset.episode import StreamAges
from lerobot_recorder.dataset.features import AGE_SUFFIX, AGES_FEATURE, value_names, video_keys
from lerobot_recorder.dataset.info import DatasetInfo, load_info
from lerobot_recorder.dataset.journal import Journal, read_journal
from lerobot_recorder.dataset.layout import DatasetLayout, FileIndex
from lerobot_recorder.dataset.setups import read_setup
from lerobot_recorder.errors import DatasetError

_PLACES = ("episode_index", "length", "dataset_from_index", "dataset_to_index", "tasks")
_OPTIONAL = ("tasks", "meta/episodes/chunk_index", "meta/episodes/file_index")
"""LeRobot does not need these, and drops them when it converts images to videos."""

_FILE = ("chunk_index", "file_index")
_SPAN = ("from_timestamp", "to_timestamp")


@dataclass(frozen=True)
class CountedDataset:
    """The episode rows of a dataset, and the unfinished commit that may have changed its files.

    Attributes:
        layout: where its files are.
        info: its info.
        episodes: the episode rows that the info counts, without statistics, by column; without ``tasks`` and
            ``meta/episodes`` if no file has them.
        episode_rows: number of all rows in each episodes file.
        tasks: its tasks in the order of their indices.
        journal: the unfinished commit, None if there is none.
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
        """Return the file of each episode; ``kind``: ``data``, ``meta/episodes`` or ``videos/<key>``."""
        chunks, files = (self.episodes[f"{kind}/{part}"] for part in _FILE)
        return [FileIndex(int(chunk), int(file)) for chunk, file in zip(chunks, files, strict=True)]

    def members(self, kind: str) -> dict[Path, list[int]]:
        """Return the numbers of the episodes in each file; ``kind``: ``data`` or ``videos/<key>``."""
        members: dict[Path, list[int]] = {}
        for episode, index in enumerate(self.files(kind) if self.episodes else ()):
            members.setdefault(self.layout.file(kind, index), []).append(episode)
        return members

    def task(self, episode: int) -> str:
        """Return the task of an episode; empty if there is none."""
        return ", ".join(self.episodes["tasks"][episode]) if "tasks" in self.episodes else ""

    def is_enough(self, found: int, expected: int) -> bool:
        """Return whether a number is as expected; an unfinished commit may have increased it."""
        return found == expected or (self.journal is not None and found > expected)

    def is_unfinished(self, path: Path) -> bool:
        """Return whether the unfinished commit writes this file."""
        return (
            self.journal is not None and path.relative_to(self.layout.root).as_posix() in self.journal.paths
        )


def read_counted(root: Path, info: DatasetInfo, journal: Journal | None) -> CountedDataset:
    """Read the episode rows and tasks of the dataset at ``root``.

    Raises:
        DatasetError: they cannot be read, or a column is missing or of another type.
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
        raise DatasetError(f"{root}: expected {info.total_episodes} episodes, found none in meta/episodes")
    values = {name: _array(name, episodes, info.total_episodes) for name in columns}
    if values["length"].min() < 1:
        raise DatasetError(f"{root}: episode {values['length'].argmin()} has length {values['length'].min()}")
    return CountedDataset(layout, info, values, rows, tables.read_tasks(layout.tasks), journal)


def _columns(info: DatasetInfo) -> list[str]:
    files = [f"{kind}/{part}" for kind in ("data", "meta/episodes") for part in _FILE]
    videos = [f"videos/{key}/{part}" for key in video_keys(info.features) for part in (*_FILE, *_SPAN)]
    return [*_PLACES, *files, *videos]


def _selected(path: Path, table: pa.Table, columns: Sequence[str]) -> pa.Table:
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise DatasetError(f"{path}: no column {', '.join(missing)}")
    repeated = [name for name in columns if table.column_names.count(name) > 1]
    if repeated:
        raise DatasetError(f"{path}: duplicate column {', '.join(repeated)}")
    empty = [name for name in columns if table[name].null_count]
    if empty:
        raise DatasetError(f"{path}: some episodes have no {', '.join(empty)}")
    wrong = [name for name in columns if not _is_of_its_kind(name, table.schema.field(name).type)]
    if wrong:
        found, expected = table.schema.field(wrong[0]).type, _kind(wrong[0])
        raise DatasetError(f"{path}: {wrong[0]} is {found}, expected {expected}")
    return table.select(list(columns))


def _kind(name: str) -> str:
    if name == "tasks":
        return "sentences or lists of them"
    return "seconds" if name.endswith(_SPAN) else "whole numbers"


def _is_of_its_kind(name: str, kind: pa.DataType) -> bool:
    if name == "tasks":
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return tables.is_text(kind.value_type if is_list else kind)
    is_whole = bool(pa.types.is_integer(kind))
    return is_whole or bool(name.endswith(_SPAN) and pa.types.is_floating(kind))


def _array(name: str, tables_of_all: Sequence[pa.Table], count: int) -> np.ndarray:
    """Return the first ``count`` values of a column over all files; tasks are lists of sentences."""
    values = [value for table in tables_of_all for value in table[name].to_pylist()][:count]
    if name == "tasks":
        array = np.empty(len(values), dtype=object)
        array[:] = [[value] if isinstance(value, str) else value for value in values]
        return array
    return np.array(values)


class RecordedVectors(NamedTuple):
    """The values of one feature in one episode.

    Attributes:
        names: names of the values in the dataset; empty if it has none.
        rows: float64, (rows, values).
    """

    names: tuple[str, ...]
    rows: npt.NDArray[np.float64]


class RecordedEpisode:
    """One episode of the dataset at ``root``.

    Attributes:
        fps: rows per second.
        length: number of rows.
        task: the sentence that describes what it shows.
        recording: provenance from the recorder: start time, verdict with reasons and notes, success mark,
            figures about each stream. Empty for episodes of other programs.
    """

    def __init__(self, root: Path | str, index: int) -> None:
        """Read the description of the episode.

        Raises:
            DatasetError: there is no such dataset or episode, or it cannot be read.
        """
        self._dataset = dataset = open_dataset(Path(root))
        count = dataset.info.total_episodes
        if not 0 <= index < count:
            raise DatasetError(
                f"{root}: no episode {index}, it has {f'0 to {count - 1}' if count else 'none'}"
            )
        self._index = index
        self.fps = dataset.info.fps
        self.length = int(dataset.lengths[index])
        self.features = dataset.info.features
        self.task = dataset.task(index)
        self.recording = recordings.recordings_of(self._recordings_files()).get(index, {})

    def _recordings_files(self) -> list[Path]:
        """List the files that may describe the episode."""
        layout, kind = self._dataset.layout, "meta/episodes"
        if not all(f"{kind}/{part}" in self._dataset.episodes for part in _FILE):
            return layout.recordings_files()
        return [layout.recordings_file(self._dataset.files(kind)[self._index])]

    def setup(self) -> dict[str, str]:
        """Read the files of its set-up; none if it is unknown.

        Raises:
            DatasetError: a file cannot be read.
        """
        return read_setup(self._dataset.layout.root, self.recording.get("setup"))

    def has(self, key: str) -> bool:
        """Return whether the dataset has a feature."""
        return key in self._dataset.info.features

    def vectors(self, key: str) -> RecordedVectors:
        """Read the values of a feature.

        Raises:
            DatasetError: there is no such feature, or it cannot be read.
        """
        features = self._dataset.info.features
        if key not in features:
            raise DatasetError(
                f"{self._dataset.layout.root}: no feature {key}, there are {', '.join(features)}"
            )
        path = self._dataset.layout.data_file(self._dataset.files("data")[self._index])
        rows = tables.read_episode(path, self._index, [key])[key].to_pylist()
        if len(rows) != self.length:
            raise DatasetError(
                f"{path}: expected {self.length} rows of episode {self._index}, found {len(rows)}"
            )
        return RecordedVectors(value_names(features[key]), np.array(rows, np.float64).reshape(len(rows), -1))

    def ages(self) -> dict[str, StreamAges]:
        """Read how old the sample of each stream was in each row, by the stream's name.

        Empty if unknown. Datasets of earlier versions keep the ages in the feature ``stream_ages``, without
        the stamps of the sources.

        Raises:
            DatasetError: the ages cannot be read, or are missing for some rows.
        """
        path = self._dataset.layout.ages_file(recordings.ages_index(self._index))
        ages = recordings.read_ages(path, self._index) or self._ages_of_feature()
        for name, stream in ages.items():
            if len(stream.age_s) != self.length:
                raise DatasetError(
                    f"{path}: expected {self.length} ages of {name} in episode {self._index}, "
                    f"found {len(stream.age_s)}"
                )
        return ages

    def video_frames(self, key: str, numbers: Sequence[int]) -> tuple[Path, list[int]]:
        """Return the video file of a camera, and the numbers in it of some frames of this episode."""
        start_s = float(self._dataset.episodes[f"videos/{key}/from_timestamp"][self._index])
        first = round(start_s * self.fps)
        file = self._dataset.files(f"videos/{key}")[self._index]
        return self._dataset.layout.video_file(key, file), [first + number for number in numbers]

    def _ages_of_feature(self) -> dict[str, StreamAges]:
        if not self.has(AGES_FEATURE):
            return {}
        ages, unknown = self.vectors(AGES_FEATURE), np.zeros(self.length, np.int64)
        return {
            name.removesuffix(AGE_SUFFIX): StreamAges(ages.rows[:, number].astype(np.float32), unknown)
            for number, name in enumerate(ages.names)
        }


def open_dataset(root: Path) -> CountedDataset:
    """Read the episode rows of the dataset at ``root``, up to the counts in ``info.json``.

    Raises:
        DatasetError: there is no dataset, or it cannot be read.
    """
    info = load_info(root)
    if info is None:
        raise DatasetError(f"{root}: no dataset, there is no meta/info.json")
    return read_counted(root, info, read_journal(root))

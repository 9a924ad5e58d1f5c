"""Reads what a commit needs to know about an existing dataset: its descriptions and its last files.

Every dataset that LeRobot 0.6.1 loads is accepted. If the last files do not agree with the counts in
``meta``, the dataset is refused: new rows and frames would get wrong places.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from lerobot_recorder.dataset import recordings, statistics, tables
from lerobot_recorder.dataset.episode import EpisodePlace
from lerobot_recorder.dataset.features import Features, is_video, video_keys
from lerobot_recorder.dataset.files import check_whole
from lerobot_recorder.dataset.info import DatasetInfo
from lerobot_recorder.dataset.layout import DatasetLayout, FileIndex
from lerobot_recorder.dataset.statistics import Stats
from lerobot_recorder.errors import DatasetError, RecorderError

logger = logging.getLogger(__name__)

_UNEXPECTED = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    pa.ArrowException,
)

_PLACES = ("episode_index", "length", "dataset_to_index", "data/chunk_index", "data/file_index")
_VIDEO_PLACES = ("chunk_index", "file_index", "to_timestamp")


@dataclass(frozen=True)
class ExistingDataset:
    """A dataset before a commit.

    Attributes:
        layout: where its files are.
        info: its ``info.json``; for a new dataset it counts no episodes.
        episodes: rows of its last episodes file, None if there is none.
        episodes_index: number of that file.
        tasks: its tasks in the order of their indices.
        stats: statistics over the whole dataset, empty if there are none.
    """

    layout: DatasetLayout
    info: DatasetInfo
    episodes: pa.Table | None = None
    episodes_index: FileIndex | None = None
    tasks: Sequence[str] = ()
    stats: Mapping[str, Stats] = field(default_factory=dict)

    def last(self, column: str) -> Any:
        """Return a value from the last episode's row; None if there is no episode."""
        return self.episodes[column][self.episodes.num_rows - 1].as_py() if self.episodes else None

    def last_file(self, kind: str) -> FileIndex | None:
        """Return the number of the file with the last episode.

        Args:
            kind: ``data`` or ``videos/<key>``.
        """
        if self.episodes is None:
            return None
        return FileIndex(int(self.last(f"{kind}/chunk_index")), int(self.last(f"{kind}/file_index")))

    def last_path(self, kind: str) -> Path | None:
        """Return the path of the file with the last episode."""
        index = self.last_file(kind)
        return self.layout.file(kind, index) if index is not None else None


def read_existing(root: Path, info: DatasetInfo) -> ExistingDataset:
    """Read the dataset at ``root``, which has this info.

    Raises:
        DatasetError: its files cannot be read or do not agree with its info.
    """
    with dataset_errors(root):
        layout = info.layout(root)
        if info.total_episodes == 0:
            _check_strays(layout, None)
            return ExistingDataset(layout, info)
        index, episodes = _read_last_episodes(layout, info)
        tasks, stats = tables.read_tasks(layout.tasks), _read_stats(layout, info)
        existing = ExistingDataset(layout, info, episodes, index, tasks, stats)
        _check_last_files(existing)
        return existing


@contextmanager
def dataset_errors(root: Path) -> Iterator[None]:
    """Turn unexpected errors while reading a dataset into ones that name it.

    Raises:
        DatasetError: the dataset has unexpected contents.
    """
    try:
        yield
    except RecorderError:
        raise
    except OSError as error:
        raise DatasetError(f"{root}: cannot be read or written: {error}") from error
    except _UNEXPECTED as error:
        raise DatasetError(
            f"{root}: has unexpected contents: {error!r}. Run `lerobot-recorder check {root}` to see what is "
            "wrong; no episode is lost"
        ) from error


# Episodes


def _read_last_episodes(layout: DatasetLayout, info: DatasetInfo) -> tuple[FileIndex, pa.Table]:
    files = layout.episodes_files()
    table = tables.read_table(files[-1]) if files else None
    index = FileIndex.of(files[-1]) if files else None
    if not table or index is None:
        raise DatasetError(
            f"{layout.root}: expected {info.total_episodes} episodes, found none in meta/episodes; "
            "copy or download the dataset again"
        )
    last = _last_row(files[-1], table, info.features)
    found = last["episode_index"] + 1, last["dataset_to_index"]
    if found != (info.total_episodes, info.total_frames):
        raise DatasetError(
            f"{files[-1]}: ends after {found[0]} episodes and {found[1]} rows, but meta/info.json counts "
            f"{info.total_episodes} and {info.total_frames}. {_ask_check(layout.root)}"
        )
    return index, table


def _last_row(path: Path, table: pa.Table, features: Features) -> dict[str, Any]:
    """Return the place of the last episode; check that it consists of numbers."""
    names = [*_PLACES, *(f"videos/{key}/{part}" for key in video_keys(features) for part in _VIDEO_PLACES)]
    if missing := [name for name in names if name not in table.column_names]:
        raise DatasetError(f"{path}: no column {', '.join(missing)}; copy or download the dataset again")
    row: dict[str, Any] = table.select(names).slice(table.num_rows - 1).to_pylist()[0]
    unknown = [name for name, value in row.items() if not isinstance(value, (int, float)) or value < 0]
    if unknown:
        raise DatasetError(
            f"{path}: {unknown[0]} of the last episode is {row[unknown[0]]!r}, expected a number; "
            "copy or download the dataset again"
        )
    return row


# The last files


def _check_last_files(existing: ExistingDataset) -> None:
    data = existing.last_path("data")
    if data is not None:
        _check_complete(existing, data)
        _check_data(existing, data)
        _check_strays(existing.layout, data)
    for key in video_keys(existing.info.features):
        path = existing.last_path(f"videos/{key}")
        if path is not None:
            _check_complete(existing, path)


def _check_complete(existing: ExistingDataset, path: Path) -> None:
    try:
        check_whole(path)
    except DatasetError as error:
        raise DatasetError(f"{error}. {_ask_check(existing.layout.root)}") from error


def _check_data(existing: ExistingDataset, path: Path) -> None:
    """Compare the last data file with the counts in meta."""
    info, found, advice = existing.info, tables.summarize_data_file(path), _ask_check(existing.layout.root)
    if (found.last + 1, found.rows) != (info.total_frames, found.last - found.first + 1):
        raise DatasetError(
            f"{path}: has {found.rows} rows, numbered {found.first} to {found.last}, but meta/info.json "
            f"counts {info.total_frames} rows. {advice}"
        )
    columns = [key for key, feature in info.features.items() if not is_video(feature)]
    if missing := [name for name in columns if name not in found.columns]:
        raise DatasetError(f"{path}: no column {', '.join(missing)}, which meta/info.json has. {advice}")


def _check_strays(layout: DatasetLayout, last: Path | None) -> None:
    """Refuse data files after the last one: LeRobot would read them as rows."""
    for path in layout.data_files():
        if last is None or path > last:
            raise DatasetError(f"{path}: exists, but no episode is in it; move it out of the dataset")


def _ask_check(root: Path) -> str:
    return f"Run `lerobot-recorder check {root}` to see what is wrong; new episodes wait in the spool"


# Episodes that are already in the dataset


def find_committed(root: Path, info: DatasetInfo, lengths: Mapping[str, int]) -> dict[str, EpisodePlace]:
    """Find episodes that are already in the dataset.

    After a power cut, a file system that reorders its updates can bring a spooled episode back although its
    commit is there. This searches all files of ``meta/recordings``, and the matching ones of
    ``meta/episodes``.

    Args:
        root: the dataset's directory.
        info: its info.
        lengths: number of rows of the episodes to find, by their names in the spool.

    Raises:
        DatasetError: a file cannot be read.
    """
    with dataset_errors(root):
        return dict(_committed(info.layout(root), info, lengths))


def _committed(
    layout: DatasetLayout, info: DatasetInfo, lengths: Mapping[str, int]
) -> Iterator[tuple[str, EpisodePlace]]:
    for path in layout.recordings_files():
        content = path.read_bytes()
        names = {name for name in lengths if json.dumps(name, ensure_ascii=False).encode() in content}
        for recording in recordings.read_recordings(path) if names else ():
            if recording is None or recording.get("episode_id") not in names:
                continue
            place = _place(layout, FileIndex.of(path), recording)
            if (
                place
                and place.episode_index < info.total_episodes
                and place.length == lengths[place.episode_id]
            ):
                yield place.episode_id, place


def _place(
    layout: DatasetLayout, index: FileIndex | None, recording: recordings.Recording
) -> EpisodePlace | None:
    """Look up the place of an episode; None if it is not in the episode rows."""
    path = layout.episodes_file(index) if index else None
    if path is None or not path.is_file():
        return None
    columns = ["episode_index", "length", "dataset_from_index", "tasks"]
    for row in tables.read_table(path, columns).to_pylist():
        if row["episode_index"] == recording.get("episode_index"):
            tasks = tables.read_tasks(layout.tasks)
            name = row["tasks"] if isinstance(row["tasks"], str) else row["tasks"][0]
            task = tasks.index(name) if name in tasks else 0
            return EpisodePlace(
                recording["episode_id"], row["episode_index"], row["length"], row["dataset_from_index"], task
            )
    return None


# Statistics


def _read_stats(layout: DatasetLayout, info: DatasetInfo) -> dict[str, Stats]:
    """Read the statistics of the dataset; compute missing ones from those of the episodes.

    A feature without statistics in both places is left out: those of new episodes would not describe all.
    """
    found = _stats_file(layout.stats)
    stats = {}
    for key, feature in info.features.items():
        if key in found and statistics.is_usable(found[key]):
            stats[key] = found[key]
        elif restored := _restored(layout, info, key):
            stats[key] = restored
        elif feature["dtype"] != "string":
            logger.info("%s: no statistics of %s there or in meta/episodes", layout.stats, key)
    if not stats:
        raise DatasetError(
            f"{layout.stats}: missing, and there are no statistics of episodes to compute it from; restore "
            "it with `lerobot-edit-dataset --operation.type recompute_stats`, or copy or download it again"
        )
    return stats


def _stats_file(path: Path) -> dict[str, Stats]:
    if not path.is_file():
        return {}
    try:
        return statistics.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path}: not the statistics of a dataset: {error}; remove it to have them computed from those "
            "of the episodes, or copy or download it again"
        ) from error


def _restored(layout: DatasetLayout, info: DatasetInfo, key: str) -> Stats | None:
    total: Stats | None = None
    for part in _episode_stats(layout, info, key):
        if not {"min", "max", "mean", "std", "count"} <= part.keys():
            return None
        whole = statistics.as_written(part, total)
        total = statistics.aggregate([total, whole]) if total else whole
    return total if total and statistics.is_usable(total) else None


def _episode_stats(layout: DatasetLayout, info: DatasetInfo, key: str) -> Iterator[Stats]:
    left = info.total_episodes
    for path in layout.episodes_files():
        for row in tables.read_episode_stats(path, key, left):
            left -= 1
            yield statistics.from_plain(
                {
                    "count": [row.pop("length")],
                    **{name: value for name, value in row.items() if value is not None},
                }
            )

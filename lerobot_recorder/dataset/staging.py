"""Prepares the files of a commit beside the dataset: which episode goes into which file, and what is in it.

Files grow, then roll: an episode goes into the last file of its kind, unless that would reach the size limit. What is
decided does not depend on how many episodes come at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lerobot_recorder.dataset import info as info_json
from lerobot_recorder.dataset import statistics as stats_json
from lerobot_recorder.dataset import tables
from lerobot_recorder.dataset.episode import CommittedEpisode, EncodedEpisode, EncodedVideo, columns_of
from lerobot_recorder.dataset.features import video_keys
from lerobot_recorder.dataset.info import DatasetInfo
from lerobot_recorder.dataset.layout import DatasetLayout, FileIndex
from lerobot_recorder.dataset.statistics import Stats, aggregate_features, vector_stats
from lerobot_recorder.errors import DatasetError

MIB = 1024**2
EPISODES_PER_FILE = 1000
"""Rows of an episodes file: it is rewritten on every commit, and each row has more than a hundred columns."""


class VideoFiles(Protocol):
    """Joins video files."""

    def joinable(self, tail: Path, new: Path) -> bool:
        """Tell whether two videos have the same stream parameters and encoder settings."""

    def join(self, parts: Sequence[Path], output: Path, fps: int) -> None:
        """Write the frames of all parts into one file, frame k at k / fps, through to the device."""


@dataclass(frozen=True)
class ExistingDataset:
    """What a commit needs to know of the dataset as it is; of its many files it reads only the last.

    Attributes:
        layout: Where its files are.
        info: Its ``info.json``; with no episodes in it for a new dataset.
        last_row: The row of its last episode, empty if there is none.
        tasks: Its tasks in the order of their indices.
        stats: Statistics over all of it, empty if there are none.
    """

    layout: DatasetLayout
    info: DatasetInfo
    last_row: Mapping[str, Any] = field(default_factory=dict)
    tasks: Sequence[str] = ()
    stats: Mapping[str, Stats] = field(default_factory=dict)

    def last_file(self, prefix: str) -> FileIndex | None:
        """Return the file in which the last episode is, of the kind whose columns start with the prefix."""
        if not self.last_row:
            return None
        return FileIndex(self.last_row[f"{prefix}/chunk_index"], self.last_row[f"{prefix}/file_index"])


def read_existing(root: Path, info: DatasetInfo) -> ExistingDataset:
    """Read what a commit needs to know of the dataset at ``root``.

    Raises:
        DatasetError: Its files do not agree with its info.
    """
    layout = info.layout(root)
    if info.total_episodes == 0:
        return ExistingDataset(layout, info)
    files = layout.episodes_files()
    if not files:
        raise DatasetError(
            f"{root}: expected {info.total_episodes} episodes, found no file in meta/episodes."
        )
    table = tables.read_table(files[-1])
    last = table.slice(table.num_rows - 1)
    row = {name: last[name][0].as_py() for name in last.column_names if not name.startswith("stats/")}
    _check_last_row(files[-1], row, info)
    return ExistingDataset(layout, info, row, tables.read_tasks(layout.tasks), _read_stats(layout.stats))


def _check_last_row(path: Path, row: Mapping[str, Any], info: DatasetInfo) -> None:
    found = (row["episode_index"] + 1, row["dataset_to_index"])
    expected = (info.total_episodes, info.total_frames)
    if found != expected:
        raise DatasetError(
            f"{path}: ends after {found[0]} episodes and {found[1]} rows, but meta/info.json counts "
            f"{expected[0]} and {expected[1]}. Check the dataset before recording more."
        )


def _read_stats(path: Path) -> dict[str, Stats]:
    if not path.is_file():
        return {}
    try:
        return stats_json.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path}: not the statistics of a dataset: {error}.") from error


class Staging:
    """Writes the files of one commit below a directory, in the layout of the dataset."""

    def __init__(self, existing: ExistingDataset, directory: Path, videos: VideoFiles) -> None:
        self._old = existing
        self._info = existing.info
        self._new = existing.layout.at(directory)
        self._directory = directory
        self._videos = videos
        self._tasks = list(existing.tasks)
        self._paths: list[Path] = []

    def stage(self, episodes: Sequence[EncodedEpisode]) -> list[CommittedEpisode]:
        """Write all files that are new or change.

        Raises:
            DatasetError: An episode or the dataset is not as it must be.
        """
        committed = self._numbered(episodes)
        columns = [self._columns(*pair) for pair in zip(episodes, committed, strict=True)]
        rows = [self._episode_row(*pair) for pair in zip(episodes, committed, strict=True)]
        self._stage_data(columns, rows)
        data, self._paths = self._paths, []
        for key in video_keys(self._info.features):
            self._stage_videos(key, [episode.videos[key] for episode in episodes], rows)
        self._paths += data
        self._stage_tasks()
        stats = [self._episode_stats(*pair) for pair in zip(episodes, columns, strict=True)]
        self._stage_episodes(rows, stats)
        self._stage_stats(stats)
        self._stage_info(episodes)
        return committed

    @property
    def paths(self) -> tuple[str, ...]:
        """What was written, relative, in the order in which it is to be put in place."""
        return tuple(path.relative_to(self._directory).as_posix() for path in self._paths)

    def _numbered(self, episodes: Sequence[EncodedEpisode]) -> list[CommittedEpisode]:
        committed: list[CommittedEpisode] = []
        start = self._info.total_frames
        for number, episode in enumerate(episodes, self._info.total_episodes):
            if episode.task not in self._tasks:
                self._tasks.append(episode.task)
            task_index = self._tasks.index(episode.task)
            committed.append(CommittedEpisode(episode.episode_id, number, episode.length, start, task_index))
            start += episode.length
        return committed

    def _columns(self, episode: EncodedEpisode, place: CommittedEpisode) -> dict[str, np.ndarray]:
        n = episode.length
        return {
            **columns_of(episode, self._info.features),
            "timestamp": np.arange(n) / self._info.fps,
            "frame_index": np.arange(n),
            "episode_index": np.full(n, place.episode_index),
            "index": np.arange(place.from_index, place.from_index + n),
            "task_index": np.full(n, place.task_index),
        }

    def _episode_row(self, episode: EncodedEpisode, place: CommittedEpisode) -> tables.Row:
        return {"episode_index": place.episode_index, "tasks": [episode.task], "length": episode.length}

    def _episode_stats(self, episode: EncodedEpisode, columns: Mapping[str, np.ndarray]) -> dict[str, Stats]:
        features = self._info.features
        vectors = {key: values for key, values in columns.items() if features[key]["dtype"] != "string"}
        return {
            key: episode.image_stats[key] if key in episode.image_stats else vector_stats(vectors[key])
            for key in features
            if key in vectors or key in episode.image_stats
        }

    # Frame rows

    def _stage_data(self, columns: Sequence[Mapping[str, np.ndarray]], rows: Sequence[tables.Row]) -> None:
        schema = tables.data_schema(self._info.features)
        index = self._old.last_file("data")
        tail = self._old.layout.data_file(index) if index else None
        index = index or FileIndex()
        with ExitStack() as stack:
            file = self._open_data(stack, index, schema, tail)
            for values, row in zip(columns, rows, strict=True):
                table = tables.data_table(self._info.features, values)
                if file.rows and self._is_full(file, table.num_rows):
                    stack.close()
                    index = index.next(self._info.chunks_size)
                    file = self._open_data(stack, index, schema, None)
                file.add(table)
                _place(row, "data", index)
                row["dataset_from_index"] = int(values["index"][0])
                row["dataset_to_index"] = int(values["index"][-1]) + 1

    def _open_data(
        self, stack: ExitStack, index: FileIndex, schema: Any, tail: Path | None
    ) -> tables.GrowingFile:
        path = self._staged(self._new.data_file(index))
        if tail is None and self._old.layout.data_file(index).exists():
            raise DatasetError(f"{self._old.layout.data_file(index)}: exists, but no episode lies in it.")
        return stack.enter_context(tables.grow_data_file(path, schema, tail))

    def _is_full(self, file: tables.GrowingFile, rows: int) -> bool:
        """Foresee the size as LeRobot does, from the bytes per row so far."""
        return file.size * (1 + rows / file.rows) >= self._info.data_files_size_in_mb * MIB

    # Videos

    def _stage_videos(self, key: str, videos: Sequence[EncodedVideo], rows: Sequence[tables.Row]) -> None:
        for file in self._placed(key, videos):
            for video, start, position in file.videos:
                row = rows[position]
                _place(row, f"videos/{key}", file.index)
                row[f"videos/{key}/from_timestamp"] = start / self._info.fps
                row[f"videos/{key}/to_timestamp"] = (start + video.length) / self._info.fps
            output = self._staged(self._new.video_file(key, file.index))
            output.parent.mkdir(parents=True, exist_ok=True)
            self._videos.join(file.parts, output, self._info.fps)

    def _placed(self, key: str, videos: Sequence[EncodedVideo]) -> list[_VideoFile]:
        file = self._video_tail(key)
        files = [file] if file else []
        for position, video in enumerate(videos):
            if file is None or not self._takes(file, video):
                file = _VideoFile(self._free_index(key, file.index if file else None))
                files.append(file)
            file.add(video, position)
        return [file for file in files if file.videos]

    def _video_tail(self, key: str) -> _VideoFile | None:
        index = self._old.last_file(f"videos/{key}")
        if index is None:
            return None
        path = self._old.layout.video_file(key, index)
        if not path.is_file():
            raise DatasetError(f"{path}: missing, though the last episode is in it. Restore it.")
        frames = round(self._old.last_row[f"videos/{key}/to_timestamp"] * self._info.fps)
        return _VideoFile(index, [path], frames, path.stat().st_size)

    def _takes(self, file: _VideoFile, video: EncodedVideo) -> bool:
        limit = self._info.video_files_size_in_mb * MIB
        return file.size + video.path.stat().st_size < limit and self._videos.joinable(
            file.parts[-1], video.path
        )

    def _free_index(self, key: str, last: FileIndex | None) -> FileIndex:
        """Choose the next file, stepping over any that a crashed recording has left."""
        index = last.next(self._info.chunks_size) if last else FileIndex()
        while self._old.layout.video_file(key, index).exists():
            index = index.next(self._info.chunks_size)
        return index

    # The rest

    def _stage_tasks(self) -> None:
        if len(self._tasks) > len(self._old.tasks):
            tables.write_tasks(self._staged(self._new.tasks), self._tasks)

    def _stage_episodes(self, rows: Sequence[tables.Row], stats: Sequence[Mapping[str, Stats]]) -> None:
        index = self._old.last_file("meta/episodes")
        older = [tables.read_table(self._old.layout.episodes_file(index))] if index else []
        index = index or FileIndex()
        room = EPISODES_PER_FILE - sum(table.num_rows for table in older)
        whole = [{**row, **_flat(part)} for row, part in zip(rows, stats, strict=True)]
        schema = older[0].schema if older else None
        while whole:
            taken, whole = whole[: max(room, 0)], whole[max(room, 0) :]
            if taken:
                for row in taken:
                    _place(row, "meta/episodes", index)
                new = tables.episodes_table(taken)
                schema = schema or new.schema
                path = self._staged(self._new.episodes_file(index))
                tables.write_episodes(path, [*older, tables.conform(new, schema)])
            older, index, room = [], index.next(self._info.chunks_size), EPISODES_PER_FILE

    def _stage_stats(self, stats: Sequence[Mapping[str, Stats]]) -> None:
        total = dict(self._old.stats)
        for part in stats:
            exact = stats_json.from_json(stats_json.to_json(part))
            total = aggregate_features([total, exact]) if total else exact
        self._write_text(self._new.stats, stats_json.to_json(total))

    def _stage_info(self, episodes: Sequence[EncodedEpisode]) -> None:
        info = self._info.grown(len(episodes), sum(episode.length for episode in episodes), len(self._tasks))
        features = {key: {**feature} for key, feature in info.features.items()}
        for key, video in episodes[0].videos.items():
            if self._info.total_episodes == 0:
                features[key]["info"] = {**features[key].get("info", {}), **video.info}
        self._write_text(self._new.info, info_json.to_json(dataclasses.replace(info, features=features)))

    def _write_text(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._staged(path).write_text(text, encoding="utf-8")

    def _staged(self, path: Path) -> Path:
        self._paths.append(path)
        return path


class _VideoFile:
    """A video file that is to be written: its parts, and the episodes that are new in it."""

    def __init__(self, index: FileIndex, parts: Sequence[Path] = (), frames: int = 0, size: int = 0) -> None:
        self.index = index
        self.parts = list(parts)
        self.size = size
        self.videos: list[tuple[EncodedVideo, int, int]] = []
        self._frames = frames

    def add(self, video: EncodedVideo, position: int) -> None:
        self.videos.append((video, self._frames, position))
        self.parts.append(video.path)
        self.size += video.path.stat().st_size
        self._frames += video.length


def _place(row: tables.Row, prefix: str, index: FileIndex) -> None:
    row[f"{prefix}/chunk_index"] = index.chunk
    row[f"{prefix}/file_index"] = index.file


def _flat(stats: Mapping[str, Stats]) -> dict[str, Any]:
    return {
        f"stats/{key}/{name}": value.tolist() for key, part in stats.items() for name, value in part.items()
    }

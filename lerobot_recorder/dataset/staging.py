"""Writes the files that a commit changes or adds, beside the dataset and laid out as in it."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lerobot_recorder.dataset import info as info_json
from lerobot_recorder.dataset import recordings, statistics, tables
from lerobot_recorder.dataset.episode import EncodedEpisode, EpisodePlace, with_video_info
from lerobot_recorder.dataset.existing import ExistingDataset
from lerobot_recorder.dataset.features import Features, video_keys
from lerobot_recorder.dataset.files import (
    CHECKSUMS_PATH,
    Checksum,
    grown_checksums,
    is_damaged,
    read_checksums,
)
from lerobot_recorder.dataset.info import DatasetInfo
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.placement import VideoFile, VideoFiles, media_size, place_videos
from lerobot_recorder.dataset.setups import SetupFiles, read_setup, setup_id, setup_path
from lerobot_recorder.dataset.statistics import Stats, as_written, vector_stats
from lerobot_recorder.errors import DatasetError

logger = logging.getLogger(__name__)

MIB = 1024**2
EPISODES_PER_FILE = 250
"""Rows per episodes file. LeRobot lets it grow to the size of a data file, but every commit rewrites it."""


@dataclass
class NewEpisode:
    """An episode that is being staged.

    Attributes:
        episode: from the encoder.
        place: its numbers in the dataset.
        columns: values of all features except videos.
        row: its row in the episodes file, which staging fills; without statistics.
    """

    episode: EncodedEpisode
    place: EpisodePlace
    columns: Mapping[str, np.ndarray]
    row: tables.Row = field(default_factory=dict)

    def put_in(self, kind: str, index: FileIndex) -> None:
        """Note the index of its file; for the kinds see `ExistingDataset.last_file`."""
        self.row[f"{kind}/chunk_index"] = index.chunk
        self.row[f"{kind}/file_index"] = index.file

    def file(self, kind: str) -> FileIndex:
        """Return the index of its file."""
        return FileIndex(self.row[f"{kind}/chunk_index"], self.row[f"{kind}/file_index"])

    def stats(self, features: Features) -> dict[str, Stats]:
        """Compute its statistics, in the order of the features; strings have none."""
        known = dict(self.episode.image_stats)
        known |= {
            key: vector_stats(values) for key, values in self.columns.items() if values.dtype.kind in "biuf"
        }
        return {key: known[key] for key in features if key in known}


class Staging:
    """The files of one commit.

    Args:
        existing: the dataset before the commit.
        directory: where to write the files.
        videos: joins video files.

    Attributes:
        paths: the files that were written, relative to the directory, in the order in which they must be put
            in place. ``info.json`` comes last: LeRobot ignores what it does not count.
    """

    def __init__(self, existing: ExistingDataset, directory: Path, videos: VideoFiles) -> None:
        self.paths: list[str] = []
        self._old = existing
        self._info = existing.info
        self._directory = directory
        self._layout = existing.layout.at(directory)
        self._videos = videos
        self._checksums = readable_checksums(existing.layout.root)

    def stage(self, episodes: Sequence[EncodedEpisode]) -> list[EpisodePlace]:
        """Write all files that are new or change.

        Raises:
            DatasetError: the dataset is damaged, or cannot take an episode.
        """
        tasks = list(dict.fromkeys([*self._old.tasks, *(episode.task for episode in episodes)]))
        new = list(self._numbered(episodes, tasks))
        data = list(self._stage_data(new))
        videos = [path for key in video_keys(self._info.features) for path in self._stage_videos(key, new)]
        stats, total = self._stats(new)
        with_checksum = [
            *videos,
            *data,
            *self._stage_tasks(tasks),
            *self._stage_episodes(new, stats),
            *self._stage_ages(new),
        ]
        written = [
            *with_checksum,
            *self._stage_setups(episodes),
            *self._stage_recordings(new),
            self._stage_checksums(with_checksum),
            _written(self._layout.stats, statistics.to_json(total)),
            self._stage_info(episodes, len(tasks)),
        ]
        self.paths = [path.relative_to(self._directory).as_posix() for path in written]
        return [item.place for item in new]

    def _numbered(self, episodes: Sequence[EncodedEpisode], tasks: Sequence[str]) -> Iterator[NewEpisode]:
        start = self._info.total_frames
        for number, episode in enumerate(episodes, self._info.total_episodes):
            place = EpisodePlace(episode.episode_id, number, episode.length, start, tasks.index(episode.task))
            row = {"episode_index": number, "tasks": [episode.task], "length": episode.length}
            yield NewEpisode(episode, place, _columns(episode, place, self._info), row)
            start += episode.length

    # Frame rows

    def _stage_data(self, new: Sequence[NewEpisode]) -> Iterator[Path]:
        index, tail = self._data_tail(new[0].episode.length)
        with ExitStack() as stack:
            file: tables.DataFile | None = None
            for item in new:
                length = item.episode.length
                if file is not None and self._is_full(file.size, file.rows, length):
                    stack.close()
                    index, tail, file = self._free_data(index.next(self._info.chunks_size)), None, None
                if file is None:
                    path = prepared(self._layout.data_file(index))
                    file = stack.enter_context(tables.grow_data_file(path, self._info.features, tail))
                    yield path
                file.add(tables.data_table(self._info.features, item.columns))
                item.put_in("data", index)
                item.row["dataset_from_index"] = item.place.from_index
                item.row["dataset_to_index"] = item.place.from_index + length

    def _data_tail(self, rows: int) -> tuple[FileIndex, Path | None]:
        """Choose the first file to write, and the existing file that it continues, if any."""
        index = self._old.last_file("data")
        if index is None:
            return self._free_data(FileIndex()), None
        path = self._old.layout.data_file(index)
        found = tables.summarize_data_file(path)
        if self._is_full(found.size, found.rows, rows):
            return self._free_data(index.next(self._info.chunks_size)), None
        return index, path

    def _is_full(self, size: int, rows: int, more: int) -> bool:
        """Predict the size after adding rows from the bytes per row so far, as LeRobot does."""
        return size * (1 + more / max(rows, 1)) >= self._info.data_files_size_in_mb * MIB

    def _free_data(self, index: FileIndex) -> FileIndex:
        path = self._old.layout.data_file(index)
        if path.exists():
            raise DatasetError(f"{path}: exists, but no episode is in it; move it out of the dataset")
        return index

    # Videos

    def _stage_videos(self, key: str, new: Sequence[NewEpisode]) -> Iterator[Path]:
        waiting = iter(new)
        for file in self._video_files(key, new):
            for start in file.starts:
                self._note_video(key, next(waiting), file.index, start)
            path = prepared(self._layout.video_file(key, file.index))
            self._videos.join(file.parts, path, self._info.fps)
            self._check_joined(key, file, path)
            yield path

    def _check_joined(self, key: str, file: VideoFile, path: Path) -> None:
        """Count the written frames before the episodes are removed from the spool."""
        if (found := self._videos.frames(path)) != file.frames:
            raise DatasetError(
                f"{self._old.layout.video_file(key, file.index)}: expected {file.frames} frames after "
                f"joining {len(file.parts)} videos, found {found}; no episode is lost. "
                f"Run `lerobot-recorder check {self._old.layout.root}` to see what is wrong"
            )

    def _video_files(self, key: str, new: Sequence[NewEpisode]) -> list[VideoFile]:
        return place_videos(
            [item.episode.videos[key] for item in new],
            self._video_tail(key),
            fps=self._info.fps,
            limit=self._info.video_files_size_in_mb * MIB,
            joinable=self._videos.joinable,
            next_index=lambda last: self._free_video(key, last or self._old.last_file(f"videos/{key}")),
        )

    def _video_tail(self, key: str) -> VideoFile | None:
        """Return the last file if it may grow, else None."""
        index = self._old.last_file(f"videos/{key}")
        if index is None:
            return None
        path = self._old.layout.video_file(key, index)
        expected = round(self._old.last(f"videos/{key}/to_timestamp") * self._info.fps)
        found = self._videos.frames(path)
        if found != expected:
            logger.warning(
                "%s: has %d frames, but the episodes in it have %d rows; new episodes go into a new file. "
                "Run `lerobot-recorder check %s` to see what is wrong",
                *(path, found, expected, self._old.layout.root),
            )
            return None
        if is_damaged(path, self._old.layout.root, self._checksums):
            logger.warning(
                "%s: is damaged, its bytes have changed since it was written; new episodes go into a new "
                "file. Restore it from a copy",
                path,
            )
            return None
        return VideoFile(index, expected, media_size(path), [path])

    def _free_video(self, key: str, last: FileIndex | None) -> FileIndex:
        """Choose the number of a new file; skip those of files that a crash has left."""
        index = last.next(self._info.chunks_size) if last else FileIndex()
        while self._old.layout.video_file(key, index).exists():
            index = index.next(self._info.chunks_size)
        return index

    def _note_video(self, key: str, item: NewEpisode, index: FileIndex, start: int) -> None:
        item.put_in(f"videos/{key}", index)
        item.row[f"videos/{key}/from_timestamp"] = start / self._info.fps
        item.row[f"videos/{key}/to_timestamp"] = (start + item.episode.length) / self._info.fps

    # The rest

    def _stage_tasks(self, tasks: Sequence[str]) -> Iterator[Path]:
        if len(tasks) > len(self._old.tasks):
            path = prepared(self._layout.tasks)
            tables.write_tasks(path, tasks)
            yield path

    def _stage_episodes(
        self, new: Sequence[NewEpisode], stats: Sequence[Mapping[str, Stats]]
    ) -> Iterator[Path]:
        older = self._old.episodes
        index = self._old.episodes_index or FileIndex()
        filled = older.num_rows if older else 0
        rows = [(item, flat_stats(part)) for item, part in zip(new, stats, strict=True)]
        while rows:
            if filled >= EPISODES_PER_FILE:
                index, filled = index.next(self._info.chunks_size), 0
            taken, rows = rows[: EPISODES_PER_FILE - filled], rows[EPISODES_PER_FILE - filled :]
            for item, _ in taken:
                item.put_in("meta/episodes", index)
            table = pa.Table.from_pylist([ordered_row(item.row, flat) for item, flat in taken])
            table = tables.conform(table, older.schema) if older else table
            path = prepared(self._layout.episodes_file(index))
            tables.write_table(path, [older, table] if older and filled else [table])
            older, filled = table, filled + len(taken)
            yield path

    def _stage_recordings(self, new: Sequence[NewEpisode]) -> Iterator[Path]:
        """Write the provenance of each episode, a line each, in files as in ``meta/episodes``."""
        for index, items in itertools.groupby(new, key=lambda item: item.file("meta/episodes")):
            lines = [
                recordings.recording_line(item.place.episode_index, item.place.episode_id, _recording(item))
                for item in items
            ]
            path = prepared(self._layout.recordings_file(index))
            path.write_bytes(recordings.append_lines(self._old.layout.recordings_file(index), lines))
            yield path

    def _stage_setups(self, episodes: Sequence[EncodedEpisode]) -> Iterator[Path]:
        """Write the files of set-ups that the dataset does not have yet."""
        for setup, files in {setup_id(episode.setup): episode.setup for episode in episodes}.items():
            known = self._known_setup(setup)
            for name, text in files.items():
                if known.get(name) != text:
                    path = prepared(setup_path(self._directory, setup) / name)
                    path.write_bytes(text.encode())
                    yield path

    def _known_setup(self, setup: str) -> SetupFiles:
        try:
            return read_setup(self._old.layout.root, setup)
        except DatasetError as error:
            logger.warning("%s; it is written anew", error)
            return {}

    def _stage_ages(self, new: Sequence[NewEpisode]) -> Iterator[Path]:
        """Write how old the samples of each episode were."""
        known = [item for item in new if item.episode.ages]
        for index, items in itertools.groupby(
            known, key=lambda item: recordings.ages_index(item.place.episode_index)
        ):
            episodes = [recordings.ages_table(item.place.episode_index, item.episode.ages) for item in items]
            path = prepared(self._layout.ages_file(index))
            recordings.grow_ages_file(path, self._old.layout.ages_file(index), episodes)
            yield path

    def _stage_checksums(self, files: Sequence[Path]) -> Path:
        return _written(
            self._directory / CHECKSUMS_PATH, grown_checksums(self._checksums, self._directory, files)
        )

    def _stats(self, new: Sequence[NewEpisode]) -> tuple[list[dict[str, Stats]], dict[str, Stats]]:
        """Compute the statistics of each episode, and those of the whole dataset."""
        parts, total = [], dict(self._old.stats)
        for item in new:
            known = item.stats(self._info.features)
            parts.append({key: as_written(stats, total.get(key)) for key, stats in known.items()})
            total = statistics.added(total, parts[-1])
        return parts, total

    def _stage_info(self, episodes: Sequence[EncodedEpisode], tasks: int) -> Path:
        info = self._info.grown(len(episodes), sum(episode.length for episode in episodes), tasks)
        features = info.features
        for number, episode in enumerate(episodes, self._info.total_episodes):
            features = with_video_info(features, episode.videos, is_first=number == 0)
        return _written(self._layout.info, info_json.to_json(dataclasses.replace(info, features=features)))


def readable_checksums(root: Path) -> dict[str, Checksum]:
    """Read the checksums of a dataset; none if their file is damaged."""
    try:
        return read_checksums(root)
    except DatasetError as error:
        logger.warning("%s; the new checksums cover the new files only", error)
        return {}


def _recording(item: NewEpisode) -> dict[str, Any]:
    setup = setup_id(item.episode.setup)
    return {**item.episode.recording, **({"setup": setup} if setup else {})}


def _columns(episode: EncodedEpisode, place: EpisodePlace, info: DatasetInfo) -> dict[str, np.ndarray]:
    n = episode.length
    values = {
        **episode.rows,
        "timestamp": np.arange(n) / info.fps,
        "frame_index": np.arange(n),
        "episode_index": np.full(n, place.episode_index),
        "index": np.arange(place.from_index, place.from_index + n),
        "task_index": np.full(n, place.task_index),
    }
    return {key: values[key] for key in info.features if key in values}


def flat_stats(stats: Mapping[str, Stats]) -> dict[str, Any]:
    """Return the columns that an episode's statistics have in the episodes files."""
    prefix = tables.STATS_PREFIX
    return {
        f"{prefix}{key}/{name}": value.tolist() for key, part in stats.items() for name, value in part.items()
    }


def ordered_row(row: tables.Row, stats: Mapping[str, Any]) -> tables.Row:
    """Join a row and its statistics in LeRobot's order of columns."""
    place = {key: value for key, value in row.items() if key.startswith("meta/")}
    return {**{key: value for key, value in row.items() if key not in place}, **stats, **place}


def prepared(path: Path) -> Path:
    """Make the directory of a path, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _written(path: Path, text: str) -> Path:
    prepared(path).write_text(text, encoding="utf-8")
    return path

"""Writes the dataset that a reconstruction describes."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from lerobot_recorder.dataset import files, recordings, stat_faults, statistics, tables
from lerobot_recorder.dataset import info as info_json
from lerobot_recorder.dataset.edits.compose import VideoCuts, link
from lerobot_recorder.dataset.episode import StreamAges
from lerobot_recorder.dataset.features import is_depth, is_video, shape_of, video_keys
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.placement import is_readable
from lerobot_recorder.dataset.reader import read_counted
from lerobot_recorder.dataset.repairs.alignment import FoundEpisode
from lerobot_recorder.dataset.repairs.rebuild import Reconstruction, stored_stats
from lerobot_recorder.dataset.staging import EPISODES_PER_FILE, flat_stats, ordered_row, prepared
from lerobot_recorder.dataset.statistics import Stats, as_written
from lerobot_recorder.errors import DatasetError

_OWN = ("stats/", "videos/", "data/", "meta/episodes/")
"""Beginnings of the columns of episode rows that are written anew."""


class RepairVideos(VideoCuts, Protocol):
    """Writes ranges of frames of video files, and puts frames on the grid."""

    def retime(self, path: Path, output: Path) -> None:
        """Copy the complete frames of a video to the frame grid."""


@dataclass
class _Video:
    """A video file of the new dataset."""

    index: FileIndex
    old: FileIndex
    members: list[FoundEpisode] = field(default_factory=list)

    @property
    def frames(self) -> int:
        return sum(each.length for each in self.members)


class RepairedDataset:
    """Writes a dataset into a directory.

    Args:
        directory: where to write it; it must not exist.
        found: what to write.
        videos: writes video files.
        progress: called with the numbers of files done and of all files.
    """

    def __init__(
        self,
        directory: Path,
        found: Reconstruction,
        videos: RepairVideos,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self._directory, self._found, self._videos = directory, found, videos
        self._evidence = found.evidence
        self._info = found.info()
        self._layout = found.evidence.layout.at(directory)
        self._rows: dict[int, dict[str, Any]] = {each.number: {} for each in found.episodes}
        self._written: list[Path] = []
        self._kept: dict[Path, Path] = {}
        self._progress = progress

    def write(self) -> None:
        """Write all files.

        Raises:
            DatasetError: a file cannot be read or written.
            VideoError: a video cannot be read or written.
        """
        self._directory.mkdir(parents=True)
        old = {key: self._grouped(key) for key in video_keys(self._info.features)}
        steps = itertools.count(1)
        groups = [list(group) for _, group in itertools.groupby(self._found.episodes, key=lambda e: e.file)]
        total = len(groups) + sum(map(len, old.values())) + 1
        for group in groups:
            self._write_data(group)
            self._progress(next(steps), total)
        with tempfile.TemporaryDirectory(dir=self._directory.parent) as scratch:
            for key, videos in old.items():
                for video in videos:
                    self._write_video(key, video, Path(scratch))
                    self._progress(next(steps), total)
                self._add_picture_stats(key)
        self._write_meta()
        self._keep_others()
        self._progress(total, total)

    # Frame rows

    def _write_data(self, members: Sequence[FoundEpisode]) -> None:
        index = members[0].file
        for each in members:
            self._put(each, "data", index)
        path = self._layout.data_file(index)
        if index not in self._found.rewritten:
            self._keep(self._evidence.data[index], path)
            return
        schema = self._schema()
        with tables.new_data_file(prepared(path), schema) as file:
            for each in members:
                file.add(self._table(each, schema))
        self._written.append(path)

    def _schema(self) -> pa.Schema:
        """Return the columns of the data files: those of a file that stays, if there is one."""
        kept = next((e.file for e in self._found.episodes if e.file not in self._found.rewritten), None)
        if kept is not None:
            return tables.data_file_schema(self._evidence.data[kept])
        features = {key: ft for key, ft in self._info.features.items() if not is_video(ft)}
        plain = {key: ft for key, ft in features.items() if ft["dtype"] not in ("image", "language")}
        schema = tables.data_schema(plain)
        if plain.keys() == features.keys():
            return schema
        known = self._found.rows(self._found.episodes[0]).schema
        fields = [schema.field(key) if key in plain else known.field(key) for key in features]
        return pa.schema(fields)

    def _table(self, each: FoundEpisode, schema: pa.Schema) -> pa.Table:
        rows, numbers = self._found.rows(each), self._found.columns(each)
        columns = {
            name: pa.array(numbers[name]).cast(schema.field(name).type) if name in numbers else rows[name]
            for name in schema.names
        }
        return tables.conform(pa.table(columns), schema)

    def _put(self, each: FoundEpisode, kind: str, index: FileIndex) -> None:
        row = self._rows[each.number]
        row[f"{kind}/chunk_index"], row[f"{kind}/file_index"] = index.chunk, index.file

    # Videos

    def _grouped(self, key: str) -> list[_Video]:
        """Group the episodes by the files that they come from; a file's number never falls."""
        videos: list[_Video] = []
        for each in self._found.episodes:
            old = each.videos[key][0]
            last = videos[-1] if videos else None
            if last and self._follows(last, key, each):
                last.members.append(each)
                continue
            index = old if last is None or old > last.index else last.index.next(self._info.chunks_size)
            videos.append(_Video(index, old, [each]))
        return videos

    def _follows(self, video: _Video, key: str, each: FoundEpisode) -> bool:
        """Return whether an episode can follow those in a file."""
        (old, start), last = each.videos[key], video.members[-1]
        is_later = video.old == old and start >= last.videos[key][1] + last.length
        return is_later and is_readable(video.frames, each.length, self._info.fps)

    def _write_video(self, key: str, video: _Video, scratch: Path) -> None:
        path, seen = self._evidence.videos[key][video.old]
        new, frames = self._layout.video_file(key, video.index), 0
        parts = []
        in_place = True
        for each in video.members:
            start = each.videos[key][1]
            in_place = in_place and start == frames
            parts.append((start, start + each.length))
            self._put(each, f"videos/{key}", video.index)
            self._rows[each.number][f"videos/{key}/from_timestamp"] = frames / self._info.fps
            frames += each.length
            self._rows[each.number][f"videos/{key}/to_timestamp"] = frames / self._info.fps
        is_sound = seen.is_whole and seen.is_on_grid(self._info.fps)
        if in_place and is_sound and seen.frames == frames:
            self._keep(path, new)
            return
        source = (
            path if is_sound else self._retimed(path, scratch / f"{key}-{video.old.chunk}-{video.old.file}")
        )
        info = self._info.features[key].get("info") or {}
        joined = [(source, start, stop) for start, stop in _joined(parts)]
        self._videos.write(joined, prepared(new), info)
        if (found := self._videos.frames(new)) != frames:
            raise DatasetError(f"{new}: expected {frames} frames, found {found}; nothing was changed")
        self._written.append(new)

    def _retimed(self, path: Path, copy: Path) -> Path:
        if not copy.exists():
            self._videos.retime(path, copy)
        return copy

    def _add_picture_stats(self, key: str) -> None:
        """Keep the statistics of the pictures of unchanged episodes; compute the others."""
        stored = {each.number: stored_stats(each, key) for each in self._found.episodes}
        known_whole = self._evidence.stats() or {}
        if not any(stored.values()) and statistics.is_usable(known_whole.get(key, {})):
            return  # the program that wrote it keeps no statistics of episodes
        for each in self._found.episodes:
            stats = stored[each.number]
            if stats is None or each.length != each.row.get("length"):
                stats = self._picture_stats(key, each, stats)
            if stats is not None:
                self._found.stats[each.number][key] = stats

    def _picture_stats(self, key: str, each: FoundEpisode, stored: Stats | None) -> Stats | None:
        numbers, feature = statistics.sample_indices(each.length), self._info.features[key]
        if is_depth(feature):  # the codes do not tell the unit
            return None if stored is None else {**stored, "count": np.array([len(numbers)])}
        height, width = shape_of(feature)[:2]
        every = statistics.thinning(height, width)
        row = self._rows[each.number]
        index = FileIndex(row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"])
        start = round(row[f"videos/{key}/from_timestamp"] * self._info.fps)
        images = self._videos.images(self._layout.video_file(key, index), start, numbers)
        return as_written(statistics.image_stats(np.stack([image[::every, ::every] for image in images])))

    # Descriptions

    def _write_meta(self) -> None:
        tables.write_tasks(prepared(self._layout.tasks), self._found.tasks)
        self._written.append(self._layout.tasks)
        self._write_episodes()
        self._write_ages()
        self._layout.info.write_text(info_json.to_json(self._info), encoding="utf-8")
        self._write_stats()

    def _write_episodes(self) -> None:
        rows = [self._episode_row(each) for each in self._found.episodes]
        incomplete = {name for row in rows for name in rows[0] if row.get(name) is None}
        common = [name for name in rows[0] if name not in incomplete and all(name in row for row in rows)]
        index, known = FileIndex(), self._evidence.recordings()
        for start in range(0, len(rows), EPISODES_PER_FILE):
            part = [{name: row[name] for name in common} for row in rows[start : start + EPISODES_PER_FILE]]
            for row in part:
                row["meta/episodes/chunk_index"], row["meta/episodes/file_index"] = index.chunk, index.file
            path = prepared(self._layout.episodes_file(index))
            tables.write_table(path, [pa.Table.from_pylist(part)])
            self._written.append(path)
            self._write_recordings(self._found.episodes[start : start + EPISODES_PER_FILE], index, known)
            index = index.next(self._info.chunks_size)

    def _episode_row(self, each: FoundEpisode) -> tables.Row:
        bounds = self._found.bounds(each)
        others = {
            name: value
            for name, value in each.row.items()
            if not name.startswith(_OWN) and name not in (*bounds, "tasks")
        }
        row = {
            "episode_index": bounds["episode_index"],
            "tasks": self._found.tasks_of(each),
            **bounds,
            **self._rows[each.number],
            **others,
        }
        stats = self._found.stats[each.number]
        return ordered_row(row, flat_stats({key: stats[key] for key in self._info.features if key in stats}))

    def _write_recordings(
        self, members: Sequence[FoundEpisode], index: FileIndex, known: Mapping[int, recordings.Recording]
    ) -> None:
        lines = []
        for each in members:
            recording = dict(known.get(_former(each), {}))
            recording.pop("episode_index", None)
            if recording:
                name = str(recording.pop("episode_id", ""))
                lines.append(recordings.recording_line(each.number, name, recording))
        if lines:
            prepared(self._layout.recordings_file(index)).write_text("".join(lines), encoding="utf-8")

    def _write_ages(self) -> None:
        by_file = itertools.groupby(self._found.episodes, key=lambda each: recordings.ages_index(each.number))
        for index, members in by_file:
            parts = [
                recordings.ages_table(each.number, ages) for each in members if (ages := self._ages(each))
            ]
            if parts:
                path = prepared(self._layout.ages_file(index))
                recordings.grow_ages_file(path, path, parts)
                self._written.append(path)

    def _ages(self, each: FoundEpisode) -> dict[str, StreamAges]:
        former = _former(each)
        path = self._evidence.layout.ages_file(recordings.ages_index(former))
        try:
            found = recordings.read_ages(path, former)
        except DatasetError:
            return {}
        if any(len(ages.age_s) < each.length for ages in found.values()) or each.order is not None:
            return {}
        n = each.length
        return {name: StreamAges(ages.age_s[:n], ages.source_ns[:n]) for name, ages in found.items()}

    def _write_stats(self) -> None:
        """Write the statistics of the dataset: those of before, unless they are wrong or rows were cut."""
        old, path = self._evidence.stats(), prepared(self._layout.stats)
        total = statistics.total_of([self._found.stats[each.number] for each in self._found.episodes])
        for key in video_keys(self._info.features):
            if key not in total and old and key in old:
                total[key] = old[key]
        is_same = all(each.length == each.row.get("length", each.rows) for each in self._found.episodes)
        if is_same and old is not None:
            path.write_text(self._evidence.layout.stats.read_text(encoding="utf-8"), encoding="utf-8")
            counted = read_counted(self._directory, self._info, None)
            stale = set(old) - set(self._info.features)
            if not stale and next(stat_faults.stats(counted), None) is None:
                return
        ordered = {key: total[key] for key in self._info.features if key in total}
        path.write_text(statistics.to_json(ordered), encoding="utf-8")

    # Files that stay

    def _keep(self, old: Path, new: Path) -> None:
        link(old, prepared(new))
        self._kept[new] = old

    def _keep_others(self) -> None:
        """Keep the card and other files that are neither rows nor videos nor descriptions of episodes."""
        root, layout = self._evidence.root, self._evidence.layout
        replaced = {*layout.data_files(), *layout.episodes_files(), *self._evidence.strays}
        replaced |= {*layout.recordings_files(), *layout.ages_files()}
        replaced |= {path for of in self._evidence.videos.values() for path, _ in of.values()}
        for old in sorted(root.rglob("*")):
            new = self._directory / old.relative_to(root)
            if old in replaced or new.exists() or not old.is_file():
                continue
            if old == root / files.CHECKSUMS_PATH:
                continue
            (shutil.copy2 if old.is_relative_to(root / "meta") else link)(old, prepared(new))
        if (root / files.CHECKSUMS_PATH).is_file():
            self._write_checksums()

    def _write_checksums(self) -> None:
        root = self._evidence.root
        try:
            known = files.read_checksums(root)
        except DatasetError:
            known = {}
        kept = {}
        for new, old in self._kept.items():
            found = known.get(old.relative_to(root).as_posix())
            if found is not None and found == files.checksum(old):
                kept[new.relative_to(self._directory).as_posix()] = found
        path = prepared(self._directory / files.CHECKSUMS_PATH)
        path.write_text(files.grown_checksums(kept, self._directory, self._written), encoding="utf-8")


def _former(each: FoundEpisode) -> int:
    """Return the number that an episode had in ``meta``; -1 if it had none."""
    known = each.row.get("episode_index", each.label)
    return -1 if known is None else int(known)


def _joined(parts: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join ranges that follow each other."""
    first, last = parts[0]
    for start, stop in parts[1:]:
        if start != last:
            yield first, last
            first = start
        last = stop
    yield first, last

"""Writes a dataset that consists of pieces of others.

Files whose content does not change are hard links to the old ones; where the file system has none, copies.
Files of ``meta`` are always written or copied, because other programs change them in place.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lerobot_recorder.dataset import info as info_json
from lerobot_recorder.dataset import recordings, statistics, tables
from lerobot_recorder.dataset.edits.episode_rows import EpisodeRows
from lerobot_recorder.dataset.edits.plan import KEEP, Piece
from lerobot_recorder.dataset.edits.source import Source
from lerobot_recorder.dataset.episode import StreamAges
from lerobot_recorder.dataset.features import SUCCESS_FEATURE, is_depth, video_keys
from lerobot_recorder.dataset.files import CHECKSUMS_PATH, grown_checksums
from lerobot_recorder.dataset.info import DatasetInfo
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.setups import read_setup, setup_path
from lerobot_recorder.dataset.staging import EPISODES_PER_FILE, prepared, readable_checksums
from lerobot_recorder.dataset.statistics import Stats
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.images import decode_rgb

_NUMBERING = ("index", "episode_index", "task_index")
_COUNTED = ("frame_index", "timestamp")


class VideoCuts(Protocol):
    """Writes ranges of frames of video files."""

    def frames(self, path: Path) -> int:
        """Count the frames of a video."""

    def write(self, parts: Sequence[tuple[Path, int, int]], output: Path, info: Mapping[str, Any]) -> None:
        """Write ranges of frames, from the first to before the last number, into one file and sync it."""

    def images(self, path: Path, start: int, numbers: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
        """Decode frames of a range that begins at ``start``."""


_PARTS = ("data", "meta", "videos")
"""Directories of a dataset that hold its episodes and their descriptions."""


@dataclass(frozen=True, eq=False)
class _Item:
    """An episode of the new dataset.

    Attributes:
        piece: what it consists of.
        source: the dataset that has it.
        number: its number in the new dataset.
        from_index: number of its first row there.
        is_whole: whether it is a whole episode of the source.
    """

    piece: Piece
    source: Source
    number: int
    from_index: int
    is_whole: bool


@dataclass
class _File:
    """A file of the new dataset, and the consecutive episodes in it, which come from one file."""

    index: FileIndex
    source: Source
    old: FileIndex
    items: list[_Item]

    @property
    def first(self) -> int:
        """Number of its first episode."""
        return self.items[0].number

    @property
    def lengths(self) -> np.ndarray:
        """Rows of its episodes."""
        return np.array([item.piece.length for item in self.items])


def compose(
    directory: Path,
    base: Source,
    pieces: Sequence[Piece],
    *,
    sources: Mapping[Path, Source],
    videos: VideoCuts,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Write a dataset.

    Args:
        directory: where to write it; it must not exist.
        base: the dataset that is edited: its description and its other files are kept.
        pieces: the episodes, in order.
        sources: all datasets that pieces come from, by root; they have the same features.
        videos: writes video files.
        progress: called with the numbers of files done and of all files.

    Raises:
        DatasetError: a source cannot be read, or the result would have no episodes.
    """
    if not pieces:
        raise DatasetError(f"{base.root}: no episode would be left; delete the directory instead")
    starts = itertools.accumulate((piece.length for piece in pieces), initial=0)
    items = [
        _Item(piece, source, number, start, source.is_whole(piece))
        for number, (piece, start) in enumerate(zip(pieces, starts, strict=False))
        for source in (sources[piece.root],)
    ]
    _Composition(directory, base, items, videos).write(progress)


def compose_empty(directory: Path, base: Source) -> None:
    """Write a dataset without episodes, as one that was just created, for the episodes that will follow.

    Args:
        directory: where to write it; it must not exist.
        base: the dataset that is edited: its ``info.json`` and the user's files beside its parts are kept.
    """
    info = dataclasses.replace(base.info, total_episodes=0, total_frames=0, total_tasks=0, splits={})
    prepared(base.layout.at(directory).info).write_text(info_json.to_json(info), encoding="utf-8")
    for name in base.files:
        if name.partition("/")[0] not in _PARTS:
            link(base.root / name, prepared(directory / name))


def changed_bytes(base: Source, pieces: Sequence[Piece], others: Sequence[Source] = ()) -> int:
    """Return an upper bound of the bytes that `compose` writes anew, in place of links.

    Args:
        base: the dataset that is edited.
        pieces: the new episodes.
        others: other datasets that pieces come from.
    """
    whole = {piece.episode for piece in pieces if piece.root == base.root and base.is_whole(piece)}
    size = _size(base.root / "data") + _size(base.root / "meta")
    for key in video_keys(base.info.features):
        kind = f"videos/{key}"
        for index in base.files_of(kind):
            if not whole.issuperset(base.in_file(kind, index)):
                size += base.layout.file(kind, index).stat().st_size
    for other in others:
        is_near = other.root.stat().st_dev == base.root.stat().st_dev
        size += _size(other.root / "data") + _size(other.root / "meta") if is_near else _size(other.root)
    return size


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


class _Composition:
    def __init__(self, directory: Path, base: Source, items: Sequence[_Item], videos: VideoCuts) -> None:
        self._base, self._items, self._videos = base, items, videos
        self._info = base.info
        self._directory = directory
        self._layout = base.layout.at(directory)
        self._tasks = self._used_tasks()
        self._task_numbers = {task: number for number, task in enumerate(self._tasks)}
        self._rows = EpisodeRows(base, [(item.source, item.piece.episode) for item in items])
        self._written: list[Path] = []
        self._kept: dict[str, Path] = {}
        self._ages_read: dict[Path, Mapping[int, Mapping[str, StreamAges]]] = {}

    def write(self, progress: Callable[[int, int], None]) -> None:
        self._directory.mkdir(parents=True)
        keys = video_keys(self._info.features)
        kinds = ["data", *(f"videos/{key}" for key in keys)]
        groups = {kind: self._grouped(kind) for kind in kinds}
        total = sum(len(group) for group in groups.values()) + 1
        done = itertools.count(1)
        self._put_lengths()
        for kind, files in groups.items():
            for file in files:
                if kind == "data":
                    self._write_data(file)
                else:
                    self._write_video(kind.removeprefix("videos/"), file)
                progress(next(done), total)
        self._write_meta()
        self._keep_others()
        progress(total, total)

    # Tasks

    def _tasks_of(self, item: _Item) -> list[str]:
        if item.piece.task is not None:
            return [item.piece.task]
        return item.source.tasks_of(item.piece)

    def _used_tasks(self) -> list[str]:
        """List the tasks in use: those of the base in their order, then new ones."""
        used = dict.fromkeys(task for item in self._items for task in self._tasks_of(item))
        older = dict.fromkeys(task for task in self._base.tasks if task in used)
        return [*older, *(task for task in used if task not in older)]

    # Which episodes go into which file

    def _grouped(self, kind: str) -> list[_File]:
        """Group the episodes by the files that they come from; a file's number never falls."""
        files: list[_File] = []
        for item in self._items:
            old = item.source.file(kind, item.piece.episode)
            last = files[-1] if files else None
            if last and last.source is item.source and last.old == old and self._follows(last, item):
                last.items.append(item)
                continue
            wanted = old if item.source is self._base else FileIndex()
            if last and wanted <= last.index:
                wanted = last.index.next(self._info.chunks_size)
            files.append(_File(wanted, item.source, old, [item]))
        return files

    def _follows(self, file: _File, item: _Item) -> bool:
        """Return whether an item's rows come after those that are in the file."""
        last, piece = file.items[-1].piece, item.piece
        return last.episode < piece.episode or (last.episode == piece.episode and last.stop <= piece.start)

    def _has_all(self, file: _File, kind: str) -> bool:
        """Return whether a file has all episodes that the file it comes from has, whole and in order."""
        episodes = file.source.in_file(kind, file.old)
        return episodes == [item.piece.episode for item in file.items] and all(i.is_whole for i in file.items)

    # Frame rows

    def _write_data(self, file: _File) -> None:
        self._rows.put_file("data", file.first, len(file.items), file.index)
        old, new = file.source.layout.data_file(file.old), self._layout.data_file(file.index)
        kept = {item.number for item in file.items if self._keeps_rows(item)}
        if len(kept) == len(file.items) and self._has_all(file, "data"):
            self._keep(old, new)
            return
        schema = tables.data_file_schema(self._base.layout.data_file(self._base.file("data", 0)))
        waiting = itertools.groupby(file.items, key=lambda item: item.piece.episode)
        episode, items = next(waiting)
        with tables.new_data_file(prepared(new), schema) as target:
            for table in tables.read_episodes(old):
                if table["episode_index"][0].as_py() != episode:
                    continue
                for item in items:
                    self._check_rows(item, table)
                    target.add(table if item.number in kept else self._with_rows(item, table))
                episode, items = next(waiting, (-1, iter(())))
        if episode >= 0:
            raise DatasetError(f"{old}: expected rows of episode {episode}, found none")
        self._written.append(new)

    def _keeps_rows(self, item: _Item) -> bool:
        """Return whether the rows of an episode stay the same."""
        piece, old = item.piece, item.source
        if item.source is not self._base or piece.success is not KEEP or piece.task is not None:
            return False
        if (
            not item.is_whole
            or piece.episode != item.number
            or item.from_index != old.dataset.episodes["dataset_from_index"][item.number]
        ):
            return False
        return all(self._task_numbers[task] == old.tasks.index(task) for task in self._tasks_of(item))

    def _check_rows(self, item: _Item, table: pa.Table) -> None:
        if table.num_rows != item.source.dataset.lengths[item.piece.episode]:
            raise DatasetError(
                f"{item.source.root}: expected {item.source.dataset.lengths[item.piece.episode]} rows of "
                f"episode {item.piece.episode}, found {table.num_rows}"
            )

    def _with_rows(self, item: _Item, table: pa.Table) -> pa.Table:
        """Return the rows of an item with new numbers; compute the statistics that change."""
        piece, n = item.piece, item.piece.length
        had_success = _succeeded(table)
        table = table.slice(piece.start, n)
        columns: dict[str, Any] = {
            "episode_index": np.full(n, item.number),
            "index": np.arange(item.from_index, item.from_index + n),
            "task_index": self._task_indices(item, table),
            "frame_index": np.arange(n),
            "timestamp": np.arange(n) / self._info.fps,
        }
        if SUCCESS_FEATURE in table.column_names and not (item.is_whole and piece.success is KEEP):
            columns[SUCCESS_FEATURE] = np.zeros(n, bool)
            columns[SUCCESS_FEATURE][-1:] = had_success if piece.success is KEEP else piece.success is True
        changed = []
        for name, values in columns.items():
            place = table.schema.get_field_index(name)
            kind = table.schema.field(place)
            column = pa.chunked_array([pa.array(values).cast(kind.type)])
            if not column.equals(table.column(place)):
                table = table.set_column(place, kind, column)
                changed.append(name)
        self._renew_stats(item, table, changed if item.is_whole else table.column_names)
        return table

    def _task_indices(self, item: _Item, table: pa.Table) -> np.ndarray:
        if item.piece.task is not None:
            return np.full(item.piece.length, self._task_numbers[item.piece.task])
        old, inverse = np.unique(table["task_index"].to_numpy(), return_inverse=True)
        names = [item.source.task(number) for number in old.tolist()]
        if missing := [name for name in names if name not in self._task_numbers]:
            raise DatasetError(
                f"{item.source.root}: episode {item.piece.episode} has rows of the task {missing[0]!r}, "
                "which meta/episodes does not list; "
                f"`lerobot-recorder repair {item.source.root}` can repair that"
            )
        return np.array([self._task_numbers[name] for name in names])[inverse]

    def _renew_stats(self, item: _Item, table: pa.Table, names: Sequence[str]) -> None:
        for name in names:
            if not self._rows.has_stats(item.number, name):
                continue
            is_image = name in self._info.features and self._info.features[name]["dtype"] == "image"
            stats = (
                _stored_image_stats(table[name])
                if is_image
                else statistics.vector_stats(tables.column_values(table[name]))
            )
            self._rows.renew_stats(item.number, name, stats)

    # Videos

    def _write_video(self, key: str, file: _File) -> None:
        old, new = file.source.layout.video_file(key, file.old), self._layout.video_file(key, file.index)
        parts = []
        for item in file.items:
            start = item.source.first_frame(key, item.piece.episode) + item.piece.start
            parts.append((old, start, start + item.piece.length))
            if not item.is_whole:
                self._renew_image_stats(key, item, old, start)
        ends = np.cumsum(file.lengths)
        total = int(ends[-1])
        self._rows.put_file(f"videos/{key}", file.first, len(file.items), file.index)
        self._rows.put(f"videos/{key}/from_timestamp", file.first, (ends - file.lengths) / self._info.fps)
        self._rows.put(f"videos/{key}/to_timestamp", file.first, ends / self._info.fps)
        starts = itertools.accumulate((stop - start for _, start, stop in parts), initial=0)
        in_place = all(begin == start for (_, start, _), begin in zip(parts, starts, strict=False))
        if in_place and self._has_all(file, f"videos/{key}") and self._videos.frames(old) == total:
            self._keep(old, new)
            return
        self._videos.write(_joined(parts), prepared(new), self._info.features[key].get("info") or {})
        if (found := self._videos.frames(new)) != total:
            raise DatasetError(f"{new}: expected {total} frames, found {found}; nothing was changed")
        self._written.append(new)

    def _renew_image_stats(self, key: str, item: _Item, video: Path, start: int) -> None:
        if not self._rows.has_stats(item.number, key):
            return
        numbers = statistics.sample_indices(item.piece.length)
        if is_depth(
            self._info.features[key]
        ):  # the codes do not tell the unit; the range stays that of before
            known = self._rows.stats(item.number, key)
            self._rows.renew_stats(item.number, key, {**known, "count": np.array([len(numbers)])})
            return
        height, width = self._info.features[key]["shape"][:2]
        every = statistics.thinning(height, width)
        images = [image[::every, ::every] for image in self._videos.images(video, start, numbers)]
        self._rows.renew_stats(item.number, key, statistics.image_stats(np.stack(images)))

    # Descriptions

    def _put_lengths(self) -> None:
        lengths = np.array([item.piece.length for item in self._items])
        ends = np.cumsum(lengths)
        self._rows.put("episode_index", 0, np.arange(len(lengths)))
        self._rows.put("length", 0, lengths)
        self._rows.put("dataset_from_index", 0, ends - lengths)
        self._rows.put("dataset_to_index", 0, ends)
        self._rows.put_tasks(
            {
                item.number: tasks
                for item in self._items
                if (tasks := self._tasks_of(item)) != item.source.listed_tasks(item.piece.episode)
            }
        )

    def _write_meta(self) -> None:
        tables.write_tasks(prepared(self._layout.tasks), self._tasks)
        self._written.append(self._layout.tasks)
        self._write_episodes()
        self._keep_setups()
        self._write_ages()
        total = self._rows.total()
        total = {**self._former_totals(total), **total}
        prepared(self._layout.stats).write_text(statistics.to_json(total), encoding="utf-8")
        self._layout.info.write_text(info_json.to_json(self._new_info()), encoding="utf-8")
        self._write_checksums()

    def _former_totals(self, known: Mapping[str, Stats]) -> dict[str, Stats]:
        """Return the old totals of features whose episodes have none, as LeRobot's conversion leaves them."""
        try:
            former = json.loads(self._base.layout.stats.read_text(encoding="utf-8"))
            return {key: statistics.from_plain(part) for key, part in former.items() if key not in known}
        except (OSError, ValueError, AttributeError):  # there are none, or they are damaged
            return {}

    def _write_episodes(self) -> None:
        """Write the files of episode rows and of provenance that change, and keep the others."""
        files = list(self._episodes_files())
        for index, items in files:
            self._rows.put_file("meta/episodes", items[0].number, len(items), index)
        self._rows.finish()
        for index, items in files:
            self._write_rows(index, items)
            self._write_recordings(index, items)

    def _episodes_files(self) -> Iterator[tuple[FileIndex, Sequence[_Item]]]:
        """Distribute the episodes over files: as before up to the first one with another number."""
        index, first = FileIndex(), 0
        stays = True
        while first < len(self._items):
            before = self._base.rows_in_file(index)
            stays = stays and bool(before) and before.start == first and self._stays(before)
            stop = before.stop if stays else min(first + EPISODES_PER_FILE, len(self._items))
            yield index, self._items[first:stop]
            index, first = index.next(self._info.chunks_size), stop

    def _stays(self, before: range) -> bool:
        """Return whether a file of episode rows keeps its episodes, and gets no others."""
        is_full = before.stop < self._base.info.total_episodes or len(before) >= EPISODES_PER_FILE
        return before.stop <= self._same_numbers and (is_full or before.stop == len(self._items))

    @cached_property
    def _same_numbers(self) -> int:
        """Number of episodes, from the first one on, that have the number that they had in the base."""
        others = (i.number for i in self._items if i.source is not self._base or i.piece.episode != i.number)
        return next(others, len(self._items))

    def _has_numbers_of(self, before: range, items: Sequence[_Item]) -> bool:
        """Return whether these are the episodes ``before`` of the base, with the same numbers."""
        return before == range(items[0].number, items[-1].number + 1) and before.stop <= self._same_numbers

    def _write_rows(self, index: FileIndex, items: Sequence[_Item]) -> None:
        new, first, count = self._layout.episodes_file(index), items[0].number, len(items)
        if self._has_numbers_of(self._base.rows_in_file(index), items) and self._rows.is_unchanged(
            first, count
        ):
            self._keep(self._base.layout.episodes_file(index), new)
            return
        tables.write_table(prepared(new), [self._rows.slice(first, count)])
        self._written.append(new)

    def _write_recordings(self, index: FileIndex, items: Sequence[_Item]) -> None:
        old, new = self._base.layout.recordings_file(index), self._layout.recordings_file(index)
        if self._has_numbers_of(self._base.rows_in_file(index), items) and self._keeps_lines(old, items):
            self._keep(old, new)
        elif lines := [line for item in items for line in self._recording_line(item)]:
            prepared(new).write_text("".join(lines), encoding="utf-8")

    def _keeps_lines(self, old: Path, items: Sequence[_Item]) -> bool:
        """Return whether a file has the provenance of these episodes and of no other ones."""
        lines = self._base.recordings_files.get(old, {})
        known = {item.number for item in items if item.number in self._base.recordings}
        return (
            bool(lines)
            and lines.keys() == known
            and all(self._base.recordings[number] is line for number, line in lines.items())
            and all(item.is_whole and item.piece.success is KEEP for item in items)
        )

    def _recording_line(self, item: _Item) -> Iterator[str]:
        known = dict(item.source.recordings.get(item.piece.episode, {}))
        if item.piece.success is not KEEP:
            known["success"] = item.piece.success
        if isinstance(started_ns := known.get("started_at_ns"), int):
            known["started_at_ns"] = started_ns + item.piece.start * 1_000_000_000 // self._info.fps
        known.pop("episode_index", None)
        if known:
            yield recordings.recording_line(item.number, str(known.pop("episode_id", "")), known)

    def _keep_setups(self) -> None:
        """Copy the set-ups of other datasets; `_keep_others` copies those of the base."""
        used = {
            (item.source, str(item.source.recordings.get(item.piece.episode, {}).get("setup")))
            for item in self._items
            if item.source is not self._base
        }
        for source, setup in sorted(used, key=lambda each: each[1]):
            for name, text in read_setup(source.root, setup).items():
                path = setup_path(self._directory, setup) / name
                if not path.exists():
                    prepared(path).write_bytes(text.encode())

    def _write_ages(self) -> None:
        for index, group in itertools.groupby(
            self._items, key=lambda item: recordings.ages_index(item.number)
        ):
            items = list(group)
            old, new = self._base.layout.ages_file(index), self._layout.ages_file(index)
            before = recordings.episodes_with_ages(index, self._base.info.total_episodes)
            if self._has_numbers_of(before, items) and all(item.is_whole for item in items):
                if old.is_file():
                    self._keep(old, new)
                continue
            parts = [recordings.ages_table(item.number, ages) for item in items if (ages := self._ages(item))]
            if parts:
                recordings.grow_ages_file(prepared(new), new, parts)
                self._written.append(new)

    def _ages(self, item: _Item) -> dict[str, StreamAges]:
        piece = item.piece
        path = item.source.layout.ages_file(recordings.ages_index(piece.episode))
        if path not in self._ages_read:
            self._ages_read = {path: recordings.read_ages_file(path)}
        return {
            name: StreamAges(ages.age_s[piece.start : piece.stop], ages.source_ns[piece.start : piece.stop])
            for name, ages in self._ages_read[path].get(piece.episode, {}).items()
        }

    def _new_info(self) -> DatasetInfo:
        frames = sum(item.piece.length for item in self._items)
        return dataclasses.replace(
            self._info,
            total_episodes=len(self._items),
            total_frames=frames,
            total_tasks=len(self._tasks),
            splits=self._splits(),
        )

    def _splits(self) -> dict[str, str]:
        """Return the ranges of the episodes that were in each split; new ones go to ``train``."""
        if not set(self._info.splits) - {"train"}:
            return {"train": f"0:{len(self._items)}"}
        found = {}
        for name, span in self._info.splits.items():
            first, _, last = span.partition(":")
            inside = [
                item.number
                for item in self._items
                if item.source is self._base and int(first or 0) <= item.piece.episode < int(last or 0)
            ]
            if inside:
                found[name] = f"{inside[0]}:{inside[-1] + 1}"
        return found

    def _write_checksums(self) -> None:
        root, known = self._base.root, readable_checksums(self._base.root)
        inside = {name: old for name, old in self._kept.items() if old.is_relative_to(root)}
        former = {name: old.relative_to(root).as_posix() for name, old in inside.items()}
        kept = {name: known[old] for name, old in former.items() if old in known}
        path = prepared(self._directory / CHECKSUMS_PATH)
        path.write_text(grown_checksums(kept, self._directory, self._written), encoding="utf-8")

    # Files that stay

    def _keep(self, old: Path, new: Path) -> None:
        name = new.relative_to(self._directory).as_posix()
        (shutil.copy2 if name.startswith("meta/") else link)(old, prepared(new))
        self._kept[name] = old

    def _keep_others(self) -> None:
        """Keep what is neither rows nor videos nor a description: the card, notes of the user, ..."""
        for name in self._base.files:
            old, new = self._base.root / name, self._directory / name
            if name not in self._replaced and not new.exists() and old.is_file():
                (shutil.copy2 if name.startswith("meta/") else link)(old, prepared(new))

    @cached_property
    def _replaced(self) -> set[str]:
        """Files of the old dataset that hold rows, videos and descriptions of episodes."""
        layout, root = self._base.layout, self._base.root
        kinds = ["data", *(f"videos/{key}" for key in video_keys(self._info.features))]
        paths = {layout.file(kind, index) for kind in kinds for index in self._base.files_of(kind)}
        paths |= {*layout.episodes_files(), *layout.recordings_files(), *layout.ages_files()}
        return {path.relative_to(root).as_posix() for path in paths}


def _succeeded(table: pa.Table) -> bool:
    return SUCCESS_FEATURE in table.column_names and any(table[SUCCESS_FEATURE].to_pylist())


def _stored_image_stats(column: pa.ChunkedArray) -> Stats:
    """Compute the statistics of images that are stored in a data file, as files of their own."""
    images = []
    for number in statistics.sample_indices(len(column)):
        image = decode_rgb(column[number].as_py()["bytes"])
        every = statistics.thinning(*image.shape[:2])
        images.append(image[::every, ::every])
    return statistics.image_stats(images)


def _joined(parts: Sequence[tuple[Path, int, int]]) -> list[tuple[Path, int, int]]:
    """Join ranges that follow each other in a file."""
    joined: list[tuple[Path, int, int]] = []
    for path, start, stop in parts:
        follows = bool(joined) and (joined[-1][0], joined[-1][2]) == (path, start)
        joined.append((path, joined.pop()[1] if follows else start, stop))
    return joined


def link(old: Path, new: Path) -> None:
    """Make a hard link, or a copy where the file system has none."""
    try:
        os.link(old, new)
    except OSError:  # a file system without hard links, or another one
        shutil.copy2(old, new)

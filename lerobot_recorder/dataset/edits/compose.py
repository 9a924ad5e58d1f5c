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
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lerobot_recorder.dataset import info as info_json
from lerobot_recorder.dataset import recordings, statistics, tables
from lerobot_recorder.dataset.edits.plan import KEEP, Piece
from lerobot_recorder.dataset.edits.source import Source
from lerobot_recorder.dataset.episode import StreamAges
from lerobot_recorder.dataset.features import SUCCESS_FEATURE, is_depth, video_keys
from lerobot_recorder.dataset.files import CHECKSUMS_PATH, grown_checksums
from lerobot_recorder.dataset.info import DatasetInfo
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.setups import read_setup, setup_path
from lerobot_recorder.dataset.staging import EPISODES_PER_FILE, flat_stats, ordered_row, readable_checksums
from lerobot_recorder.dataset.statistics import Stats, as_written
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


@dataclass
class _Item:
    """An episode of the new dataset.

    Attributes:
        piece: what it consists of.
        source: the dataset that has it.
        number: its number in the new dataset.
        from_index: number of its first row there.
        row: its row in the episodes files, without statistics.
        stats: its statistics.
    """

    piece: Piece
    source: Source
    number: int
    from_index: int
    row: tables.Row = field(default_factory=dict)
    stats: dict[str, Stats] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return self.source.is_whole(self.piece)

    def put_in(self, kind: str, index: FileIndex) -> None:
        self.row[f"{kind}/chunk_index"], self.row[f"{kind}/file_index"] = index.chunk, index.file


@dataclass
class _File:
    """A file of the new dataset, and the episodes in it; all come from the same file."""

    index: FileIndex
    source: Source
    old: FileIndex
    items: list[_Item]


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
        _Item(piece, sources[piece.root], number, start)
        for number, (piece, start) in enumerate(zip(pieces, starts, strict=False))
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
        for index in dict.fromkeys(base.dataset.files(kind)):
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
        self._written: list[Path] = []
        self._kept: dict[str, Path] = {}

    def write(self, progress: Callable[[int, int], None]) -> None:
        self._directory.mkdir(parents=True)
        keys = video_keys(self._info.features)
        kinds = ["data", *(f"videos/{key}" for key in keys)]
        groups = {kind: self._grouped(kind) for kind in kinds}
        total = sum(len(group) for group in groups.values()) + 1
        done = itertools.count(1)
        for item in self._items:
            self._begin_row(item)
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
        older = [task for task in self._base.tasks if task in used]
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
        for item in file.items:
            item.put_in("data", file.index)
        old, new = file.source.layout.data_file(file.old), self._layout.data_file(file.index)
        if self._has_all(file, "data") and all(map(self._keeps_rows, file.items)):
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
                    target.add(self._with_rows(item, table))
                episode, items = next(waiting, (-1, iter(())))
        if episode >= 0:
            raise DatasetError(f"{old}: expected rows of episode {episode}, found none")
        self._written.append(new)

    def _keeps_rows(self, item: _Item) -> bool:
        """Return whether the rows of a whole episode stay the same."""
        piece, old = item.piece, item.source
        if item.source is not self._base or piece.success is not KEEP or piece.task is not None:
            return False
        if (
            piece.episode != item.number
            or item.from_index != old.dataset.episodes["dataset_from_index"][item.number]
        ):
            return False
        return all(self._tasks.index(task) == old.tasks.index(task) for task in self._tasks_of(item))

    def _with_rows(self, item: _Item, table: pa.Table) -> pa.Table:
        """Return the rows of an item with new numbers; compute the statistics that change."""
        piece, n = item.piece, item.piece.length
        if table.num_rows != item.source.dataset.lengths[piece.episode]:
            raise DatasetError(
                f"{item.source.root}: expected {item.source.dataset.lengths[piece.episode]} rows of episode "
                f"{piece.episode}, found {table.num_rows}"
            )
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
            return np.full(item.piece.length, self._tasks.index(item.piece.task))
        old, inverse = np.unique(table["task_index"].to_numpy(), return_inverse=True)
        names = [item.source.task(number) for number in old.tolist()]
        if missing := [name for name in names if name not in self._tasks]:
            raise DatasetError(
                f"{item.source.root}: episode {item.piece.episode} has rows of the task {missing[0]!r}, "
                "which meta/episodes does not list; "
                f"`lerobot-recorder repair {item.source.root}` can repair that"
            )
        return np.array([self._tasks.index(name) for name in names])[inverse]

    def _renew_stats(self, item: _Item, table: pa.Table, names: Sequence[str]) -> None:
        for name in names:
            is_image = name in self._info.features and self._info.features[name]["dtype"] == "image"
            if name in item.stats and is_image:
                item.stats[name] = as_written(_stored_image_stats(table[name]))
            elif name in item.stats:
                item.stats[name] = as_written(statistics.vector_stats(tables.column_values(table[name])))

    # Videos

    def _write_video(self, key: str, file: _File) -> None:
        old, new = file.source.layout.video_file(key, file.old), self._layout.video_file(key, file.index)
        parts, first = [], 0
        for item in file.items:
            start = item.source.first_frame(key, item.piece.episode) + item.piece.start
            parts.append((old, start, start + item.piece.length))
            item.put_in(f"videos/{key}", file.index)
            item.row[f"videos/{key}/from_timestamp"] = first / self._info.fps
            item.row[f"videos/{key}/to_timestamp"] = (first + item.piece.length) / self._info.fps
            first += item.piece.length
            if not item.is_whole:
                self._renew_image_stats(key, item, old, start)
        starts = itertools.accumulate((stop - start for _, start, stop in parts), initial=0)
        in_place = all(begin == start for (_, start, _), begin in zip(parts, starts, strict=False))
        if in_place and self._has_all(file, f"videos/{key}") and self._videos.frames(old) == first:
            self._keep(old, new)
            return
        self._videos.write(_joined(parts), prepared(new), self._info.features[key].get("info") or {})
        if (found := self._videos.frames(new)) != first:
            raise DatasetError(f"{new}: expected {first} frames, found {found}; nothing was changed")
        self._written.append(new)

    def _renew_image_stats(self, key: str, item: _Item, video: Path, start: int) -> None:
        if key not in item.stats:
            return
        numbers = statistics.sample_indices(item.piece.length)
        if is_depth(
            self._info.features[key]
        ):  # the codes do not tell the unit; the range stays that of before
            item.stats[key] = {**item.stats[key], "count": np.array([len(numbers)])}
            return
        height, width = self._info.features[key]["shape"][:2]
        every = statistics.thinning(height, width)
        images = [image[::every, ::every] for image in self._videos.images(video, start, numbers)]
        item.stats[key] = as_written(statistics.image_stats(np.stack(images)))

    # Descriptions

    def _begin_row(self, item: _Item) -> None:
        known = item.source.rows[item.piece.episode]
        prefix = tables.STATS_PREFIX
        item.row = {name: value for name, value in known.items() if not name.startswith(prefix)}
        item.row |= {
            "episode_index": item.number,
            "tasks": self._tasks_of(item),
            "length": item.piece.length,
            "dataset_from_index": item.from_index,
            "dataset_to_index": item.from_index + item.piece.length,
        }
        flat: dict[str, dict[str, Any]] = {}
        for name, value in known.items():
            if name.startswith(prefix) and value is not None:
                key, _, part = name.removeprefix(prefix).rpartition("/")
                flat.setdefault(key, {})[part] = value
        item.stats = {
            key: as_written(statistics.from_plain(part)) for key, part in flat.items() if "count" in part
        }

    def _write_meta(self) -> None:
        tables.write_tasks(prepared(self._layout.tasks), self._tasks)
        self._written.append(self._layout.tasks)
        lines = self._write_episodes()
        for index, part in lines.items():
            prepared(self._layout.recordings_file(index)).write_text("".join(part), encoding="utf-8")
        self._keep_setups()
        self._write_ages()
        total = statistics.total_of([item.stats for item in self._items])
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

    def _write_episodes(self) -> dict[FileIndex, list[str]]:
        """Write the episode rows; return the lines of provenance, by file."""
        index, lines = FileIndex(), {}
        columns = set(self._base.schema.names)
        for start in range(0, len(self._items), EPISODES_PER_FILE):
            items = self._items[start : start + EPISODES_PER_FILE]
            for item in items:
                item.put_in("meta/episodes", index)
            rows = [ordered_row(item.row, flat_stats(item.stats)) for item in items]
            # Datasets that LeRobot has converted lack columns, such as the tasks.
            rows = [{name: row[name] for name in row if name in columns} for row in rows]
            table = tables.conform(pa.Table.from_pylist(rows), self._base.schema)
            path = prepared(self._layout.episodes_file(index))
            tables.write_table(path, [table])
            self._written.append(path)
            lines[index] = [line for item in items for line in self._recording_line(item)]
            index = index.next(self._info.chunks_size)
        return {index: part for index, part in lines.items() if part}

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
        for item in self._items:
            setup = item.source.recordings.get(item.piece.episode, {}).get("setup")
            for name, text in read_setup(item.source.root, setup).items():
                path = setup_path(self._directory, str(setup)) / name
                if not path.exists():
                    prepared(path).write_bytes(text.encode())

    def _write_ages(self) -> None:
        for index, items in itertools.groupby(
            self._items, key=lambda item: recordings.ages_index(item.number)
        ):
            parts = [recordings.ages_table(item.number, ages) for item in items if (ages := _ages(item))]
            if parts:
                path = prepared(self._layout.ages_file(index))
                recordings.grow_ages_file(path, path, parts)
                self._written.append(path)

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
        link(old, prepared(new))
        self._kept[new.relative_to(self._directory).as_posix()] = old

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
        paths = {layout.file(kind, index) for kind in kinds for index in self._base.dataset.files(kind)}
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


def _ages(item: _Item) -> dict[str, StreamAges]:
    piece = item.piece
    return {
        name: StreamAges(ages.age_s[piece.start : piece.stop], ages.source_ns[piece.start : piece.stop])
        for name, ages in item.source.ages(piece.episode).items()
    }


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


def prepared(path: Path) -> Path:
    """Make the directory of a path, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path

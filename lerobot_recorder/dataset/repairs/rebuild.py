"""Finds out which episodes of a damaged dataset can be saved, and writes a dataset of them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lerobot_recorder.dataset import files, loading, statistics, tables
from lerobot_recorder.dataset import info as info_json
from lerobot_recorder.dataset.features import DEFAULT_FEATURES, Features, is_video, vector_keys, video_keys
from lerobot_recorder.dataset.info import CODEBASE_VERSION, DatasetInfo
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.placement import TOLERANCE_S
from lerobot_recorder.dataset.repairs.alignment import (
    FoundEpisode,
    first_frames,
    match_rows,
    split_episodes,
    whole_numbers,
)
from lerobot_recorder.dataset.repairs.describe import (
    Column,
    find_features,
    find_rate,
    good_rows,
    rate_of_rows,
)
from lerobot_recorder.dataset.repairs.evidence import Evidence, Look
from lerobot_recorder.dataset.repairs.finding import Finding
from lerobot_recorder.dataset.stat_faults import MOMENTS, TOLERANCES
from lerobot_recorder.dataset.statistics import Stats, as_written
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.excerpt import counted, listing

_SIZES = ("chunks_size", "data_files_size_in_mb", "video_files_size_in_mb")
_OPTIONAL = (*_SIZES, "splits", "data_path", "video_path")
_NUMBERING = ("index", "episode_index", "frame_index", "timestamp", "task_index")


class Reconstruction:
    """What can be saved of the dataset at ``root``.

    Attributes:
        evidence: what its files hold.
        findings: what is wrong, and what is done about it.
        fps: frames per second.
        features: all features that can be saved.
        episodes: the episodes that can be saved, in order.
        tasks: the tasks in the order of their new indices.
        rewritten: data files that change.
        stats: statistics of the rows of each episode.
    """

    def __init__(self, root: Path, look: Look) -> None:
        """Read the dataset.

        Raises:
            DatasetError: it is no dataset of format v3.0, or nothing of it can be saved.
        """
        self.evidence = Evidence(root, look)
        self.findings: list[Finding] = self.evidence.findings
        self._columns: dict[str, Column] = {}
        self.rewritten: set[FileIndex] = set(self.evidence.damaged)
        found = self._split()
        for row in match_rows(found, self.evidence.episodes):
            what = f"episode {row['episode_index']}"
            lost = f"{what} ({counted(int(row.get('length') or 0), 'row')})"
            self._note(f"meta/episodes: {what} has no rows in data", "its episode row is left out", lost)
        for each in found:
            if not each.row and self.evidence.episodes:
                self._note(f"meta/episodes: no row of {each.name}", "made anew from its rows and videos")
        self.fps = self._find_fps(found)
        self.features = self._find_features()
        self.episodes = self._savable(found)
        self._number()
        self.tasks, self._task_names = self._find_tasks()
        self.stats: dict[int, dict[str, Stats]] = {}
        self._compare_rows()
        self._note_strays()
        self._note_flipped()

    def _note(self, what: str, repair: str, lost: str = "") -> None:
        self.findings.append(Finding(what, repair, lost))

    # Episodes

    def _split(self) -> list[FoundEpisode]:
        """Split all data files into episodes; leave out those that are there twice."""
        lengths = defaultdict(list)
        for row in sorted(self.evidence.episodes, key=lambda row: row["episode_index"]):
            if (index := _file(row, "data")) is not None:
                lengths[index].append(int(row.get("length") or 0))
        found: list[FoundEpisode] = []
        for index, path in sorted(self.evidence.data.items()):
            table = self._table(index)
            for name in table.column_names:
                self._columns.setdefault(name, Column()).add(table[name])
            fresh = [
                each
                for each in split_episodes(table, index, lengths[index])
                if not self._is_copy(each, found)
            ]
            if not fresh:
                self.evidence.strays.append(path)
                what = "its rows are in another file too" if table.num_rows else "it has no rows"
                self._note(f"{path}: {what}", "set aside")
            found += fresh
        if not found:
            why = "".join(f": {each.what}" for each in self.evidence.findings if "the rows in" in each.lost)
            raise DatasetError(
                f"{self.evidence.root}: no rows can be read{why}; restore the dataset from a copy"
            )
        return found

    def _table(self, index: FileIndex) -> pa.Table:
        table = self.evidence.table(self.evidence.data[index])
        assert table is not None, "only readable files are listed"
        return table

    def _is_copy(self, episode: FoundEpisode, earlier: Sequence[FoundEpisode]) -> bool:
        """Return whether the rows of an episode are those of an earlier one with the same number."""
        for each in earlier:
            if each.label == episode.label is not None and each.file != episode.file:
                tables_of_both = self.rows(each).slice(0, episode.rows), self.rows(episode)
                names = [name for name in tables_of_both[0].column_names if name not in _NUMBERING]
                if all(name in tables_of_both[1].column_names for name in names):
                    one, other = (table.select(names) for table in tables_of_both)
                    if one.schema.equals(other.schema) and one.equals(other):
                        return True
        return False

    def rows(self, episode: FoundEpisode) -> pa.Table:
        """Return the rows of an episode that are kept, in the order of their frames."""
        table = self._table(episode.file)
        if episode.order is not None:
            return table.take(pa.array(episode.order[: episode.length]))
        return table.slice(episode.start, episode.length)

    # Rate and features

    def _find_fps(self, found: Sequence[FoundEpisode]) -> int:
        times = [
            tables.column_values(table["timestamp"]).astype(np.float64)
            for each in found[:100]
            if "timestamp" in (table := self.rows(each)).column_names
            and pa.types.is_floating(table["timestamp"].type)
            and not table["timestamp"].null_count
        ]
        rates = [seen.fps for files_of in self.evidence.videos.values() for _, seen in files_of.values()]
        fps = find_rate(self.evidence.content.get("fps"), rate_of_rows(times), rates)
        if fps is None:
            raise DatasetError(
                f"{self.evidence.root}: neither meta/info.json nor timestamps nor videos show the frames per "
                'second; write {"fps": 30} or what it is into meta/info.json, then repair again'
            )
        return fps

    def _find_features(self) -> Features:
        seen = {key: [each for _, each in of.values()] for key, of in self.evidence.videos.items()}
        found = find_features(self.evidence.features, self._columns, seen)
        for key in self.evidence.features:
            if key not in found:
                what = f"feature {key} has neither a column nor videos"
                self._note(f"meta/info.json: {what}", "left out", f"feature {key}")
        return found

    # What can be saved

    def _savable(self, found: Sequence[FoundEpisode]) -> list[FoundEpisode]:
        """Cut the episodes to the rows that have values and pictures of all features."""
        limits = {**self._limits_of_rows(found), **self._limits_of_videos(found)}
        for key, rows in list(limits.items()):
            if not any(rows):
                del limits[key], self.features[key]
                self._note(
                    f"{key}: no episode has values of it", "the feature is left out", f"{key} as a whole"
                )
        for number, each in enumerate(found):
            lengths = {key: rows[number] for key, rows in limits.items()}
            each.length = min(lengths.values(), default=each.rows)
            if each.length < each.rows:
                self._note_cut(each, min(lengths, key=lengths.__getitem__))
        saved = [each for each in found if each.length]
        if not saved:
            raise DatasetError(
                f"{self.evidence.root}: no episode has all its rows and pictures; restore it from a copy"
            )
        return saved

    def _note_cut(self, each: FoundEpisode, key: str) -> None:
        self.rewritten.add(each.file)
        if each.length:
            lost = f"{each.rows - each.length} of {counted(each.rows, 'row')} of {each.name}"
            self._note(f"{each.name}: {key} ends after {counted(each.length, 'row')}", "its end is cut", lost)
        else:
            self._note(
                f"{each.name}: nothing of {key}", "left out", f"{each.name} ({counted(each.rows, 'row')})"
            )

    def _limits_of_rows(self, found: Sequence[FoundEpisode]) -> dict[str, list[int]]:
        keys = vector_keys(self.features)
        limits: dict[str, list[int]] = {key: [] for key in keys}
        for index, members in itertools.groupby(found, key=lambda each: each.file):
            table, of_file = self._table(index), list(members)
            for key in keys:
                has_column = key in table.column_names
                good = good_rows(table[key], self.features[key]) if has_column else np.zeros(len(table), bool)
                limits[key] += [_leading(good, each) for each in of_file]
        return limits

    def _limits_of_videos(self, found: Sequence[FoundEpisode]) -> dict[str, list[int]]:
        return {key: self._limits_of_camera(key, found) for key in video_keys(self.features)}

    def _limits_of_camera(self, key: str, found: Sequence[FoundEpisode]) -> list[int]:
        """Find the pictures of each episode; return how many of its rows have one."""
        videos, limits = self.evidence.videos[key], [0] * len(found)
        members: dict[FileIndex, list[int]] = defaultdict(list)
        starts = [0] * len(found)
        noted = [self._noted_place(key, each) for each in found]
        taken = {place for place in noted if place is not None}
        last: tuple[FileIndex, int] | None = None
        for number, each in enumerate(found):
            place = noted[number] or self._next_place(key, each, last, taken)
            if place is not None:
                starts[number] = place[1]
                members[place[0]].append(number)
                last = place[0], place[1] + each.rows
        for index, numbers in members.items():
            lengths = [found[number].rows for number in numbers]
            begins_noted = [starts[number] for number in numbers]
            begins, counts = first_frames(begins_noted, lengths, videos[index][1].frames)
            for number, begin, count in zip(numbers, begins, counts, strict=True):
                found[number].videos[key] = index, begin
                limits[number] = count
            self._note_video(key, index, [found[number] for number in numbers], begins)
        unused = [path for index, (path, _) in videos.items() if index not in members]
        for path in unused:
            self.evidence.strays.append(path)
            self._note(f"{path}: no episode is in it", "set aside")
        return limits

    def _noted_place(self, key: str, each: FoundEpisode) -> tuple[FileIndex, int] | None:
        """Return the place of an episode's pictures by its episode row."""
        index, start = _file(each.row, f"videos/{key}"), each.row.get(f"videos/{key}/from_timestamp")
        is_known = isinstance(start, (int, float)) and math.isfinite(start) and start >= 0
        if index is None or index not in self.evidence.videos[key] or not is_known:
            return None
        return index, round(float(start) * self.fps)  # type: ignore[arg-type]

    def _next_place(
        self,
        key: str,
        each: FoundEpisode,
        last: tuple[FileIndex, int] | None,
        taken: set[tuple[FileIndex, int]],
    ) -> tuple[FileIndex, int] | None:
        """Return the place after the episode before, or in the next file, where frames belong to no other.

        An episode whose row names a file that cannot be read gets frames of another file only if there are
        exactly as many as it has rows.
        """
        videos, named = self.evidence.videos[key], _file(each.row, f"videos/{key}")
        later = [(index, 0) for index in videos if last is None or index > last[0]]
        places = [last, *later] if last is not None else later
        free = {place: self._free_frames(key, place, taken) for place in places}
        if named is not None and named not in videos:
            is_gone = not self.evidence.layout.video_file(key, named).exists()
            return next((place for place in places if is_gone and free[place] == each.rows), None)
        fitting = (place for place in places[:2] if free[place] >= each.rows)
        return next(fitting, next((place for place in places if free[place] > 0), None))

    def _free_frames(self, key: str, place: tuple[FileIndex, int], taken: set[tuple[FileIndex, int]]) -> int:
        index, start = place
        ends = [begin for file, begin in taken if file == index and begin >= start]
        return min([self.evidence.videos[key][index][1].frames, *ends]) - start

    def _note_video(
        self, key: str, index: FileIndex, members: Sequence[FoundEpisode], begins: Sequence[int]
    ) -> None:
        path, seen = self.evidence.videos[key][index]
        rows = sum(each.rows for each in members)
        what = f"{path}: has {seen.frames} frames for {counted(rows, 'row')}"
        if not seen.is_whole:
            self._note(f"{path}: cut short", f"its {counted(seen.frames, 'complete frame')} are kept")
        elif seen.frames > rows:
            extra = counted(seen.frames - rows, "frame")
            lost = f"{extra} of {key} without rows"
            self._note(
                f"{path}: has {seen.frames} frames for {counted(rows, 'row')}", "others are cut out", lost
            )
        elif seen.frames < rows:
            self._note(
                f"{path}: has {seen.frames} frames for {counted(rows, 'row')}", "its last rows are cut"
            )
        if not seen.is_on_grid(self.fps):
            self._note(
                f"{path}: its frames are not at multiples of 1/{self.fps} s", "put there, not encoded again"
            )
        drifted = [
            each
            for each, begin in zip(members, begins, strict=True)
            if each.row and not _is_at(each.row.get(f"videos/{key}/from_timestamp"), begin / self.fps)
        ]
        if drifted:
            what = (
                f"from_timestamp of {len(drifted)} of {counted(len(members), 'episode')} is not that of its"
            )
            self._note(f"{path}: {what} first frame", "computed from the numbers of the frames")
        if [each for each in members if not each.row] and seen.frames != rows:
            self._note(
                f"{path}: nothing notes where the pictures of {members[-1].name} begin",
                "placed by counting frames: compare them with `lerobot-recorder show`",
            )

    # Numbers

    def _number(self) -> None:
        start = 0
        for number, each in enumerate(self.episodes):
            each.number, each.from_index = number, start
            start += each.length
        wrong = [
            name
            for each in self.episodes
            for name, value in self.bounds(each).items()
            if each.row and each.row.get(name) != value
        ]
        if wrong:
            counts = {name: wrong.count(name) for name in wrong}
            shown = [f"{name} of {counted(count, 'episode')}" for name, count in counts.items()]
            self._note(f"meta/episodes: wrong {listing(shown)}", "computed anew")

    def bounds(self, each: FoundEpisode) -> dict[str, int]:
        """Return the new numbers of an episode, as its row has them."""
        return {
            "episode_index": each.number,
            "length": each.length,
            "dataset_from_index": each.from_index,
            "dataset_to_index": each.from_index + each.length,
        }

    def _find_tasks(self) -> tuple[list[str], dict[int, str]]:
        """Return the tasks, and the name of each by its number in the rows."""
        names = dict(self.evidence.tasks)
        unnamed: set[int] = set()
        for each in self.episodes:
            numbers = self._task_numbers(each)
            sentences = each.row.get("tasks") or []
            if len(numbers) == 1 == len(sentences):
                names.setdefault(numbers[0], sentences[0])
            unnamed.update(number for number in numbers if number >= 0)
        for number in sorted(unnamed - set(names)):
            if not any(each.row.get("tasks") for each in self.episodes if number in self._task_numbers(each)):
                names[number] = f"unknown task {number}"
                self._note(
                    f"meta/tasks.parquet: no sentence of task {number}",
                    f"named {names[number]!r}; `lerobot-recorder edit task` changes it",
                    f"the sentence of task {number}",
                )
        known = {number: names[number] for number in sorted(names) if number >= 0}
        listed = [sentence for each in self.episodes for sentence in each.row.get("tasks") or []]
        tasks = list(dict.fromkeys([*known.values(), *listed]))
        return tasks or ["unknown task"], known

    def _task_numbers(self, each: FoundEpisode) -> list[int]:
        numbers = whole_numbers(self.rows(each), "task_index")
        return [] if numbers is None else list(dict.fromkeys(numbers.tolist()))

    def task_indices(self, each: FoundEpisode) -> npt.NDArray[np.int64]:
        """Return the new task index of each row of an episode."""
        sentences = each.row.get("tasks") or []
        instead = sentences[0] if sentences else self.tasks[0]
        numbers = whole_numbers(self.rows(each), "task_index")
        if numbers is None:
            return np.full(each.length, self.tasks.index(instead))
        new = {
            number: self.tasks.index(self._task_names.get(number, instead))
            for number in set(numbers.tolist())
        }
        return np.array([new[number] for number in numbers.tolist()])

    def tasks_of(self, each: FoundEpisode) -> list[str]:
        """Return the tasks of an episode."""
        of_rows = [self.tasks[number] for number in dict.fromkeys(self.task_indices(each).tolist())]
        return list(dict.fromkeys([*(each.row.get("tasks") or []), *of_rows]))

    def columns(self, each: FoundEpisode) -> dict[str, npt.NDArray[Any]]:
        """Return the new numbers of the rows of an episode."""
        return {
            "timestamp": np.arange(each.length) / self.fps,
            "frame_index": np.arange(each.length),
            "episode_index": np.full(each.length, each.number),
            "index": np.arange(each.from_index, each.from_index + each.length),
            "task_index": self.task_indices(each),
        }

    # Comparison

    def _compare_rows(self) -> None:
        """Find the data files whose rows change, and compute the statistics of all episodes."""
        names = {key for key, feature in self.features.items() if not is_video(feature)}
        for index, group in itertools.groupby(self.episodes, key=lambda each: each.file):
            members, path = list(group), self.evidence.data[index]
            table = self._table(index)
            if sum(each.length for each in members) != table.num_rows:
                self.rewritten.add(index)
            for each in members:
                self._compare_episode(each, path)
            if missing := sorted(names - set(table.column_names)):
                self._rewrite(index, f"{path}: no column {listing(missing)}", "added")
            if extra := sorted(set(table.column_names) - names):
                self._rewrite(index, f"{path}: column {listing(extra)}", "left out", listing(extra))
            self._compare_types(index, path, table)

    def _rewrite(self, index: FileIndex, what: str, repair: str, lost: str = "") -> None:
        self.rewritten.add(index)
        if not any(each.what == what for each in self.findings):
            self._note(what, repair, lost)

    def _compare_types(self, index: FileIndex, path: Path, table: pa.Table) -> None:
        info = DatasetInfo(
            self.fps, {key: ft for key, ft in self.features.items() if key in table.column_names}
        )
        if index not in self.rewritten:
            for fault in loading.data_columns(info, path, table):
                self._rewrite(index, fault.rstrip("."), "written anew")

    def _compare_episode(self, each: FoundEpisode, path: Path) -> None:
        rows = self.rows(each)
        if each.order is not None:
            self._rewrite(each.file, f"{path}: the rows of {each.name} are not in order", "put in order")
        for name, wanted in self.columns(each).items():
            if name in rows.column_names and not _equal(rows[name], wanted, name):
                self._rewrite(each.file, f"{path}: wrong {name}", "computed anew")
        unlisted = [task for task in self.tasks_of(each) if task not in (each.row.get("tasks") or [])]
        if each.row and unlisted:
            self._note(f"meta/episodes: {each.name} lacks the task of its rows, {unlisted[0]!r}", "added")
        self.stats[each.number] = self._stats_of_rows(each, rows)

    def _stats_of_rows(self, each: FoundEpisode, rows: pa.Table) -> dict[str, Stats]:
        numbers = self.columns(each)
        found = {}
        for key, feature in self.features.items():
            if feature["dtype"] in ("video", "image", "string", "language"):
                continue
            values = numbers[key] if key in numbers else tables.column_values(rows[key])
            computed = as_written(statistics.vector_stats(values))
            stored = stored_stats(each, key)
            found[key] = stored if stored is not None and _agree(stored, computed) else computed
        return found

    # The rest

    def changed_bytes(self) -> int:
        """Return an upper bound of the bytes that are written anew, in place of links."""
        root = self.evidence.root
        paths = [path for index, path in self.evidence.data.items() if index in self.rewritten]
        paths += [path for path in (root / "meta").rglob("*") if path.is_file()]
        for key in video_keys(self.features):
            for index, (path, seen) in self.evidence.videos[key].items():
                rows = sum(each.length for each in self.episodes if each.videos[key][0] == index)
                is_sound = seen.is_whole and seen.is_on_grid(self.fps)
                if rows and not (is_sound and rows == seen.frames):
                    paths += [path, path]  # on the grid, then cut
        return sum(path.stat().st_size for path in paths)

    def _note_strays(self) -> None:
        for path in sorted(self.evidence.root.glob("data/*/*.parquet")):
            index = next((i for i, each in self.evidence.data.items() if each == path), None)
            is_used = any(each.file == index for each in self.episodes)
            if not is_used and path not in self.evidence.strays:
                self.evidence.strays.append(path)
                self._note(f"{path}: no episode of it can be saved", "set aside")

    def _note_flipped(self) -> None:
        try:
            changed = list(files.damaged(self.evidence.root))
        except DatasetError as error:
            self._note(f"{error}", "computed anew")
            return
        for path in changed:
            name = path.relative_to(self.evidence.root)
            self._note(
                f"{path}: its bytes have changed since it was written",
                "kept as it is, with a new checksum; restore it from a copy if there is one",
                f"perhaps pictures or rows in {name}",
            )

    def info(self) -> DatasetInfo:
        """Return the new ``info.json``."""
        content = self.evidence.content
        robot, layout = content.get("robot_type"), self.evidence.layout
        sizes = {name: content[name] for name in _SIZES if _is_size(content.get(name))}
        known = {each.name for each in dataclasses.fields(DatasetInfo)}
        return DatasetInfo(
            fps=self.fps,
            features=self.features,
            robot_type=robot if isinstance(robot, str) else None,
            total_episodes=len(self.episodes),
            total_frames=sum(each.length for each in self.episodes),
            total_tasks=len(self.tasks),
            data_path=layout.data_template,
            video_path=layout.video_template if video_keys(self.features) else content.get("video_path"),
            splits=self._splits(content.get("splits")),
            codebase_version=CODEBASE_VERSION,
            extra={name: value for name, value in content.items() if name not in known},
            **sizes,
        )

    def _splits(self, splits: Any) -> dict[str, str]:
        """Return the splits with the new numbers of their episodes."""
        if not isinstance(splits, dict) or not set(splits) - {"train"}:
            return {"train": f"0:{len(self.episodes)}"}
        found = {}
        for name, span in splits.items():
            first, _, stop = str(span).partition(":")
            if first.isdecimal() and stop.isdecimal():
                inside = [
                    each.number
                    for each in self.episodes
                    if int(first) <= int(each.row.get("episode_index", each.number)) < int(stop)
                ]
                if inside:
                    found[name] = f"{inside[0]}:{inside[-1] + 1}"
        return found or {"train": f"0:{len(self.episodes)}"}

    def differences(self) -> Iterator[Finding]:
        """Compare the descriptions with the new ones."""
        content, new = self.evidence.content, json.loads(info_json.to_json(self.info()))
        if content:
            path = self.evidence.layout.info
            for name, value in new.items():
                if name == "features":
                    yield from self._feature_differences(value)
                elif content.get(name) != value and (name != "splits" or content.get(name)):
                    found = "missing" if name not in content else repr(content[name])
                    is_default = name not in content and name in (
                        *_SIZES,
                        "splits",
                        "data_path",
                        "video_path",
                    )
                    if not is_default:
                        yield Finding(f"{path}: {name} is {found}", f"becomes {value!r}")
        if self.evidence.tasks and self._task_file_differs():
            yield Finding(f"{self.evidence.layout.tasks}: wrong numbers or names", "written anew")
        if self.evidence.stats() is None:
            yield Finding(f"{self.evidence.layout.stats}: missing, or cannot be read", "computed anew")

    def _feature_differences(self, features: dict[str, Any]) -> Iterator[Finding]:
        declared = self.evidence.features
        for key, feature in features.items():
            known = declared.get(key)
            if known == feature:
                continue
            names = known.get("names") if isinstance(known, dict) else None
            had_names = names or known is None
            lost = (
                f"names of {key}"
                if had_names and not feature["names"] and key not in DEFAULT_FEATURES
                else ""
            )
            what = "not declared" if known is None else "not declared as the files have it"
            shown = f"declared as {feature['dtype']} {feature['shape']}"
            yield Finding(f"{self.evidence.layout.info}: feature {key} is {what}", shown, lost)

    def _task_file_differs(self) -> bool:
        path = self.evidence.layout.tasks
        try:
            return tables.read_tasks(path) != self.tasks or bool(list(loading.tasks(path)))
        except DatasetError:
            return True


def stored_stats(each: FoundEpisode, key: str) -> Stats | None:
    """Return the statistics of a feature in an episode's row; None if they are incomplete."""
    prefix = f"{tables.STATS_PREFIX}{key}/"
    plain = {
        name.removeprefix(prefix): value
        for name, value in each.row.items()
        if name.startswith(prefix) and value is not None
    }
    found = statistics.from_plain(plain)
    return as_written(found) if statistics.is_usable(found) else None


def _agree(stored: Stats, computed: Stats) -> bool:
    names = MOMENTS
    if stored.keys() < computed.keys() or stored["count"][0] != computed["count"][0]:
        return False
    if any(stored[name].shape != computed[name].shape for name in names):
        return False
    scale = max(1e-6, float(np.abs(computed["min"]).max()), float(np.abs(computed["max"]).max()))
    return all(
        np.allclose(stored[name], computed[name], rtol=0, atol=TOLERANCES[name] / 2 * scale) for name in names
    )


def _file(row: tables.Row, kind: str) -> FileIndex | None:
    numbers = [row.get(f"{kind}/{part}") for part in ("chunk_index", "file_index")]
    are_numbers = all(isinstance(each, (int, float)) and math.isfinite(each) for each in numbers)
    return FileIndex(*(int(each) for each in numbers)) if are_numbers else None  # type: ignore[arg-type]


def _leading(good: npt.NDArray[np.bool_], each: FoundEpisode) -> int:
    """Return how many rows of an episode come before the first bad one."""
    inside = good[each.order] if each.order is not None else good[each.start : each.stop]
    return each.rows if inside.all() else int(np.argmin(inside))


def _equal(column: pa.ChunkedArray, wanted: npt.NDArray[Any], name: str) -> bool:
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return False
    tolerance = TOLERANCE_S if name == "timestamp" else 0.0
    return bool((np.abs(column.to_numpy() - wanted) <= tolerance).all())


def _is_at(found: Any, wanted: float) -> bool:
    return isinstance(found, (int, float)) and abs(found - wanted) <= TOLERANCE_S


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf

"""Reads what is left of a damaged dataset, and notes what cannot be read."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lerobot_recorder.dataset import recordings, salvage, statistics, tables
from lerobot_recorder.dataset.features import DEFAULT_FEATURES
from lerobot_recorder.dataset.files import is_lfs_pointer
from lerobot_recorder.dataset.info import CODEBASE_VERSION
from lerobot_recorder.dataset.layout import (
    DATA_PATH,
    EPISODES_PATH,
    VIDEO_PATH,
    DatasetLayout,
    FileIndex,
    check_template,
)
from lerobot_recorder.dataset.repairs.alignment import whole_numbers
from lerobot_recorder.dataset.repairs.describe import Seen
from lerobot_recorder.dataset.repairs.finding import Finding
from lerobot_recorder.dataset.statistics import Stats
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.excerpt import counted, listing

Look = Callable[[Path], Seen | None]
"""Reads the properties of a video file; None if it is not a readable video."""

_FIELDS = {"chunk_index": r"\d+", "file_index": r"\d+", "video_key": r"[^/]+"}
_KEPT_TABLES = 3


class Evidence:
    """The files of the dataset at ``root``, as far as they can be read.

    Attributes:
        root: its directory.
        findings: what is wrong with single files.
        content: the entries of ``info.json``, not checked; empty if it cannot be read.
        layout: where its files are.
        data: its data files by number.
        damaged: those data files that are not complete, although rows of them can be read.
        episodes: its episode rows, those of damaged files too.
        tasks: its tasks by number.
        videos: the readable video files of each camera, by number.
        strays: files that do not belong to the dataset.
    """

    def __init__(self, root: Path, look: Look) -> None:
        """Read the files.

        Raises:
            DatasetError: it is no dataset of format v3.0, or some of its files were not fetched.
        """
        self.root = root
        self.findings: list[Finding] = []
        self.strays: list[Path] = []
        self.content = self._read_info()
        _check_format(root, self.content)
        self.layout = DatasetLayout(root, self._template("data_path"), self._template("video_path"))
        _check_fetched(root)
        self.table = lru_cache(_KEPT_TABLES)(self._read_data)
        self.damaged: set[FileIndex] = set()
        self.data = self._data_files()
        self.episodes = self._episode_rows()
        self.tasks = self._read_tasks()
        self.videos = self._video_files(look)

    def _template(self, name: str) -> str:
        default = DATA_PATH if name == "data_path" else VIDEO_PATH
        value = str(self.content.get(name, ""))
        try:
            check_template(name, value, () if name == "data_path" else ("a", "b"))
        except (ValueError, TypeError, AttributeError):
            return default
        return value

    def _note(self, what: str, repair: str, lost: str = "") -> None:
        self.findings.append(Finding(what, repair, lost))

    # Descriptions

    def _read_info(self) -> dict[str, Any]:
        path = self.root / "meta/info.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self._note(f"{path}: missing", "written anew from rows and videos", "names of joints, robot_type")
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self._note(
                f"{path}: cannot be read: {error}",
                "written anew from rows and videos",
                "names of joints, robot_type",
            )
            return {}
        if not isinstance(content, dict):
            self._note(
                f"{path}: expected an object, found {type(content).__name__}",
                "written anew from rows and videos",
                "names of joints, robot_type",
            )
            return {}
        return content

    @property
    def features(self) -> Mapping[str, Any]:
        """The declared features, not checked."""
        found = self.content.get("features")
        return found if isinstance(found, dict) else {}

    def _read_tasks(self) -> dict[int, str]:
        path = self.layout.tasks
        try:
            table = tables.read_table(path)
        except DatasetError as error:
            self._note(_plain(error), "written anew from the tasks of the episode rows")
            return {}
        names = [name for name in table.column_names if name != "task_index"]
        numbers = whole_numbers(table, "task_index")
        if len(names) != 1 or numbers is None:
            self._note(
                f"{path}: expected task_index and the task, found {listing(table.column_names)}",
                "written anew from the tasks of the episode rows",
            )
            return {}
        return dict(zip(map(int, numbers), map(str, table[names[0]].to_pylist()), strict=True))

    def stats(self) -> dict[str, Stats] | None:
        """Read ``stats.json``; None if it cannot be read."""
        try:
            return statistics.from_json(self.layout.stats.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    # Frame rows

    def _data_files(self) -> dict[FileIndex, Path]:
        found: dict[FileIndex, Path] = {}
        for path in self.layout.data_files():
            index = file_index(self.layout.data_template, path.relative_to(self.root))
            if index is None:
                self._stray(path, "no data file of the dataset has this name")
            elif self._read_data(path) is not None:
                found[index] = path
        return found

    def _stray(self, path: Path, why: str) -> None:
        self.strays.append(path)
        self._note(f"{path}: {why}", "set aside")

    def _read_data(self, path: Path) -> pa.Table | None:
        index = file_index(self.layout.data_template, path.relative_to(self.root))
        assert index is not None, "checked before"
        try:
            table = tables.read_table(path)
        except DatasetError as error:
            table = salvage.read_rows(path, self._schemas, _are_frames)
            if index not in self.damaged:
                self.damaged.add(index)
                self._note_damaged(path, error, table, "row")
        return None if table is None else self._each_once(path, table, index)

    def _schemas(self) -> Iterator[pa.Schema]:
        """Yield the columns that a damaged data file may have."""
        for path in self.layout.data_files():
            try:
                yield tables.data_file_schema(path)
            except DatasetError:
                continue
        try:
            yield _declared_schema(self.features)
        except (LookupError, TypeError, ValueError, AttributeError):
            return

    def _note_damaged(self, path: Path, error: DatasetError, table: pa.Table | None, what: str) -> None:
        if not table:
            self.strays.append(path)
            is_made_again = what != "row"
            lost = "" if is_made_again else f"the rows in {path.relative_to(self.root)}"
            self._note(_plain(error), "set aside", lost)
        else:
            self._note(_plain(error), f"{counted(table.num_rows, what)} of it can be read and are kept")

    def _each_once(self, path: Path, table: pa.Table, index: FileIndex | None = None) -> pa.Table:
        """Drop columns whose name occurs twice, but the first of each."""
        repeated = [name for name, count in Counter(table.column_names).items() if count > 1]
        if not repeated:
            return table
        if index is None or index not in self.damaged:
            self._note(f"{path}: has {listing(repeated)} more than once", "the first column of each is kept")
        if index is not None:
            self.damaged.add(index)
        return table.select([table.column_names.index(name) for name in dict.fromkeys(table.column_names)])

    # Episode rows

    def _episode_rows(self) -> list[tables.Row]:
        found: list[tables.Row] = []
        for path in self.layout.episodes_files():
            if file_index(EPISODES_PATH, path.relative_to(self.root)) is None:
                self._stray(path, "no file of episode rows has this name")
                continue
            try:
                table = tables.read_table(path)
            except DatasetError as error:
                table = salvage.read_rows(path, self._episode_schemas, _are_episodes)
                self._note_damaged(path, error, table, "episode row")
            if table is not None:
                found += self._usable(path, self._each_once(path, table).to_pylist())
        if not found:
            where = self.root / "meta/episodes"
            self._note(f"{where}: no episode rows", "written anew from rows and videos")
        return found

    def _episode_schemas(self) -> Iterator[pa.Schema]:
        for path in self.layout.episodes_files():
            try:
                yield tables.data_file_schema(path)
            except DatasetError:
                continue

    def _usable(self, path: Path, rows: Sequence[tables.Row]) -> Iterator[tables.Row]:
        for number, row in enumerate(rows):
            if not isinstance(row.get("episode_index"), int) or not isinstance(row.get("length"), int):
                self._note(f"{path}: row {number} has no number or no length", "left out; it is made anew")
                continue
            yield {**row, "tasks": _sentences(row.get("tasks"))}

    # Videos

    def _video_files(self, look: Look) -> dict[str, dict[FileIndex, tuple[Path, Seen]]]:
        found: dict[str, dict[FileIndex, tuple[Path, Seen]]] = {}
        for path in sorted((self.root / "videos").rglob("*.mp4")):
            place = file_place(self.layout.video_template, path.relative_to(self.root))
            index = _index(place)
            if index is None or "video_key" not in place or place["video_key"] in DEFAULT_FEATURES:
                self._stray(path, "no video of the dataset has this name")
                continue
            seen = look(path)
            if seen is None or not seen.frames:
                self.strays.append(path)
                self._note(f"{path}: cannot be read as a video", "set aside", f"the pictures in {path.name}")
                continue
            found.setdefault(place["video_key"], {})[index] = (path, seen)
        return {key: dict(sorted(files.items())) for key, files in found.items()}

    # Provenance

    def recordings(self) -> dict[int, recordings.Recording]:
        """Read the provenance of each episode by its number before; note what cannot be read."""
        for path in self.layout.recordings_files():
            try:
                damaged = sum(line is None for line in recordings.read_recordings(path))
            except DatasetError as error:
                self._note(_plain(error), "left out", "verdicts and figures of its episodes")
                continue
            if damaged:
                what = counted(damaged, "line")
                self._note(f"{path}: {what} cannot be read", "left out", f"{what} of meta/recordings")
        try:
            return recordings.recordings_of(self.layout.recordings_files())
        except DatasetError:
            return {}


def file_place(template: str, path: Path) -> dict[str, str]:
    """Parse the fields of a path template from a path; empty if the path does not fit."""
    pattern, seen = "", set()
    for literal, name, _, _ in string.Formatter().parse(template):
        pattern += re.escape(literal)
        if name is None:
            continue
        if name in seen:
            pattern += rf"(?:{_FIELDS[name]})"
        elif name in _FIELDS:
            pattern += f"(?P<{name}>{_FIELDS[name]})"
            seen.add(name)
    match = re.fullmatch(pattern, path.as_posix())
    return match.groupdict() if match else {}


def file_index(template: str, path: Path) -> FileIndex | None:
    """Parse the numbers of a file from its path; None if the path does not fit the template."""
    return _index(file_place(template, path))


def _index(place: Mapping[str, str]) -> FileIndex | None:
    if not place:
        return None
    return FileIndex(int(place.get("chunk_index", 0)), int(place.get("file_index", 0)))


def _declared_schema(features: Mapping[str, Any]) -> pa.Schema:
    """Return the columns of data files with these features, images included."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.schema(
        [
            pa.field(key, image)
            if feature["dtype"] == "image"
            else tables.data_schema({key: feature}).field(key)
            for key, feature in features.items()
            if feature["dtype"] != "video"
        ]
    )


def _are_frames(table: pa.Table) -> bool:
    """Return whether the frames of each episode have rising numbers."""
    frames, episodes = (whole_numbers(table, name) for name in ("frame_index", "episode_index"))
    if frames is None or episodes is None:
        return False
    return bool(((np.diff(frames) == 1) | (np.diff(episodes) != 0)).all())


def _are_episodes(table: pa.Table) -> bool:
    """Return whether each episode has the length that its bounds say."""
    numbers = [whole_numbers(table, name) for name in ("length", "dataset_from_index", "dataset_to_index")]
    length, start, stop = numbers
    if length is None or start is None or stop is None:
        return False
    return bool((stop - start == length).all())


def _plain(error: DatasetError) -> str:
    """Return what is wrong, without the advice."""
    return str(error).partition("; copy or download")[0].rstrip(".")


def _sentences(tasks: Any) -> list[str]:
    if isinstance(tasks, str):
        return [tasks]
    return [str(task) for task in tasks] if isinstance(tasks, (list, tuple)) else []


def _check_format(root: Path, content: Mapping[str, Any]) -> None:
    """Refuse directories that hold something else, such as datasets of format v2.1."""
    version = content.get("codebase_version")
    older = next(root.glob("data/*/episode_*.parquet"), None)
    if older is not None:
        raise DatasetError(
            f"{root}: expected a dataset of format {CODEBASE_VERSION}, found one of format "
            f"{version or 'v2'} with {older.name}; convert it with LeRobot's converter"
        )
    if not any(root.glob("data/*/*.parquet")):
        raise DatasetError(f"{root}: there are no data files, so nothing can be repaired; restore a copy")


def _check_fetched(root: Path) -> None:
    """Refuse datasets whose files Git LFS has not fetched: nothing is wrong with them."""
    for path in sorted(root.rglob("*")):
        if path.suffix in (".parquet", ".mp4") and path.is_file() and is_lfs_pointer(path):
            raise DatasetError(
                f"{path}: a Git LFS pointer, not the file itself; run `git lfs pull`, or download it again"
            )

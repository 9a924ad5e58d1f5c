"""Kinds of damage to a dataset of `filmed`: each function changes the dataset at a path.

`DAMAGES` are faults: with nearly all of them LeRobot 0.6.1 raises or gives other values than before.
`HARMLESS` changes look unusual, but LeRobot reads the same. test/lerobot compares both with LeRobot itself.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from encoded import CAMERA
from filmed import filmed_dataset

Damage = Callable[[Path], object]

DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
VIDEO = f"videos/{CAMERA}/chunk-000/file-000.mp4"
INFO, STATS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"


def rewriting(name: str, change: Callable[[pa.Table], pa.Table], target: str | None = None) -> Damage:
    """Write a changed table in place, or beside it."""

    def damage(root: Path) -> None:
        path = root / (target or name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(change(pq.read_table(root / name)), path)
        except pa.ArrowNotImplementedError as error:
            pytest.skip(f"this pyarrow cannot write it: {error}")

    return damage


def column(table: pa.Table, name: str, values: Any, kind: pa.DataType | None = None) -> pa.Table:
    """Replace the values of a column, and its type if one is given."""
    return table.set_column(table.column_names.index(name), name, pa.array(values, kind or table[name].type))


def values(file: str, name: str, change: Callable[[list], Any], kind: pa.DataType | None = None) -> Damage:
    """Change the values of a column."""
    return rewriting(file, lambda table: column(table, name, change(table[name].to_pylist()), kind))


def put(index: int, value: Any) -> Callable[[list], list]:
    """Replace one value."""
    return lambda old: [*old[:index], value, *old[index + 1 :]]


def entry(file: str, *keys: str, value: Any) -> Damage:
    """Set an entry of a JSON file."""

    def damage(root: Path) -> None:
        content = inner = json.loads((root / file).read_text())
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        (root / file).write_text(json.dumps(content))

    return damage


def without(file: str, *keys: str) -> Damage:
    """Remove an entry of a JSON file."""

    def damage(root: Path) -> None:
        content = inner = json.loads((root / file).read_text())
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        (root / file).write_text(json.dumps(content))

    return damage


def text(file: str, content: str) -> Damage:
    return lambda root: (root / file).write_text(content)


def gone(file: str) -> Damage:
    return lambda root: (root / file).unlink()


def cut(file: str, share: float) -> Damage:
    def damage(root: Path) -> None:
        content = (root / file).read_bytes()
        (root / file).write_bytes(content[: int(len(content) * share)])

    return damage


def other_video(**changes: Any) -> Damage:
    """Put the video of another dataset in place."""

    def damage(root: Path) -> None:
        other = filmed_dataset(root.with_name(f"{root.name}-other"), **changes)
        shutil.copy(other / VIDEO, root / VIDEO)

    return damage


def second_file(change: Callable[[pa.Table], pa.Table]) -> Damage:
    """Move the last episode's row to a second file, changed."""

    def damage(root: Path) -> None:
        table = pq.read_table(root / EPISODES)
        last = column(table.slice(2), "meta/episodes/file_index", [1])
        pq.write_table(table.slice(0, 2), root / EPISODES)
        pq.write_table(change(last), root / EPISODES.replace("file-000", "file-001"))

    return damage


def add(name: str, content: Any) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.append_column(name, pa.array([content] * len(table)))


def drop(*names: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.drop_columns(list(names))


def swapped(table: pa.Table) -> pa.Table:
    return table.take([1, 0, *range(2, len(table))])


def garbage(file: str) -> Damage:
    return lambda root: (root / file).write_bytes(np.random.default_rng(0).bytes(2000))


FROM = f"videos/{CAMERA}/from_timestamp"

DAMAGES: dict[str, Damage] = {
    "info: not JSON": text(INFO, "{"),
    "info: a list": text(INFO, "[]"),
    "info: missing": gone(INFO),
    "info: no fps": without(INFO, "fps"),
    "info: no features": without(INFO, "features"),
    "info: no codebase_version": without(INFO, "codebase_version"),
    "info: fps a string": entry(INFO, "fps", value="30"),
    "info: fps 0": entry(INFO, "fps", value=0),
    "info: fps null": entry(INFO, "fps", value=None),
    "info: version v2.1": entry(INFO, "codebase_version", value="v2.1"),
    "info: version null": entry(INFO, "codebase_version", value=None),
    "info: features a list": entry(INFO, "features", value=[]),
    "info: feature a string": entry(INFO, "features", "action", value="float32"),
    "info: feature without shape": without(INFO, "features", "action", "shape"),
    "info: feature without dtype": without(INFO, "features", "action", "dtype"),
    "info: feature of another shape": entry(INFO, "features", "action", "shape", value=[3]),
    "info: feature of no shape": entry(INFO, "features", "action", "shape", value=[]),
    "info: feature of two dimensions": entry(INFO, "features", "action", "shape", value=[1, 2]),
    "info: feature of unknown dtype": entry(INFO, "features", "action", "dtype", value="float31"),
    "info: feature of another dtype": entry(INFO, "features", "action", "dtype", value="int64"),
    "info: feature without column": entry(
        INFO, "features", "extra", value={"dtype": "float32", "shape": [2], "names": None}
    ),
    "info: video feature without video": entry(
        INFO,
        "features",
        "observation.images.extra",
        value={"dtype": "video", "shape": [48, 64, 3], "names": None},
    ),
    "info: column without feature": without(INFO, "features", "action"),
    "info: video feature is image": entry(INFO, "features", CAMERA, "dtype", value="image"),
    "info: no video_path": entry(INFO, "video_path", value=None),
    "info: unknown field in video_path": entry(INFO, "video_path", value="videos/{camera}.mp4"),
    "info: more episodes": entry(INFO, "total_episodes", value=4),
    "info: more frames": entry(INFO, "total_frames", value=16),
    "info: fewer frames": entry(INFO, "total_frames", value=14),
    "info: no tasks": entry(INFO, "total_tasks", value=0),
    "info: no episodes": entry(INFO, "total_episodes", value=0),
    "info: episodes a string": entry(INFO, "total_episodes", value="3"),
    "info: chunks_size 0": entry(INFO, "chunks_size", value=0),
    "info: chunks_size null": entry(INFO, "chunks_size", value=None),
    "stats: not JSON": text(STATS, "{"),
    "stats: a list": text(STATS, "[]"),
    "stats: ragged": entry(STATS, "action", "mean", value=[[1.0], [1.0, 2.0]]),
    "stats: too few values": entry(STATS, "action", "min", value=[0.0]),
    "stats: too many values": entry(STATS, "action", "q99", value=[0.0, 1.0, 2.0]),
    "stats: too few channels": entry(STATS, CAMERA, "mean", value=[[[0.5]], [[0.5]]]),
    "tasks: missing": gone(TASKS),
    "tasks: garbage": garbage(TASKS),
    "tasks: one missing": rewriting(TASKS, lambda table: table.slice(0, 1)),
    "tasks: not the index": rewriting(TASKS, lambda table: table.replace_schema_metadata(None)),
    "tasks: in another order": rewriting(TASKS, swapped),
    "episodes: missing": gone(EPISODES),
    "episodes: garbage": garbage(EPISODES),
    "episodes: cut": cut(EPISODES, 0.7),
    "episodes: second file with more columns": second_file(add("stats/action/q01", [0.0, 1.0])),
    "episodes: second file with a new column": second_file(add("reward", 1.0)),
    "episodes: second file without video times": second_file(drop(FROM)),
    "episodes: second file of another type": second_file(
        lambda table: column(table, "length", ["six"], pa.string())
    ),
    "episodes: stray file": rewriting(EPISODES, lambda table: table, "meta/episodes/x/y.parquet"),
    "episodes: no rows": rewriting(EPISODES, lambda table: table.slice(0, 0)),
    "episodes: one missing": rewriting(EPISODES, lambda table: table.slice(0, 2)),
    "episodes: in another order": rewriting(EPISODES, swapped),
    "episodes: no video times": rewriting(EPISODES, drop(FROM)),
    "episodes: no video file": rewriting(EPISODES, drop(f"videos/{CAMERA}/file_index")),
    "episodes: no bounds": rewriting(EPISODES, drop("dataset_from_index")),
    "episodes: another video file": values(EPISODES, f"videos/{CAMERA}/file_index", put(1, 1)),
    "episodes: pictures of the next frame": values(
        EPISODES, FROM, lambda old: [old[0], *(t + 1 / 30 for t in old[1:])]
    ),
    "episodes: pictures of the frame before": values(
        EPISODES, FROM, lambda old: [old[0], *(t - 1 / 30 for t in old[1:])]
    ),
    "episodes: between two frames": values(EPISODES, FROM, put(1, 0.14)),
    "episodes: video time null": values(EPISODES, FROM, put(1, None)),
    "episodes: video time NaN": values(EPISODES, FROM, put(1, float("nan"))),
    "data: missing": gone(DATA),
    "data: garbage": garbage(DATA),
    "data: cut": cut(DATA, 0.7),
    "data: stray file": rewriting(DATA, lambda table: table.slice(0, 2), "data/x/y.parquet"),
    "data: stray file before": rewriting(DATA, lambda table: table.slice(0, 2), "data/a/y.parquet"),
    "data: stray file that is not parquet": text("data/chunk-000/._file-000.parquet", "Mac OS X"),
    "data: no rows": rewriting(DATA, lambda table: table.slice(0, 0)),
    "data: last row missing": rewriting(DATA, lambda table: table.slice(0, 14)),
    "data: last episode missing": rewriting(DATA, lambda table: table.slice(0, 9)),
    "data: rows swapped": rewriting(DATA, swapped),
    "data: no action": rewriting(DATA, drop("action")),
    "data: no timestamp": rewriting(DATA, drop("timestamp")),
    "data: extra column": rewriting(DATA, add("reward", 1.0)),
    "data: action too long": values(
        DATA, "action", lambda old: [[*row, 0.0] for row in old], pa.list_(pa.float32(), 3)
    ),
    "data: one action too long": values(DATA, "action", put(3, [0.0, 1.0, 2.0]), pa.list_(pa.float32())),
    "data: action a string": values(DATA, "action", lambda old: ["left"] * len(old), pa.string()),
    "data: one action null": values(DATA, "action", put(3, None)),
    "data: one number of an action null": values(DATA, "action", put(3, [0.0, None])),
    "data: task_index negative": values(DATA, "task_index", put(0, -1)),
    "data: task_index too large": values(DATA, "task_index", put(0, 2)),
    "data: another task": values(DATA, "task_index", put(0, 1)),
    "data: timestamp off the grid": values(DATA, "timestamp", put(3, 0.11)),
    "data: timestamp NaN": values(DATA, "timestamp", put(3, float("nan"))),
    "data: timestamps of the frame before": values(
        DATA, "timestamp", lambda old: [max(0.0, t - 1 / 30) for t in old]
    ),
    "data: another episode": values(DATA, "episode_index", put(3, 1)),
    "data: another action": values(DATA, "action", put(3, [9.0, 9.0])),
    "video: missing": gone(VIDEO),
    "video: garbage": garbage(VIDEO),
    "video: empty": text(VIDEO, ""),
    "video: cut": cut(VIDEO, 0.6),
    "video: fewer frames": other_video(lengths=(4, 5, 3)),
    "video: of another rate": other_video(fps=15),
    "video: git LFS pointer": text(VIDEO, "version https://git-lfs.github.com/spec/v1\nsize 12345\n"),
}

HARMLESS: dict[str, Damage] = {
    "info: fps 30.0": entry(INFO, "fps", value=30.0),
    "info: splits null": entry(INFO, "splits", value=None),
    "info: no splits": without(INFO, "splits"),
    "info: val split": entry(INFO, "splits", value={"train": "0:2", "val": "2:3"}),
    "info: unknown entry": entry(INFO, "total_videos", value=3),
    "info: no robot_type": without(INFO, "robot_type"),
    "info: no chunks_size": without(INFO, "chunks_size"),
    "data: action of float64": values(DATA, "action", lambda old: old, pa.list_(pa.float64(), 2)),
    "data: action a plain list": values(DATA, "action", lambda old: old, pa.list_(pa.float32())),
    "data: another file number": lambda root: (
        (root / DATA).rename(root / DATA.replace("file-000", "file-001")),
        values(EPISODES, "data/file_index", lambda old: [1] * 3)(root),
    ),
    "episodes: two files": second_file(lambda table: table),
    "episodes: second file with fewer statistics": second_file(drop("stats/action/q01")),
    "tasks: index without a name": rewriting(
        TASKS,
        lambda table: table.rename_columns(["task_index", "__index_level_0__"]).replace_schema_metadata(
            {
                key: value.replace(b'"task"', b'"__index_level_0__"')
                for key, value in table.schema.metadata.items()
            }
        ),
    ),
}

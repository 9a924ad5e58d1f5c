"""Writes a dataset in format v2.1: a parquet file per episode, and a video file per episode and camera.

::

    meta/info.json, meta/tasks.jsonl, meta/episodes.jsonl, meta/episodes_stats.jsonl
    data/chunk-000/episode_000000.parquet
    videos/chunk-000/<video_key>/episode_000000.mp4

Rows and video packets stay as they are. Programs for this format use Hugging Face ``datasets`` before 4.0,
which does not know the feature type ``List`` in the metadata of parquet files; its older name is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lerobot_recorder.dataset import tables
from lerobot_recorder.dataset.edits.compose import VideoCuts
from lerobot_recorder.dataset.edits.source import Source
from lerobot_recorder.dataset.features import Features, is_depth, shape_of, video_keys
from lerobot_recorder.errors import DatasetError

VERSION = "v2.1"
DATA_PATH = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
VIDEO_PATH = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"

_STATS = ("min", "max", "mean", "std", "count")
_METADATA = b"huggingface"

Progress = Callable[[int, int], None]


def v21_omits(source: Source) -> list[str]:
    """List the features that format v2.1 cannot have: depth, of which its readers see 8 of 12 bits."""
    return [key for key, feature in source.info.features.items() if is_depth(feature)]


def write_v21(
    directory: Path,
    source: Source,
    *,
    videos: VideoCuts,
    progress: Progress = lambda _done, _total: None,
) -> None:
    """Write all episodes of a dataset in format v2.1.

    Args:
        directory: where to write it; it must exist and be empty.
        source: the dataset.
        videos: writes video files.
        progress: called with the numbers of files done and of all files.

    Raises:
        DatasetError: the dataset cannot be read.
        VideoError: a video cannot be read.
    """
    _Export(directory, source, videos).write(progress)


class _Export:
    def __init__(self, directory: Path, source: Source, videos: VideoCuts) -> None:
        self._directory, self._source, self._videos = directory, source, videos
        omitted = v21_omits(source)
        self._features = {key: ft for key, ft in source.info.features.items() if key not in omitted}
        self._keys = video_keys(self._features)
        self._episodes = source.info.total_episodes

    def write(self, progress: Progress) -> None:
        total = self._episodes * (1 + len(self._keys))
        for done, _ in enumerate(self._files(), start=1):
            progress(done, total)
        self._write_meta()

    def _files(self) -> Iterator[Path]:
        """Write the files of rows and videos one after the other."""
        yield from self._data_files()
        for key in self._keys:
            for episode in range(self._episodes):
                yield self._write_video(key, episode)

    def _path(self, template: str, episode: int, key: str = "") -> Path:
        chunk = episode // self._source.info.chunks_size
        path = self._directory / template.format(episode_chunk=chunk, episode_index=episode, video_key=key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    # Rows

    def _data_files(self) -> Iterator[Path]:
        source, written = self._source, set()
        for index in dict.fromkeys(source.dataset.files("data")):
            expected = source.in_file("data", index)
            for table in tables.read_episodes(source.layout.data_file(index)):
                episode = table["episode_index"][0].as_py()
                if episode in expected:
                    yield self._write_rows(episode, table)
                    written.add(episode)
        if missing := sorted(set(range(self._episodes)) - written):
            raise self._fault(f"no rows of episode {missing[0]}")

    def _write_rows(self, episode: int, table: pa.Table) -> Path:
        expected = int(self._source.dataset.lengths[episode])
        if table.num_rows != expected:
            raise self._fault(f"expected {expected} rows of episode {episode}, found {table.num_rows}")
        path = self._path(DATA_PATH, episode)
        rows = table.replace_schema_metadata(_older_metadata(table.schema.metadata))
        pq.write_table(rows.combine_chunks(), path, compression="snappy")
        return path

    # Videos

    def _write_video(self, key: str, episode: int) -> Path:
        source, path = self._source, self._path(VIDEO_PATH, episode, key)
        start, length = source.first_frame(key, episode), int(source.dataset.lengths[episode])
        video = source.layout.video_file(key, source.file(f"videos/{key}", episode))
        self._videos.write(
            [(video, start, start + length)], path, source.info.features[key].get("info") or {}
        )
        if (found := self._videos.frames(path)) != length:
            raise self._fault(f"expected {length} frames of episode {episode} in {video}, found {found}")
        return path

    def _fault(self, what: str) -> DatasetError:
        root = self._source.root
        return DatasetError(f"{root}: {what}. Run `lerobot-recorder check {root}` to see what is wrong")

    # Descriptions

    def _write_meta(self) -> None:
        meta, rows = self._directory / "meta", self._source.rows
        meta.mkdir(exist_ok=True)
        (meta / "info.json").write_text(
            json.dumps(self._info(), indent=4, ensure_ascii=False), encoding="utf-8"
        )
        tasks = [{"task_index": index, "task": task} for index, task in enumerate(self._source.tasks)]
        _write_lines(meta / "tasks.jsonl", tasks)
        _write_lines(meta / "episodes.jsonl", map(_episode, rows))
        _write_lines(meta / "episodes_stats.jsonl", (_episode_stats(row, self._features) for row in rows))

    def _info(self) -> dict[str, Any]:
        info = self._source.info
        return {
            "codebase_version": VERSION,
            "robot_type": info.robot_type,
            "total_episodes": info.total_episodes,
            "total_frames": info.total_frames,
            "total_tasks": info.total_tasks,
            "total_videos": info.total_episodes * len(self._keys),
            "total_chunks": -(-info.total_episodes // info.chunks_size),
            "chunks_size": info.chunks_size,
            "fps": info.fps,
            "splits": dict(info.splits),
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH if self._keys else None,
            "features": {key: {**ft, "shape": list(shape_of(ft))} for key, ft in self._features.items()},
        }


def _older_metadata(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes] | None:
    """Return the metadata of a file for Hugging Face ``datasets`` before 4.0."""
    try:
        described = json.loads((metadata or {})[_METADATA])
    except (KeyError, ValueError):
        return None  # the columns say enough
    return {_METADATA: json.dumps(_with_sequences(described)).encode()}


def _with_sequences(described: Any) -> Any:
    """Return a description of features in which lists have their older name."""
    if isinstance(described, list):
        return [_with_sequences(each) for each in described]
    if not isinstance(described, dict):
        return described
    renamed = {"_type": "Sequence"} if described.get("_type") == "List" else {}
    return {name: _with_sequences(value) for name, value in described.items()} | renamed


def _episode(row: tables.Row) -> dict[str, Any]:
    tasks = row.get("tasks") or []
    tasks = [tasks] if isinstance(tasks, str) else tasks
    return {"episode_index": row["episode_index"], "tasks": tasks, "length": row["length"]}


def _episode_stats(row: tables.Row, features: Features) -> dict[str, Any]:
    """Return the statistics of an episode; those that its row does not have are left out."""
    stats = {}
    for key in features:
        names = {name: f"{tables.STATS_PREFIX}{key}/{name}" for name in _STATS}
        if all(row.get(column) is not None for column in names.values()):
            stats[key] = {name: row[column] for name, column in names.items()}
    return {"episode_index": row["episode_index"], "stats": stats}


def _write_lines(path: Path, lines: Iterator[dict[str, Any]] | Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")

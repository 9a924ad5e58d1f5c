"""Provenance of episodes, in files that LeRobot ignores.

::

    meta/recordings/chunk-000/file-000.jsonl         a line per episode; files as in ``meta/episodes``
    meta/recordings/ages/chunk-000/file-000.parquet  a row per frame: how old the sample of each stream was

Each file of ages holds few episodes, so that a commit rewrites little even in a large dataset. The number of
an episode determines its file.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lerobot_recorder.dataset import tables
from lerobot_recorder.dataset.episode import StreamAges
from lerobot_recorder.dataset.features import AGE_SUFFIX
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.errors import DatasetError

EPISODES_PER_AGES_FILE = 25

_FOLDER, _FILES = "meta/recordings", "chunk-*/*.jsonl"
_EPISODE_ID = re.compile(rb'"episode_id": ?"([^"\\]+)"')
_SOURCE_SUFFIX = ".source_ns"
_FILES_PER_CHUNK = 1000
_WITHOUT = "move it out of the dataset to go on without these ages"

Recording = dict[str, Any]


# Provenance of episodes


def recording_line(episode_index: int, episode_id: str, recording: Mapping[str, Any]) -> str:
    """Return the line for an episode."""
    known = {"episode_index": episode_index, "episode_id": episode_id}
    return json.dumps({**known, **recording}, ensure_ascii=False) + "\n"


def append_lines(older: Path, lines: Sequence[str]) -> bytes:
    """Return the contents of a file after adding lines; an incomplete last line is ended first."""
    content = older.read_bytes() if older.is_file() else b""
    end = b"" if content.endswith(b"\n") or not content else b"\n"
    return content + end + "".join(lines).encode()


def read_recordings(path: Path) -> Iterator[Recording | None]:
    """Read the lines of a file, None for each invalid line; nothing if there is no file.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        content = path.read_bytes() if path.is_file() else b""
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    for line in content.splitlines():
        yield _parsed(line)


def _parsed(line: bytes) -> Recording | None:
    try:
        recording = json.loads(line)
    except ValueError:
        return None
    return recording if isinstance(recording, dict) else None


def recorded_ids(root: Path) -> set[str]:
    """Return the identifiers that the episodes of the dataset at ``root`` had in the spool.

    Episodes of other programs have none. Damaged lines are skipped.

    Raises:
        OSError: a file cannot be read.
    """
    found: set[str] = set()
    for path in sorted((Path(root) / _FOLDER).glob(_FILES)):
        found.update(match.decode(errors="replace") for match in _EPISODE_ID.findall(path.read_bytes()))
    return found


def recordings_of(paths: Sequence[Path]) -> dict[int, Recording]:
    """Return the provenance of all episodes in some files, by number; the last line of each counts.

    Raises:
        DatasetError: a file cannot be read.
    """
    lines = (recording for path in paths for recording in read_recordings(path) if recording is not None)
    return {line["episode_index"]: line for line in lines if isinstance(line.get("episode_index"), int)}


def origin(recording: Recording) -> str:
    """Return a text that is the same for episodes with one origin: a recording, or a part of a bag.

    Empty if unknown. The parts of a split episode have one origin.
    """
    source = recording.get("source")
    if isinstance(source, dict):
        return f"{source.get('digest')} {source.get('start_ns')} {source.get('end_ns')}"
    return str(recording.get("episode_id") or "")


def duplicates(recordings: Mapping[int, Recording], seconds: Callable[[int], float]) -> list[tuple[int, int]]:
    """Find episodes that share time of the same recording.

    Args:
        recordings: the provenance by the number of the episode
        seconds: returns the length of an episode

    Returns:
        Pairs of numbers, the lower one first.
    """
    known: dict[str, list[tuple[int, int]]] = {}
    for number, recording in recordings.items():
        start_ns = recording.get("started_at_ns")
        if (name := origin(recording)) and isinstance(start_ns, int):
            known.setdefault(name, []).append((start_ns, number))
    found = []
    for parts in map(sorted, known.values()):
        for (start_ns, number), (next_ns, other) in itertools.pairwise(parts):
            if next_ns - start_ns < (seconds(number) * 1e9) // 2:
                found.append((min(number, other), max(number, other)))
    return sorted(found)


def recorded_sources(root: Path) -> list[dict[str, Any]]:
    """Return which parts of bags the episodes of the dataset at ``root`` are from; recorded ones have none.

    Raises:
        DatasetError: a file cannot be read.
    """
    info = load_info(root)
    total = info.total_episodes if info else 0
    known = recordings_of(sorted((root / _FOLDER).glob(_FILES)))
    sources = (line.get("source") for index, line in known.items() if 0 <= index < total)
    return [source for source in sources if isinstance(source, dict)]


def counted_ids(root: Path) -> set[str]:
    """Return those of `recorded_ids` whose episodes ``info.json`` counts.

    Raises:
        DatasetError: a file cannot be read.
    """
    return set(recorded_numbers(root))


def recorded_numbers(root: Path) -> dict[str, int]:
    """Return the numbers of the episodes that ``info.json`` counts, by `recorded_ids`.

    Raises:
        DatasetError: a file cannot be read.
    """
    info = load_info(root)
    total = info.total_episodes if info else 0
    known = recordings_of(sorted((root / _FOLDER).glob(_FILES)))
    return {str(line.get("episode_id")): index for index, line in known.items() if 0 <= index < total}


# Ages of samples


def ages_index(episode_index: int) -> FileIndex:
    """Return the index of the file with an episode's ages."""
    number = episode_index // EPISODES_PER_AGES_FILE
    return FileIndex(number // _FILES_PER_CHUNK, number % _FILES_PER_CHUNK)


def episodes_with_ages(index: FileIndex, total_episodes: int) -> range:
    """Return the numbers of the episodes whose ages are in a file."""
    first = (index.chunk * _FILES_PER_CHUNK + index.file) * EPISODES_PER_AGES_FILE
    return range(first, min(first + EPISODES_PER_AGES_FILE, total_episodes))


def ages_table(episode_index: int, ages: Mapping[str, StreamAges]) -> pa.Table:
    """Make the rows for an episode."""
    rows = len(next(iter(ages.values())).age_s)
    columns = {
        "episode_index": pa.array(np.full(rows, episode_index), pa.int64()),
        "frame_index": pa.array(np.arange(rows), pa.int64()),
    }
    for name, stream in ages.items():
        columns[f"{name}{AGE_SUFFIX}"] = pa.array(stream.age_s, pa.float32())
        columns[f"{name}{_SOURCE_SUFFIX}"] = pa.array(stream.source_ns, pa.int64())
    return pa.table(columns)


def count_ages(path: Path) -> dict[int, int]:
    """Count the rows of each episode in a file of ages.

    Raises:
        DatasetError: the file cannot be read.
    """
    with tables.readable(path, _WITHOUT):
        table = pq.read_table(path, page_checksum_verification=True)
        counted = table.group_by("episode_index").aggregate([([], "count_all")])
        return dict(zip(*(counted[name].to_pylist() for name in ("episode_index", "count_all")), strict=True))


def grow_ages_file(path: Path, older: Path, episodes: Sequence[pa.Table]) -> None:
    """Write a copy of a file of ages with more episodes, a row group for each.

    Args:
        path: the file to write.
        older: the existing file; it need not exist.
        episodes: from `ages_table`; a stream that only some episodes have is null in the others.

    Raises:
        DatasetError: the older file cannot be read.
    """
    first = episodes[0]["episode_index"][0].as_py()
    parts = [*(_older_episodes(older, first) if older.is_file() else ()), *episodes]
    schema = pa.unify_schemas([part.schema for part in parts])
    integers = [field.name for field in schema if field.type == pa.int64()]
    encoding: Any = dict.fromkeys(integers, "DELTA_BINARY_PACKED")
    with pq.ParquetWriter(
        path,
        schema,
        compression="snappy",
        use_dictionary=False,
        column_encoding=encoding,
        write_page_checksum=True,
    ) as writer:
        for part in parts:
            writer.write_table(tables.conform(part, schema))


def _older_episodes(path: Path, before: int) -> Iterator[pa.Table]:
    """Read the episodes of a file, without those that were removed from the dataset."""
    with tables.readable(path, _WITHOUT), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            if table := table.filter(pc.less(table["episode_index"], before)):
                yield table


def read_ages(path: Path, episode_index: int) -> dict[str, StreamAges]:
    """Read how old each stream's samples were in an episode; empty if unknown.

    Raises:
        DatasetError: the file cannot be read.
    """
    if not path.is_file():
        return {}
    with tables.readable(path, _WITHOUT):
        only = [("episode_index", "=", episode_index)]
        return _stream_ages(pq.read_table(path, filters=only, page_checksum_verification=True))


def read_ages_file(path: Path) -> dict[int, dict[str, StreamAges]]:
    """Read what `read_ages` gives for all episodes in a file, by their numbers; empty if there is no file.

    Raises:
        DatasetError: the file cannot be read.
    """
    if not path.is_file():
        return {}
    with tables.readable(path, _WITHOUT):
        table = pq.read_table(path, page_checksum_verification=True)
        return {each["episode_index"][0].as_py(): _stream_ages(each) for each in tables.split_episodes(table)}


def _stream_ages(table: pa.Table) -> dict[str, StreamAges]:
    names = [name.removesuffix(AGE_SUFFIX) for name in table.column_names if name.endswith(AGE_SUFFIX)]
    return {
        name: StreamAges(
            table[f"{name}{AGE_SUFFIX}"].to_numpy().astype(np.float32),
            table[f"{name}{_SOURCE_SUFFIX}"].to_numpy().astype(np.int64),
        )
        for name in names
        if table[f"{name}{AGE_SUFFIX}"].null_count < len(table)
    }

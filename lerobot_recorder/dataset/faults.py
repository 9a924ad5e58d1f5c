"""What can be wrong with counts, rows and files: each function checks one part and yields its faults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lerobot_recorder.dataset import files, loading, recordings, stat_faults, tables
from lerobot_recorder.dataset.features import video_keys
from lerobot_recorder.dataset.info import DatasetInfo
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.placement import TOLERANCE_S
from lerobot_recorder.dataset.reader import CountedDataset
from lerobot_recorder.dataset.setups import SETUPS_PATH, read_setup, setup_id, setup_path
from lerobot_recorder.errors import DatasetError

Reached = Callable[[Path, float], None]
"""Receives how much of a file has been read, as a share of it."""


_SPLIT = re.compile(r"(\d+):(\d+)", re.ASCII)


# Bookkeeping


def totals(dataset: CountedDataset) -> Iterator[str]:
    """Compare the counts in ``info.json`` with the dataset."""
    info, path = dataset.info, dataset.layout.info
    rows = sum(dataset.episode_rows.values())
    if not dataset.is_enough(rows, info.total_episodes):
        yield f"{path}: total_episodes is {info.total_episodes}, but meta/episodes has {rows} rows."
    frames = int(sum(dataset.episodes.get("length", ())))
    if frames != info.total_frames:
        yield f"{path}: total_frames is {info.total_frames}, but the episodes have {frames} rows."
    if not dataset.is_enough(len(dataset.tasks), info.total_tasks):
        yield f"{path}: total_tasks is {info.total_tasks}, but meta/tasks.parquet has {len(dataset.tasks)}."
    yield from (f"{path}: {fault}." for fault in _splits(info))


def _splits(info: DatasetInfo) -> Iterator[str]:
    """Check the splits; LeRobot ignores them."""
    splits = info.splits or {}
    if not isinstance(splits, Mapping):
        yield f"splits is {splits!r}, expected an object of named ranges of episodes"
        return
    everything = f"0:{info.total_episodes}"
    if set(splits) == {"train"} and info.total_episodes and splits["train"] != everything:
        yield f"the train split is {splits['train']}, expected {everything}"
        return
    for name, span in splits.items():
        bounds = _SPLIT.fullmatch(span) if isinstance(span, str) else None
        if not bounds or not int(bounds[1]) <= int(bounds[2]) <= info.total_episodes:
            yield f"the {name} split is {span!r}, expected a range within {everything}"


def episodes(dataset: CountedDataset) -> Iterator[str]:
    """Check that episode rows are consecutive, and that each names its own file."""
    where = dataset.layout.root / "meta/episodes"
    ends = np.cumsum(dataset.lengths)
    homes = [FileIndex.of(path) or FileIndex() for path, n in dataset.episode_rows.items() for _ in range(n)]
    homes = homes[: len(ends)]
    expected = {
        "episode_index": np.arange(len(ends)),
        "dataset_from_index": ends - dataset.lengths,
        "dataset_to_index": ends,
        "meta/episodes/chunk_index": np.array([home.chunk for home in homes]),
        "meta/episodes/file_index": np.array([home.file for home in homes]),
    }
    for name, values in expected.items():
        if name in dataset.episodes:
            yield from unequal(where, f"{name} of episode", dataset.episodes[name], values)
    for episode, names in enumerate(dataset.episodes.get("tasks", ())):
        unknown = [name for name in names if name not in dataset.tasks]
        if unknown:
            yield f"{where}: task {unknown[0]!r} of episode {episode} is not in meta/tasks.parquet."


def unequal(
    where: Path, what: str, found: np.ndarray, expected: np.ndarray, *, first: int = 0, tolerance: float = 0.0
) -> Iterator[str]:
    """Report the first unexpected value, and the number of others."""
    wrong = np.flatnonzero(~(np.abs(found - expected) <= tolerance))
    if len(wrong):
        at = int(wrong[0])
        more = f", and {len(wrong) - 1} more are wrong" if len(wrong) > 1 else ""
        yield f"{where}: {what} {first + at} is {found[at]}, expected {expected[at]}{more}."


def strays(dataset: CountedDataset) -> Iterator[str]:
    """Look for files without episodes; LeRobot reads every data file that it finds."""
    layout = dataset.layout
    found = {"data": layout.data_files()}
    for key in video_keys(dataset.info.features):
        found[f"videos/{key}"] = sorted((layout.root / "videos" / key).glob("*/*.mp4"))
    for kind, paths in found.items():
        used = dataset.members(kind)
        for path in paths:
            if path not in used and not dataset.is_unfinished(path):
                yield f"{path}: no episode is in it."


def flipped_bits(dataset: CountedDataset) -> Iterator[str]:
    """Compare files with their checksums."""
    if dataset.journal is None:
        for path in files.damaged(dataset.layout.root):
            yield (
                f"{path}: its bytes have changed since it was written, its size has not. If it is damaged, "
                "restore it from a copy; if another program changed it, delete "
                f"{files.CHECKSUMS_PATH}."
            )


# Provenance


def set_ups(dataset: CountedDataset) -> Iterator[str]:
    """Check that the set-ups of all episodes are there as they were written, unless all were removed."""
    root = dataset.layout.root
    if not (root / SETUPS_PATH).is_dir():
        return
    known = recordings.recordings_of(dataset.layout.recordings_files())
    named = {line["setup"]: episode for episode, line in sorted(known.items()) if line.get("setup")}
    for setup, episode in named.items():
        try:
            found = read_setup(root, setup)
        except DatasetError as error:
            yield f"{error}."
            continue
        if not found:
            yield f"{setup_path(root, setup)}: missing, but episode {episode} was recorded with it."
        elif setup_id(found) != setup:
            yield f"{setup_path(root, setup)}: its files have changed since they were written."


def provenance(dataset: CountedDataset) -> Iterator[str]:
    """Check the provenance, if there is any: other programs drop it."""
    last = dataset.info.total_episodes - 1
    for path in dataset.layout.recordings_files():
        yield from _recording_lines(path, last if dataset.journal is None else None)
    for path in dataset.layout.ages_files():
        yield from _age_rows(dataset, path)
    yield from set_ups(dataset)


def _recording_lines(path: Path, last: int | None) -> Iterator[str]:
    try:
        lines = list(recordings.read_recordings(path))
    except DatasetError as error:
        yield f"{error}."
        return
    damaged = [str(number) for number, line in enumerate(lines, 1) if line is None]
    if damaged:
        yield f"{path}: line{'s' if len(damaged) > 1 else ''} {', '.join(damaged)} cannot be read as JSON."
    described = (line.get("episode_index") for line in lines if line)
    beyond = [index for index in described if last is not None and isinstance(index, int) and index > last]
    if beyond:
        yield f"{path}: describes episode {beyond[0]}, but the dataset ends with episode {last}."


def _age_rows(dataset: CountedDataset, path: Path) -> Iterator[str]:
    try:
        counted = recordings.count_ages(path)
    except DatasetError as error:
        yield f"{error}."
        return
    for episode, rows in counted.items():
        if episode < dataset.info.total_episodes and rows != dataset.lengths[episode]:
            length = dataset.lengths[episode]
            yield f"{path}: has {rows} rows of episode {episode}, but the episode has {length}."


# Frame rows


@dataclass(frozen=True)
class _DataFile:
    """A data file to check.

    Attributes:
        path: the file.
        table: the rows in it that ``info.json`` counts.
        rows: number of all rows in it.
        start: number of its first row in the dataset.
        episodes: numbers of the episodes in it.
    """

    path: Path
    table: pa.Table
    rows: int
    start: int
    episodes: Sequence[int]


def data(dataset: CountedDataset, reached: Reached) -> Iterator[str]:
    """Check the rows of all data files, in the order in which LeRobot joins them."""
    members = dataset.members("data")
    for path, episodes in members.items():
        if not path.is_file():
            yield f"{path}: missing, though episode {episodes[0]} is in it."
    start = 0
    expected, stored = expected_rows(dataset), stat_faults.all_episode_stats(dataset)
    for path in dataset.layout.data_files():
        try:
            table = tables.read_table(path)
        except DatasetError as error:
            yield f"{error}."
            return
        counted = table.slice(0, max(0, dataset.info.total_frames - start))
        episodes = members.get(path, [])
        file = _DataFile(path, counted, table.num_rows, start, episodes)
        wrong = list(_data_file(dataset, file, expected))
        yield from wrong
        if episodes and not wrong:
            yield from stat_faults.rows(dataset, path, counted, episodes, stored)
        start += counted.num_rows
        reached(path, 1)


def _data_file(dataset: CountedDataset, file: _DataFile, expected: dict[str, np.ndarray]) -> Iterator[str]:
    rows = int(sum(dataset.lengths[episode] for episode in file.episodes))
    if not dataset.is_enough(file.rows, rows):
        yield f"{file.path}: has {file.rows} rows, but the episodes in it have {rows}."
    wrong = list(loading.data_columns(dataset.info, file.path, file.table))
    wrong = wrong or [*_data_values(file, expected), *_row_tasks(dataset, file, expected)]
    yield from wrong


def expected_rows(dataset: CountedDataset) -> dict[str, np.ndarray]:
    """Return the values of the default features, except tasks, in all rows."""
    lengths = dataset.lengths
    index = np.arange(lengths.sum())
    frame_index = index - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return {
        "index": index,
        "episode_index": np.repeat(np.arange(len(lengths)), lengths),
        "frame_index": frame_index,
        "timestamp": frame_index / dataset.info.fps,
    }


def _data_values(file: _DataFile, expected: dict[str, np.ndarray]) -> Iterator[str]:
    for name, values in expected.items():
        if name in file.table.column_names:
            found = file.table[name].to_numpy()[: max(0, len(values) - file.start)]
            wanted = values[file.start : file.start + len(found)]
            tolerance = TOLERANCE_S if name == "timestamp" else 0.0
            what = f"{name} of row"
            yield from unequal(file.path, what, found, wanted, first=file.start, tolerance=tolerance)


def _row_tasks(dataset: CountedDataset, file: _DataFile, expected: dict[str, np.ndarray]) -> Iterator[str]:
    if "task_index" not in file.table.column_names or not file.table.num_rows:
        return
    low, high = pc.min_max(file.table["task_index"]).as_py().values()
    if low < 0 or high >= len(dataset.tasks):
        yield f"{file.path}: task_index goes from {low} to {high}, but there are {len(dataset.tasks)} tasks."
        return
    found = file.table["task_index"].to_numpy()
    episodes = expected["episode_index"][file.start : file.start + len(found)]
    pairs = np.unique(np.stack([episodes, found[: len(episodes)]]), axis=1).T.tolist()
    wrong = [(episode, task) for episode, task in pairs if not _has_task(dataset, episode, task)]
    if wrong:
        (episode, task), more = wrong[0], f", and {len(wrong) - 1} more are wrong" if len(wrong) > 1 else ""
        yield (
            f"{file.path}: rows of episode {episode} have the task {dataset.tasks[task]!r}, "
            f"which meta/episodes does not list{more}."
        )


def _has_task(dataset: CountedDataset, episode: int, task: int) -> bool:
    """Return whether an episode has a task; unknown tasks are reported elsewhere."""
    if "tasks" not in dataset.episodes:
        return True
    given = dataset.episodes["tasks"][episode]
    return dataset.tasks[task] in given or any(name not in dataset.tasks for name in given)

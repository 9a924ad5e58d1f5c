"""What can be wrong with a dataset: each function looks at one part, and yields a sentence per fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol, SupportsFloat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lerobot_recorder.dataset import checksums, loading, recordings, stat_faults, tables
from lerobot_recorder.dataset.features import shape_of, video_keys
from lerobot_recorder.dataset.info import DatasetInfo
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.reader import CountedDataset
from lerobot_recorder.dataset.times import TOLERANCE_S, readable
from lerobot_recorder.dataset.work import Work
from lerobot_recorder.errors import DatasetError, VideoError


class ProbedVideo(Protocol):
    """What is in a video file, as far as it can be known without decoding it."""

    @property
    def frames(self) -> int:
        """Number of frames."""

    @property
    def width(self) -> int:
        """Pixels."""

    @property
    def height(self) -> int:
        """Pixels."""

    @property
    def fps(self) -> SupportsFloat:
        """Frames per second."""

    @property
    def on_grid(self) -> bool:
        """Whether frame k is at k / fps."""


_SPLIT = re.compile(r"(\d+):(\d+)", re.ASCII)

Probe = Callable[[Path], ProbedVideo]
"""Reads what is in a video file; raises `VideoError` where that is not a video."""


# Bookkeeping


def totals(dataset: CountedDataset) -> Iterator[str]:
    """Compare what ``info.json`` counts with what there is."""
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
    """Check the splits; LeRobot does not look at them."""
    splits = info.splits or {}
    if not isinstance(splits, Mapping):
        yield f"splits is {splits!r}, expected an object with a range of episodes each"
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
    """Check that episode rows follow each other, and that each names the file that it is in."""
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
            yield from _unequal(where, f"{name} of episode", dataset.episodes[name], values)
    for episode, names in enumerate(dataset.episodes.get("tasks", ())):
        unknown = [name for name in names if name not in dataset.tasks]
        if unknown:
            yield f"{where}: task {unknown[0]!r} of episode {episode} is not in meta/tasks.parquet."


def _unequal(
    where: Path, what: str, found: np.ndarray, expected: np.ndarray, *, first: int = 0, tolerance: float = 0.0
) -> Iterator[str]:
    """Name the first value that is not as expected, and how many are not."""
    wrong = np.flatnonzero(~(np.abs(found - expected) <= tolerance))
    if len(wrong):
        at = int(wrong[0])
        more = f", and {len(wrong) - 1} more are wrong" if len(wrong) > 1 else ""
        yield f"{where}: {what} {first + at} is {found[at]}, expected {expected[at]}{more}."


def strays(dataset: CountedDataset) -> Iterator[str]:
    """Look for files in which no episode is; LeRobot reads every data file that it finds."""
    layout = dataset.layout
    known = {"data": layout.data_file}
    found = {"data": layout.data_files()}
    for key in video_keys(dataset.info.features):
        known[f"videos/{key}"] = lambda index, key=key: layout.video_file(key, index)  # type: ignore[misc]
        found[f"videos/{key}"] = sorted((layout.root / "videos" / key).glob("*/*.mp4"))
    for kind, paths in found.items():
        used = {known[kind](index) for index in dataset.files(kind)} if dataset.episodes else set()
        for path in paths:
            if path not in used and not dataset.is_unfinished(path):
                yield f"{path}: no episode is in it."


def flipped_bits(dataset: CountedDataset) -> Iterator[str]:
    """Compare files with the checksums that they were written with."""
    if dataset.journal is None:
        for path in checksums.damaged(dataset.layout.root):
            yield (
                f"{path}: its bytes are not those that were written, though they are as many. It is damaged, "
                "bring it back from a copy; or another program has changed it, then delete "
                f"{checksums.CHECKSUMS_PATH}."
            )


# What only the recorder knows


def provenance(dataset: CountedDataset) -> Iterator[str]:
    """Check what is kept of recordings; that it is there is not expected, as others leave it behind."""
    last = dataset.info.total_episodes - 1
    for path in dataset.layout.recordings_files():
        yield from _recording_lines(path, last if dataset.journal is None else None)
    for path in dataset.layout.ages_files():
        yield from _age_rows(dataset, path)


def _recording_lines(path: Path, last: int | None) -> Iterator[str]:
    try:
        lines = list(recordings.read_recordings(path))
    except DatasetError as error:
        yield str(error)
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
        yield str(error)
        return
    for episode, rows in counted.items():
        if episode < dataset.info.total_episodes and rows != dataset.lengths[episode]:
            length = dataset.lengths[episode]
            yield f"{path}: has {rows} rows of episode {episode}, but the episode has {length}."


# Frame rows


@dataclass(frozen=True)
class _DataFile:
    """A data file that is looked at.

    Attributes:
        path: The file.
        table: Its rows, as far as they are counted.
        rows: All rows in it.
        start: The number of its first row in the dataset.
        episodes: The numbers of the episodes in it.
    """

    path: Path
    table: pa.Table
    rows: int
    start: int
    episodes: Sequence[int]


def data(dataset: CountedDataset, work: Work) -> Iterator[str]:
    """Check the rows of all data files, in the order in which LeRobot puts them together."""
    members: dict[Path, list[int]] = {}
    for episode, index in enumerate(dataset.files("data")):
        members.setdefault(dataset.layout.data_file(index), []).append(episode)
    for path, episodes in members.items():
        if not path.is_file():
            yield f"{path}: missing, though episode {episodes[0]} is in it."
    start = 0
    expected, stored = _expected_rows(dataset), stat_faults.all_episode_stats(dataset)
    for path in dataset.layout.data_files():
        try:
            table = tables.read_table(path)
        except DatasetError as error:
            yield str(error)
            return
        counted = table.slice(0, max(0, dataset.info.total_frames - start))
        episodes = members.get(path, [])
        file = _DataFile(path, counted, table.num_rows, start, episodes)
        wrong = list(_data_file(dataset, file, expected))
        yield from wrong
        if episodes and not wrong:
            yield from stat_faults.rows(dataset, path, counted, episodes, stored)
        start += counted.num_rows
        work.reached(path, 1)


def _data_file(dataset: CountedDataset, file: _DataFile, expected: dict[str, np.ndarray]) -> Iterator[str]:
    rows = int(sum(dataset.lengths[episode] for episode in file.episodes))
    if not dataset.is_enough(file.rows, rows):
        yield f"{file.path}: has {file.rows} rows, but the episodes in it have {rows}."
    wrong = list(loading.data_columns(dataset.info, file.path, file.table))
    wrong = wrong or [*_data_values(file, expected), *_row_tasks(dataset, file, expected)]
    yield from wrong


def _expected_rows(dataset: CountedDataset) -> dict[str, np.ndarray]:
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
            yield from _unequal(file.path, what, found, wanted, first=file.start, tolerance=tolerance)


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
            f"which meta/episodes does not give it{more}."
        )


def _has_task(dataset: CountedDataset, episode: int, task: int) -> bool:
    """Tell whether an episode has a task; where it has unknown ones, that is the fault."""
    if "tasks" not in dataset.episodes:
        return True
    given = dataset.episodes["tasks"][episode]
    return dataset.tasks[task] in given or any(name not in dataset.tasks for name in given)


# Videos


def videos(dataset: CountedDataset, key: str, probe: Probe, work: Work | None) -> Iterator[str]:
    """Check that each video file of a camera has exactly the frames of its episodes, in their places.

    Args:
        dataset: the dataset.
        key: the camera.
        probe: reads what is in a video file.
        work: where the files are counted; None where they are read once more.
    """
    times = _row_times(dataset)
    episode = 0
    for index, group in groupby(dataset.files(f"videos/{key}")):
        members = slice(episode, episode + len(list(group)))
        path = dataset.layout.video_file(key, index)
        wrong = [*_spans(dataset, key, path, members), *_video(dataset, key, path, members, probe)]
        yield from wrong or _refused(dataset, key, path, members, times)
        episode = members.stop
        if work is not None:
            work.reached(path, 1)


def _spans(dataset: CountedDataset, key: str, path: Path, members: slice) -> Iterator[str]:
    ends = np.cumsum(dataset.lengths[members])
    for name, frames in (("from", ends - dataset.lengths[members]), ("to", ends)):
        found = dataset.episodes[f"videos/{key}/{name}_timestamp"][members]
        what = f"{name}_timestamp of episode"
        wanted = frames / dataset.info.fps
        yield from _unequal(path, what, found, wanted, first=members.start, tolerance=TOLERANCE_S)


def _row_times(dataset: CountedDataset) -> np.ndarray:
    """Read the timestamps of all rows; those of the grid for rows that have none or a wrong one."""
    grid = _expected_rows(dataset)["timestamp"].astype(np.float32)
    try:
        parts = [tables.read_table(path, ["timestamp"])["timestamp"] for path in dataset.layout.data_files()]
        found = np.concatenate([part.to_numpy() for part in parts])[: len(grid)]
    except (DatasetError, KeyError, ValueError):
        return grid
    if len(found) != len(grid) or found.dtype.kind != "f":
        return grid
    return np.where(np.abs(found - grid) <= TOLERANCE_S, found, grid)


def _refused(
    dataset: CountedDataset, key: str, path: Path, members: slice, times: np.ndarray
) -> Iterator[str]:
    """Look for rows whose picture LeRobot refuses, though it is in its place."""
    ends = np.cumsum(dataset.lengths)
    begins = ends - dataset.lengths
    refused: dict[int, np.ndarray] = {}
    for episode in range(members.start, members.stop):
        rows = np.arange(begins[episode], ends[episode])
        frames = (rows - begins[members.start]) / dataset.info.fps
        from_s = float(dataset.episodes[f"videos/{key}/from_timestamp"][episode])
        wrong = np.flatnonzero(~readable(from_s, times[rows], frames))
        if len(wrong):
            refused[episode] = wrong
    if refused:
        episode, rows = next(iter(refused.items()))
        count = sum(map(len, refused.values()))
        yield (
            f"{path}: LeRobot refuses the pictures of {count} rows in {len(refused)} episodes, the first is "
            f"row {rows[0]} of episode {episode} (FrameTimestampError): it compares times in float32, which "
            "is not exact enough so far into a file. Load it with tolerance_s=2e-4."
        )


def _video(dataset: CountedDataset, key: str, path: Path, members: slice, probe: Probe) -> Iterator[str]:
    frames = int(dataset.lengths[members].sum())
    if not path.is_file():
        yield f"{path}: missing, though episodes with {frames} frames are in it."
        return
    try:
        video = probe(path)
    except VideoError as error:
        yield f"{error}."
        return
    fps = dataset.info.fps
    if not dataset.is_enough(video.frames, frames):
        yield f"{path}: has {video.frames} frames, but the episodes in it have {frames} rows."
    if abs(float(video.fps) - fps) > 1e-3 * fps:
        yield f"{path}: has {float(video.fps):g} frames per second, but the dataset has {fps}."
    elif not video.on_grid:
        yield f"{path}: its frames are not at multiples of 1/{fps} s."
    height, width = shape_of(dataset.info.features[key])[:2]
    if (video.height, video.width) != (height, width):
        yield f"{path}: is {video.width}x{video.height} pixels, expected {width}x{height}."

"""What can be wrong with a dataset: each function looks at one part, and yields a sentence per fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lerobot_recorder.dataset import recordings, statistics, tables
from lerobot_recorder.dataset.counted import CountedDataset
from lerobot_recorder.dataset.features import is_video, shape_of, video_keys
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.times import TOLERANCE_S
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
    def on_grid(self) -> bool:
        """Whether frame k is at k / fps."""


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
    train = f"0:{info.total_episodes}"
    if info.total_episodes and info.splits.get("train") != train:
        yield f"{path}: the train split is {info.splits.get('train')}, expected {train}."


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
        yield from _unequal(where, f"{name} of episode", dataset.episodes[name], values)
    for episode, names in enumerate(dataset.episodes["tasks"]):
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


# Statistics


def stats(dataset: CountedDataset) -> Iterator[str]:
    """Check that statistics are there and finite, over all rows and of each episode."""
    path = dataset.layout.stats
    try:
        found = statistics.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield f"{path}: cannot be read: {error}."
        return
    for key, feature in dataset.info.features.items():
        if feature["dtype"] not in ("string", "language"):
            yield from (f"{path}: {fault}" for fault in _feature_stats(dataset, key, found.get(key, {})))
    for path in dataset.episode_rows:
        yield from _episode_stats(path)


def _feature_stats(dataset: CountedDataset, key: str, found: statistics.Stats) -> Iterator[str]:
    missing = [name for name in ("min", "max", "mean", "std", "count") if name not in found]
    if missing:
        yield f"no {', '.join(missing)} of {key}."
        return
    for name, values in found.items():
        if not np.isfinite(values).all():
            yield f"{name} of {key} is not finite: {values.tolist()}."
    count, frames = int(found["count"].flat[0]), dataset.info.total_frames
    if not is_video(dataset.info.features[key]) and not dataset.is_enough(count, frames):
        yield f"{key} was counted {count} times, but there are {frames} rows."


def _episode_stats(path: Path) -> Iterator[str]:
    table = tables.read_table(path)
    for name in table.column_names:
        if name.startswith(tables.STATS_PREFIX):
            values = table[name]
            while pa.types.is_list(values.type):
                values = pc.list_flatten(values)
            if values.null_count or not pc.all(pc.is_finite(values)).as_py():
                yield f"{path}: {name} is missing or not finite in some episode."


# Frame rows


def data(dataset: CountedDataset) -> Iterator[str]:
    """Check the rows of all data files, in the order in which LeRobot puts them together."""
    expected = _expected_rows(dataset)
    homes = [dataset.layout.data_file(index) for index in dataset.files("data")]
    for path in dict.fromkeys(homes):
        if not path.is_file():
            yield f"{path}: missing, though episode {homes.index(path)} is in it."
    start = 0
    for path in dataset.layout.data_files():
        rows = sum(int(n) for n, home in zip(dataset.lengths, homes, strict=True) if home == path)
        try:
            table = tables.read_table(path)
        except DatasetError as error:
            yield str(error)
            return
        if not dataset.is_enough(table.num_rows, rows):
            yield f"{path}: has {table.num_rows} rows, but the episodes in it have {rows}."
        yield from _data_columns(dataset, path, table)
        counted = table.slice(0, max(0, dataset.info.total_frames - start))
        yield from _data_values(dataset, path, counted, expected, start)
        start += counted.num_rows


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


def _data_columns(dataset: CountedDataset, path: Path, table: pa.Table) -> Iterator[str]:
    for key, feature in dataset.info.features.items():
        if is_video(feature):
            continue
        if key not in table.column_names:
            yield f"{path}: no column {key}."
            continue
        kind, shape = table.schema.field(key).type, shape_of(feature)
        if table[key].null_count:
            yield f"{path}: {table[key].null_count} rows have no {key}."
        if pa.types.is_fixed_size_list(kind) and kind.list_size != shape[0]:
            yield f"{path}: {key} has {kind.list_size} values, expected {shape[0]}."


def _data_values(
    dataset: CountedDataset, path: Path, table: pa.Table, expected: dict[str, np.ndarray], start: int
) -> Iterator[str]:
    for name, values in expected.items():
        if name in table.column_names:
            found = table[name].to_numpy()[: max(0, len(values) - start)]
            wanted = values[start : start + len(found)]
            tolerance = TOLERANCE_S if name == "timestamp" else 0.0
            yield from _unequal(path, f"{name} of row", found, wanted, first=start, tolerance=tolerance)
    if "task_index" in table.column_names and table.num_rows:
        low, high = pc.min_max(table["task_index"]).as_py().values()
        if low < 0 or high >= len(dataset.tasks):
            yield f"{path}: task_index goes from {low} to {high}, but there are {len(dataset.tasks)} tasks."


# Videos


def videos(dataset: CountedDataset, key: str, probe: Probe) -> Iterator[str]:
    """Check that each video file of a camera has exactly the frames of its episodes, in their places."""
    spans = [dataset.episodes[f"videos/{key}/{part}_timestamp"] for part in ("from", "to")]
    episode = 0
    for index, group in groupby(dataset.files(f"videos/{key}")):
        members = slice(episode, episode + len(list(group)))
        path = dataset.layout.video_file(key, index)
        ends = np.cumsum(dataset.lengths[members])
        grid = (ends - dataset.lengths[members], ends)
        for name, found, frames in zip(("from", "to"), spans, grid, strict=True):
            what = f"{name}_timestamp of episode"
            wanted = frames / dataset.info.fps
            yield from _unequal(path, what, found[members], wanted, first=episode, tolerance=TOLERANCE_S)
        yield from _video(dataset, key, path, int(ends[-1]), probe)
        episode = members.stop


def _video(dataset: CountedDataset, key: str, path: Path, frames: int, probe: Probe) -> Iterator[str]:
    if not path.is_file():
        yield f"{path}: missing, though episodes with {frames} frames are in it."
        return
    try:
        video = probe(path)
    except VideoError as error:
        yield str(error)
        return
    if not dataset.is_enough(video.frames, frames):
        yield f"{path}: has {video.frames} frames, but the episodes in it have {frames} rows."
    if not video.on_grid:
        yield f"{path}: its frames are not at multiples of 1/{dataset.info.fps} s."
    height, width = shape_of(dataset.info.features[key])[:2]
    if (video.height, video.width) != (height, width):
        yield f"{path}: is {video.width}x{video.height} pixels, expected {width}x{height}."

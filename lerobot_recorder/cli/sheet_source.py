"""Reads from a dataset what a contact sheet shows of its episodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from lerobot_recorder.cli.contact_sheet import Image, SheetEpisode
from lerobot_recorder.dataset import CountedDataset, load_info, read_counted, tables, vector_keys, video_keys
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.video import read_frames

FRAMES = 6
"""Shown frames of each camera."""

_STATE, _ACTION = "observation.state", "action"


def sheet_episodes(root: Path, indices: Sequence[int]) -> list[SheetEpisode]:
    """Read some episodes of the dataset at ``root``.

    Raises:
        DatasetError: There is no dataset, or it cannot be read.
        VideoError: A video cannot be read.
    """
    info = load_info(root)
    if info is None:
        raise DatasetError(f"{root}: no dataset, there is no meta/info.json.")
    dataset = read_counted(root, info, None)
    return [_episode(dataset, index) for index in indices]


def _episode(dataset: CountedDataset, index: int) -> SheetEpisode:
    features = dataset.info.features
    keys = vector_keys(features)
    state = _STATE if _STATE in keys else keys[0]
    values = _values(dataset, index, [state, *([_ACTION] if _ACTION in keys else [])])
    length = int(dataset.lengths[index])
    seconds = length / dataset.info.fps
    task = dataset.task(index)
    return SheetEpisode(
        title=f"Episode {index}: {task} ({length} frames, {seconds:.1f} s)",
        seconds=seconds,
        frames={key.split(".")[-1]: _frames(dataset, index, key) for key in video_keys(features)},
        names=list(features[state].get("names") or []),
        states=values[state],
        actions=values.get(_ACTION, np.zeros((0, 1), np.float32)),
    )


def _values(dataset: CountedDataset, index: int, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    path = dataset.layout.data_file(dataset.files("data")[index])
    rows = tables.read_table(path, ["episode_index", *keys])
    rows = rows.filter(pc.equal(rows["episode_index"], index))
    return {key: np.array(rows[key].to_pylist(), np.float32).reshape(len(rows), -1) for key in keys}


def _frames(dataset: CountedDataset, index: int, key: str) -> list[Image]:
    """Decode frames from the middle of each of `FRAMES` parts of the episode."""
    length, fps = int(dataset.lengths[index]), dataset.info.fps
    first = round(float(dataset.episodes[f"videos/{key}/from_timestamp"][index]) * fps)
    shown = min(FRAMES, length)
    numbers = [first + int((part + 0.5) * length / shown) for part in range(shown)]
    return read_frames(dataset.layout.video_file(key, dataset.files(f"videos/{key}")[index]), numbers)

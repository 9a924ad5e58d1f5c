"""Episodes on their way into the dataset: what the encoder hands over, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset.features import Features, as_column, vector_keys, video_keys
from lerobot_recorder.dataset.statistics import Stats
from lerobot_recorder.errors import DatasetError

_SAME_SAMPLE_S = 1e-3
"""Times of samples that differ by less are equal: ages of an hour are rounded to a quarter of it."""


@dataclass(frozen=True)
class EncodedVideo:
    """The video of one camera in one episode.

    Attributes:
        path: The file; it is read, not moved.
        length: Frames in it.
        info: How it was encoded, as ``features.<key>.info`` in ``info.json``.
    """

    path: Path
    length: int
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StreamAges:
    """How old the samples of one stream were when an episode's rows took them.

    Attributes:
        age_s: Seconds from a sample's time to its row's, float32, (rows,).
        source_ns: The stamp in the message's header, in nanoseconds of its own clock, int64, (rows,); 0 where
            there was none.
    """

    age_s: npt.NDArray[np.float32]
    source_ns: npt.NDArray[np.int64]

    def new_rows(self, fps: int) -> int:
        """Count the rows that took another sample than the row before, the first row included."""
        times_s = np.arange(len(self.age_s)) / fps - self.age_s
        return int((np.diff(times_s, prepend=-np.inf) > _SAME_SAMPLE_S).sum())


@dataclass(frozen=True)
class EncodedEpisode:
    """An episode that is ready to be committed.

    Attributes:
        episode_id: Its name in the spool.
        task: The sentence that describes what is shown.
        length: Rows, and frames of every video.
        rows: The user's vector features, of shape ``(length, *shape)``, by name.
        videos: The video of every video feature, by name.
        image_stats: Statistics of every video feature, from `image_stats` or `depth_stats`.
        recording: What else is known of how it was recorded, as JSON has it: start, clock, verdict, ...
        ages: How old each stream's samples were, by the stream's name; empty where that is not known.
    """

    episode_id: str
    task: str
    length: int
    rows: Mapping[str, np.ndarray]
    videos: Mapping[str, EncodedVideo]
    image_stats: Mapping[str, Stats]
    recording: Mapping[str, Any] = field(default_factory=dict)
    ages: Mapping[str, StreamAges] = field(default_factory=dict)


@dataclass(frozen=True)
class CommittedEpisode:
    """Where an episode is in the dataset.

    Attributes:
        episode_id: Its name in the spool.
        episode_index: Its number in the dataset.
        length: Rows.
        from_index: Number of its first row in the dataset.
        task_index: The number of its task.
    """

    episode_id: str
    episode_index: int
    length: int
    from_index: int
    task_index: int


def columns_of(episode: EncodedEpisode, features: Features) -> dict[str, np.ndarray]:
    """Check that an episode is whole, and bring its rows into the columns of the dataset.

    Args:
        episode: The episode.
        features: The dataset's features.

    Returns:
        The user's vector features in the order of the dataset, each with one value per row.

    Raises:
        DatasetError: Rows and frames are not equally many, or a feature is missing or unknown.
        ConfigError: The values of a feature are of another shape or dtype than declared.
    """
    name = f"episode {episode.episode_id}"
    if episode.length < 1:
        raise DatasetError(f"{name}: no rows in it. Discard it.")
    _check_keys(name, "rows", vector_keys(features), episode.rows)
    _check_keys(name, "videos", video_keys(features), episode.videos)
    _check_keys(name, "image statistics", video_keys(features), episode.image_stats)
    lengths = {key: len(values) for key, values in episode.rows.items()}
    lengths |= {key: video.length for key, video in episode.videos.items()}
    for key, length in lengths.items():
        if length != episode.length:
            raise DatasetError(f"{name}: {length} frames of {key!r}, expected one per row, {episode.length}.")
    return {key: as_column(key, features[key], episode.rows[key]) for key in vector_keys(features)}


def _check_keys(name: str, what: str, expected: list[str], found: Mapping[str, object]) -> None:
    missing = [key for key in expected if key not in found]
    unknown = [key for key in found if key not in expected]
    if missing:
        raise DatasetError(f"{name}: no {what} of {', '.join(missing)}, which the dataset has.")
    if unknown:
        raise DatasetError(f"{name}: {what} of {', '.join(unknown)}, which the dataset does not have.")

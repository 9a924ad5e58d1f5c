"""Episodes on their way into the dataset: what the encoder hands over, and where they are afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset.features import FeatureDict, Features, as_column, vector_keys, video_keys
from lerobot_recorder.dataset.setups import SetupFiles
from lerobot_recorder.dataset.statistics import Stats
from lerobot_recorder.errors import DatasetError, DatasetMismatchError

_SAME_SAMPLE_S = 1e-3
"""Sample times that differ by less are equal: an age of an hour is rounded to a quarter of this."""

STREAM_KEYS = ("video.codec", "video.pix_fmt")
ENCODER_KEYS = (
    "video.g",
    "video.crf",
    "video.preset",
    "video.fast_decode",
    "video.video_backend",
    "video.extra_options",
)
"""Entries that LeRobot's merge sets to null if videos differ (its ``VIDEO_ENCODER_INFO_KEYS``)."""

DEPTH_KEYS = ("video.depth_min", "video.depth_max", "video.shift", "video.use_log")
"""How depth became pixels; LeRobot decodes all videos of a feature with these entries."""


@dataclass(frozen=True)
class EncodedVideo:
    """The video of one camera in one episode.

    Attributes:
        path: the file; it is read, not moved.
        length: number of frames.
        info: how it was encoded, as ``features.<key>.info`` in ``info.json``.
    """

    path: Path
    length: int
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StreamAges:
    """How old the samples of one stream were when the rows of an episode used them.

    Attributes:
        age_s: seconds from a sample's time to its row's, float32, (rows,).
        source_ns: stamp in the message's header, nanoseconds of its own clock, int64, (rows,); 0 if it had
            none.
    """

    age_s: npt.NDArray[np.float32]
    source_ns: npt.NDArray[np.int64]

    def new_rows(self, fps: int) -> int:
        """Count the rows with another sample than the row before, including the first row."""
        times_s = np.arange(len(self.age_s)) / fps - self.age_s
        return int((np.diff(times_s, prepend=-np.inf) > _SAME_SAMPLE_S).sum())


@dataclass(frozen=True)
class EncodedEpisode:
    """A complete episode that is ready to be committed.

    Attributes:
        episode_id: its name in the spool.
        task: the sentence that describes what it shows.
        length: number of rows, and of frames in every video.
        features: what was recorded; the default features may be missing.
        rows: vector features by name; the constructor converts them to columns of the dataset.
        videos: the video of every video feature, by name.
        image_stats: statistics of every video feature, from `image_stats` or `depth_stats`.
        recording: what else is known of the recording, as in JSON: start, clock, verdict, ...
        ages: how old each stream's samples were, by the stream's name; empty if unknown.
        setup: the files of the set-up that it was recorded with; empty if unknown.

    Raises:
        DatasetError: the numbers of rows and frames differ, or a feature is missing or unknown.
        ConfigError: values of a feature have another shape or dtype than declared.
    """

    episode_id: str
    task: str
    length: int
    features: Features
    rows: Mapping[str, np.ndarray]
    videos: Mapping[str, EncodedVideo]
    image_stats: Mapping[str, Stats]
    recording: Mapping[str, Any] = field(default_factory=dict)
    ages: Mapping[str, StreamAges] = field(default_factory=dict)
    setup: SetupFiles = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.length < 1:
            raise DatasetError(f"episode {self.episode_id}: it has no rows; discard it")
        self._check_keys("rows", vector_keys(self.features), self.rows)
        self._check_keys("videos", video_keys(self.features), self.videos)
        self._check_keys("image statistics", video_keys(self.features), self.image_stats)
        lengths = {key: len(values) for key, values in self.rows.items()}
        lengths |= {key: video.length for key, video in self.videos.items()}
        for key, length in lengths.items():
            if length != self.length:
                raise DatasetError(
                    f"episode {self.episode_id}: expected {self.length} frames of {key!r}, found {length}"
                )
        columns = {key: as_column(key, self.features[key], values) for key, values in self.rows.items()}
        object.__setattr__(self, "rows", columns)

    def _check_keys(self, what: str, expected: list[str], found: Mapping[str, object]) -> None:
        missing = [key for key in expected if key not in found]
        unknown = [key for key in found if key not in expected]
        if missing:
            raise DatasetError(f"episode {self.episode_id}: no {what} of {', '.join(missing)}")
        if unknown:
            raise DatasetError(f"episode {self.episode_id}: unexpected {what} of {', '.join(unknown)}")


@dataclass(frozen=True)
class EpisodePlace:
    """Where an episode is in the dataset.

    Attributes:
        episode_id: its name in the spool.
        episode_index: its number in the dataset.
        length: number of rows.
        from_index: number of its first row in the dataset.
        task_index: number of its task.
    """

    episode_id: str
    episode_index: int
    length: int
    from_index: int
    task_index: int


def with_video_info(features: Features, videos: Mapping[str, EncodedVideo], *, is_first: bool) -> Features:
    """Return the features with an `info` that is true of all videos so far and of one more episode's.

    Args:
        features: the dataset's features.
        videos: the episode's videos, by feature.
        is_first: whether there are no other videos yet.

    Raises:
        DatasetMismatchError: depth became pixels in another way, so it would be decoded wrong.
    """
    updated = dict(features)
    for key, video in videos.items():
        old = features[key].get("info") or {}
        info = {**old, **video.info} if is_first else _common(key, old, video.info)
        updated[key] = cast("FeatureDict", {**features[key], "info": info})
    return updated


def _common(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Replace entries that differ by null, extra options by {}, as LeRobot's merge does."""
    _check_depth(key, old, new)
    names = [name for name in (*STREAM_KEYS, *ENCODER_KEYS) if old.get(name) != new.get(name)]
    return {**old, **{name: {} if name == "video.extra_options" else None for name in names}}


def _check_depth(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for name in DEPTH_KEYS:
        if name in old and name in new and old[name] != new[name]:
            raise DatasetMismatchError(
                f"feature {key!r} has {name} {old[name]} in the dataset, {new[name]} now, so new depth would "
                "be decoded wrong; record to another root"
            )

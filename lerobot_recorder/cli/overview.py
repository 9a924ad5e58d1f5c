"""What is known about a dataset and its episodes, as plain values for tables, reports and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_recorder.dataset import (
    CountedDataset,
    Recording,
    Source,
    open_dataset,
    recordings_of,
    video_keys,
)
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import counted, size_of

MOST_WITH_AGES = 100
"""Episodes from which rates and ages of a dataset are computed, evenly spaced."""

UNKNOWN = "unknown"
_TASKS = 8


@dataclass(frozen=True)
class EpisodeSummary:
    """One episode.

    Attributes:
        episode: its number.
        frames: number of rows.
        seconds: its length.
        task: what it shows.
        recording: its provenance; empty for episodes of other programs.
    """

    episode: int
    frames: int
    seconds: float
    task: str
    recording: Recording

    @property
    def verdict(self) -> str:
        """``good``, ``bad`` or ``unknown``."""
        return str(self.recording.get("verdict", UNKNOWN))

    @property
    def success(self) -> bool | None:
        """How it was marked; None if it was not."""
        value = self.recording.get("success")
        return value if isinstance(value, bool) else None

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        known = self.recording
        return {
            "episode": self.episode,
            "frames": self.frames,
            "seconds": self.seconds,
            "task": self.task,
            "verdict": self.verdict,
            "accepted": bool(known.get("accepted")),
            "success": self.success,
            "reasons": list(known.get("reasons", ())),
            "notes": list(known.get("notes", ())),
            "started_at_ns": known.get("started_at_ns"),
            "episode_id": known.get("episode_id"),
        }


@dataclass(frozen=True)
class StreamSummary:
    """How often a stream had a new sample, and how old its samples were.

    Attributes:
        name: the stream.
        rate_hz: rows with a new sample in a second, at most the frame rate.
        p50_s: median of the ages.
        p95_s: 95 of 100 samples were not older.
        max_s: age of the oldest sample.
    """

    name: str
    rate_hz: float
    p50_s: float
    p95_s: float
    max_s: float


class Overview:
    """A dataset in numbers.

    Attributes:
        root: its directory.
        info: its ``info.json``.
        episodes: all its episodes.
    """

    def __init__(self, root: Path) -> None:
        """Read the descriptions.

        Raises:
            DatasetError: there is no dataset, or it cannot be read
        """
        self.root = root
        self._dataset: CountedDataset = open_dataset(root)
        self.info = self._dataset.info
        known = recordings_of(self._dataset.layout.recordings_files())
        self.episodes = [
            EpisodeSummary(
                index,
                int(length),
                int(length) / self.info.fps,
                self._dataset.task(index),
                known.get(index, {}),
            )
            for index, length in enumerate(self._dataset.lengths if self.info.total_episodes else ())
        ]

    @property
    def tasks(self) -> Counter[str]:
        """Number of episodes of each task."""
        return Counter(each.task for each in self.episodes)

    @property
    def verdicts(self) -> Counter[str]:
        """Number of episodes with each verdict."""
        return Counter(each.verdict for each in self.episodes)

    @property
    def success(self) -> tuple[int, int]:
        """Number of episodes that succeeded, and of those that were marked."""
        marked = [each.success for each in self.episodes if each.success is not None]
        return sum(marked), len(marked)

    @property
    def cameras(self) -> dict[str, str]:
        """Size and codec of each camera."""
        return {key: _camera(self.info.features[key]) for key in video_keys(self.info.features)}

    def sizes(self) -> dict[str, int]:
        """Return the bytes on disk, by folder."""
        return {name: _size(self.root / name) for name in ("videos", "data", "meta")}

    def streams(self) -> list[StreamSummary]:
        """Summarize the samples of each stream, from at most `MOST_WITH_AGES` episodes.

        Raises:
            DatasetError: the ages cannot be read
        """
        ages: dict[str, list[np.ndarray]] = {}
        new: Counter[str] = Counter()
        source = Source(self.root)
        for index in self._with_ages():
            for name, stream in source.ages(index).items():
                ages.setdefault(name, []).append(stream.age_s)
                new[name] += stream.new_rows(self.info.fps)
        return [self._stream(name, np.concatenate(parts), new[name]) for name, parts in ages.items()]

    def _with_ages(self) -> list[int]:
        count = len(self.episodes)
        return sorted({round(place) for place in np.linspace(0, count - 1, min(count, MOST_WITH_AGES))})

    def _stream(self, name: str, age_s: np.ndarray, new: int) -> StreamSummary:
        p50, p95, most = (float(value) for value in np.percentile(age_s, [50, 95, 100]))
        return StreamSummary(name, new * self.info.fps / len(age_s), p50, p95, most)

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        succeeded, marked = self.success
        return {
            "dataset": str(self.root),
            "robot_type": self.info.robot_type,
            "fps": self.info.fps,
            "episodes": len(self.episodes),
            "frames": sum(each.frames for each in self.episodes),
            "hours": sum(each.seconds for each in self.episodes) / 3600,
            "tasks": dict(self.tasks),
            "verdicts": dict(self.verdicts),
            "success": {"succeeded": succeeded, "marked": marked},
            "size_bytes": self.sizes(),
            "cameras": self.cameras,
            "streams": {
                each.name: {
                    "rate_hz": each.rate_hz,
                    "age_s": {"p50": each.p50_s, "p95": each.p95_s, "max": each.max_s},
                }
                for each in self.streams()
            },
        }


def selected(
    episodes: Sequence[EpisodeSummary], verdict: str | None, task: str | None
) -> list[EpisodeSummary]:
    """Return the episodes with a verdict and with a part of the task; None chooses all.

    Raises:
        ConfigError: there is no such verdict
    """
    if verdict not in (None, "good", "bad", UNKNOWN):
        raise ConfigError(f"--verdict: expected good, bad or unknown, found {verdict!r}")
    return [
        each
        for each in episodes
        if verdict in (None, each.verdict) and (task is None or task.casefold() in each.task.casefold())
    ]


def summary_lines(overview: Overview) -> Iterator[tuple[str, str]]:
    """Yield what is known about a dataset: names and texts."""
    info, episodes = overview.info, overview.episodes
    seconds, frames = sum(each.seconds for each in episodes), sum(each.frames for each in episodes)
    yield "dataset", str(overview.root)
    yield "robot", info.robot_type or UNKNOWN
    yield "episodes", f"{len(episodes)}, {_length(seconds)}, {counted(frames, 'frame')} at {info.fps} fps"
    for count, (task, number) in enumerate(overview.tasks.most_common(_TASKS)):
        yield "" if count else "tasks", f"{number} x {task}"
    if (more := len(overview.tasks) - _TASKS) > 0:
        yield "", f"and {more} more"
    yield (
        "verdicts",
        ", ".join(f"{number} {name}" for name, number in overview.verdicts.most_common()) or "none",
    )
    succeeded, marked = overview.success
    yield "success", f"{succeeded} of {marked} marked, {succeeded / marked:.0%}" if marked else "not marked"
    sizes = overview.sizes()
    parts = ", ".join(f"{name} {size_of(size)}" for name, size in sizes.items())
    yield "size", f"{size_of(sum(sizes.values()))}: {parts}"
    for count, (key, text) in enumerate(overview.cameras.items()):
        yield "" if count else "cameras", f"{key}: {text}"


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:.2f} hours"


def _camera(feature: Mapping[str, Any]) -> str:
    height, width = feature["shape"][:2]
    known = feature.get("info") or {}
    parts = [known.get("video.codec"), known.get("video.pix_fmt")]
    return " ".join([f"{width}x{height}", *(str(part) for part in parts if part)])


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())

"""What a recorder is at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lerobot_recorder.recording.disk import DiskForecast
from lerobot_recorder.recording.outcome import Outcome
from lerobot_recorder.recording.streams import StreamHealth


@dataclass(frozen=True)
class RecorderStatus:
    """What the recorder is at.

    Attributes:
        state: `idle`, `starting`, `recording` or `saving`.
        task: of the present or the next episode.
        episode_id: of the present episode, empty when none is recorded.
        episode_time_s: length of the present or the next episode; 0: until it is saved.
        frames: rows taken of the present episode.
        late: how many of them were taken more than half a period late.
        queued: rows that wait for the disk.
        elapsed_s: seconds of it.
        saved: episodes saved since the recorder started, and not taken back.
        rejected: takes set aside since then.
        last: the last outcome.
        disk: how long the room lasts.
        message: what is wrong, empty when nothing is.
        streams: each stream's health.
        figures: what was counted of each stream in the present take.
        notes: what the operator should know of a stream although it makes no take a bad one; while nothing is
            recorded, that it is slow.
        reasons: what makes the present take a bad one, by stream; empty where nothing does.
    """

    state: str
    task: str
    episode_id: str
    episode_time_s: float
    frames: int
    late: int
    queued: int
    elapsed_s: float
    saved: int
    rejected: int
    last: Outcome | None
    disk: DiskForecast
    message: str
    streams: dict[str, StreamHealth]
    figures: dict[str, dict[str, Any]]
    notes: dict[str, list[str]]
    reasons: dict[str, list[str]]

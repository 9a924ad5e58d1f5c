"""What a recorder is at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording.disk import DiskForecast
from lerobot_recorder.recording.quality import QualityRules
from lerobot_recorder.recording.streams import StreamHealth
from lerobot_recorder.settings import check_settings, setting

Ending = Literal["save", "time", "discard", "interrupted", "clock", "disk_full"]
"""Why a take ends where nothing has failed."""

CUT_SHORT: Mapping[Ending, str] = {
    "clock": "interrupted: the clock jumped during the take",
}
"""Endings that make a take a bad one."""


@dataclass(frozen=True)
class Outcome:
    """What became of a take.

    Attributes:
        episode_id: of the episode.
        state: `ready`, `rejected` or `discarded`; `recording` where it could not be ended, so that the next
            start finds it.
        length: rows.
        duration_s: length on the grid.
        task: what was shown.
        verdict: `good` or `bad`.
        reasons: why it is bad, or was not saved.
        notes: what is unusual about it without making it bad.
        ended_by: `save`, `time`, `discard`, `interrupted`, `clock`, `disk_full`, `overrun` or `error`.
        wait_s: seconds from the end of the recording until it was safe on disk.
        size_bytes: what it takes in the spool.
        ticks: how late the rows were taken.
        streams: what was counted of each stream.
    """

    episode_id: str
    state: str
    length: int
    duration_s: float
    task: str
    verdict: str = "good"
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ended_by: str = "save"
    wait_s: float = 0.0
    size_bytes: int = 0
    ticks: Mapping[str, Any] = field(default_factory=dict)
    streams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def require_text(name: str, value: object) -> None:
    """Check that a value is a text that can be written to a dataset.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected a text, found {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{name}: {value!r} cannot be written as UTF-8: {error.reason}") from error


@dataclass(frozen=True)
class RecorderSettings:
    """How episodes are recorded; all of it may change from episode to episode."""

    task: str = setting("", "One sentence that describes the task", effect="from the next episode")
    episode_time_s: float = setting(
        60.0,
        "Length of an episode; 0: until it is saved by hand",
        unit="s",
        low=0,
        effect="from the next episode",
    )
    robot_type: str = setting("", "Type of the robot, stored in the dataset; empty: unknown")
    record_ages: bool = setting(
        False,
        "Add the feature stream_ages, the age of each sample in seconds; meta/recordings has the ages in "
        "any case. LeRobot cannot merge datasets with and without this feature",
    )
    record_success: bool = setting(
        False,
        "Add the feature next.success, set by the service mark_success; meta/recordings has the marks in "
        "any case. LeRobot cannot merge datasets with and without this feature",
    )
    queue_mb: float = setting(
        512.0, "Memory for rows that wait to be written", unit="MB", low=0.01, effect="from the next episode"
    )
    rules: QualityRules = field(default_factory=QualityRules)

    def __post_init__(self) -> None:
        require_text("task", self.task)
        require_text("robot_type", self.robot_type)
        check_settings(self)


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

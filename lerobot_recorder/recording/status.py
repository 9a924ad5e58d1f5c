"""A recorder's settings, its status and how a take ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording.quality import QualityRules
from lerobot_recorder.recording.streams import StreamStatus
from lerobot_recorder.settings import check_settings, setting
from lerobot_recorder.status import STATUS_VERSION

RecorderState = Literal["idle", "recording", "saving", "waiting", "resetting", "paused", "finished", "ended"]

Ending = Literal["save", "time", "discard", "interrupted", "clock", "disk_full"]
"""Why a take ends if nothing has failed."""

CUT_SHORT: Mapping[Ending, str] = {
    "clock": "interrupted: the clock jumped during the take",
}
"""Endings that make a take bad."""


@dataclass(frozen=True)
class Outcome:
    """How a take ended.

    Attributes:
        episode_id: identifier of the episode.
        state: where it is now: ``ready``, ``rejected`` or ``discarded``; ``recording`` if it could not be
            ended, so that the next start finds it.
        length: number of rows.
        duration_s: length on the grid, in seconds.
        task: the sentence that describes what is shown.
        verdict: ``good`` or ``bad``.
        reasons: why it is bad, or why it was not saved.
        notes: what is unusual without making it bad.
        ended_by: ``save``, ``time``, ``discard``, ``interrupted``, ``clock``, ``disk_full``, ``overrun`` or
            ``error``.
        wait_s: seconds from the end of the recording until it was safe on disk.
        size_bytes: its size in the spool, in bytes.
        ticks: counts of rows that were taken late.
        streams: counts of each stream, by name.
        started_at_ns: time of the first row, nanoseconds of the recorder's clock.
        success: the operator's mark when it ended; null if there was none.
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
    started_at_ns: int = 0
    success: bool | None = None


def require_text(name: str, value: object) -> None:
    """Check that a value is a string that can be written to a dataset.

    Raises:
        ConfigError: it is no string, or not valid UTF-8.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected a text, found {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{name}: {value!r} cannot be written as UTF-8: {error.reason}") from error


@dataclass(frozen=True)
class GridSettings:
    """The grid on which all rows lie."""

    fps: int = setting(30, "Rows per second", unit="Hz", low=1, high=1000)


@dataclass(frozen=True)
class RecorderSettings:
    """How episodes are recorded; all of it may change from episode to episode."""

    task: str = setting(
        "",
        "One sentence that describes the task; empty: the first of tasks",
        effect="from the next episode",
    )
    tasks: tuple[str, ...] = setting(
        (), "Tasks to choose from: the service next_task sets task to the next one", effect="at once"
    )
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
        for task in self.tasks:
            require_text("tasks", task)
            if not task.strip():
                raise ConfigError(f"tasks: expected sentences, found the blank text {task!r}")
        check_settings(self)
        if not self.task.strip():
            object.__setattr__(self, "task", self.tasks[0] if self.tasks else "")

    @property
    def following_task(self) -> str:
        """The task after the present one in `tasks`, and after the last one the first.

        Raises:
            ConfigError: there is none to choose from.
        """
        if not self.tasks:
            raise ConfigError("there are no tasks to choose from: set the parameter tasks, or task itself")
        place = self.tasks.index(self.task) + 1 if self.task in self.tasks else 0
        return self.tasks[place % len(self.tasks)]


@dataclass(frozen=True)
class LastEpisode:
    """The last take that has ended.

    Attributes:
        episode_id: its name in the spool.
        episode_index: its number in the dataset; null if it is not saved.
        state: ``ready`` (also if it is in the dataset), ``rejected``, ``discarded`` or ``deleted``;
            ``recording`` if it could not be ended, so that the next start finds it.
        frames: number of rows.
        duration_s: length on the grid, in seconds.
        verdict: ``good`` or ``bad``.
        reasons: why it is bad, or why it was not saved.
        notes: what is unusual without making it bad.
        success: the operator's mark; null if there is none.
    """

    episode_id: str = ""
    episode_index: int | None = None
    state: str = "ready"
    frames: int = 0
    duration_s: float = 0.0
    verdict: str = "good"
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    success: bool | None = None


@dataclass(frozen=True)
class RecorderStatus:
    """Snapshot of the recorder's state, as published on ``~/status``.

    Attributes:
        version: version of this format.
        state: ``idle``, ``recording`` or ``saving``; between the episodes of an unattended run ``waiting``
            for streams or for what ``message`` names, ``resetting`` while the scene is reset, ``paused``
            until the pause is ended, and ``finished``. The last status of a recorder that ends has ``ended``.
        root: directory of the dataset.
        task: of the current or the next episode.
        next_task: of the next episode.
        tasks: the tasks to choose from.
        episode: number of the current or the next episode of this run, from 1 up.
        episode_index: number that the current or the next episode gets in the dataset, from 0 up. It changes
            if an episode that waits is deleted or cannot be encoded.
        num_episodes: episodes that an unattended run records; 0: each episode is started by hand.
        elapsed_s: seconds since the current episode started.
        episode_time_s: length of the current or the next episode in seconds; 0: until it is saved.
        reset_time_s: time to reset the scene between episodes of an unattended run, in seconds.
        remaining_s: seconds left to reset the scene.
        paused: whether no episode starts by itself until the pause is ended.
        episode_id: of the current episode; empty if none is being recorded.
        started_at_ns: time of the first row of the current episode, nanoseconds of the recorder's clock; 0 if
            none is being recorded.
        frames: rows of the current episode.
        late: rows of the current episode that were taken more than half a period late.
        queued: rows that wait for the disk.
        saved: episodes saved since the recorder started, without those that were taken back.
        rejected: takes set aside since the recorder started.
        last: the last take that has ended; null before the first.
        wait_s: seconds from the end of the last episode until it was safe on disk; null before the first.
        message: what is wrong; empty if nothing is. If no stream is missing and the next episode cannot
            start, it has the reason for as long as that is so.
        offer: the service that helps with what ``message`` says, such as ``accept_episode``; empty if none
            does.
        is_blocked: whether no episode can start, for the reason in ``message``.
        missing: a sentence for each stream that delivers nothing, while nothing is recorded.
        streams: state of each stream, by name.
        free_bytes: free disk space for this user, in bytes; null if unknown.
        seconds_left: seconds of recording that still fit; null if unknown.
    """

    version: int = STATUS_VERSION
    state: RecorderState = "idle"
    root: str = ""
    task: str = ""
    next_task: str = ""
    tasks: tuple[str, ...] = ()
    episode: int = 1
    episode_index: int = 0
    num_episodes: int = 0
    elapsed_s: float = 0.0
    episode_time_s: float = 0.0
    reset_time_s: float = 0.0
    remaining_s: float = 0.0
    paused: bool = False
    episode_id: str = ""
    started_at_ns: int = 0
    frames: int = 0
    late: int = 0
    queued: int = 0
    saved: int = 0
    rejected: int = 0
    last: LastEpisode | None = None
    wait_s: float | None = None
    message: str = ""
    offer: str = ""
    is_blocked: bool = False
    missing: tuple[str, ...] = ()
    streams: Mapping[str, StreamStatus] = field(default_factory=dict)
    free_bytes: int | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class CompletedEpisode(Outcome):
    """What the recorder publishes on ``episode_completed`` when an episode is saved or rejected.

    Attributes:
        root: directory of the dataset.
        fps: rows per second.
        version: version of this format.
    """

    root: str = ""
    fps: int = 0
    version: int = STATUS_VERSION

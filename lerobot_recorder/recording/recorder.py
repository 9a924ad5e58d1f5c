"""Start, save, discard: what the operator commands, for one dataset."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from lerobot_recorder.dataset import check_fits
from lerobot_recorder.dataset.features import Features, differences
from lerobot_recorder.errors import (
    ConfigError,
    DatasetMismatchError,
    DiskFullError,
    EpisodeStateError,
    RecorderError,
    StreamError,
)
from lerobot_recorder.recording.clock import Clock, SystemClock
from lerobot_recorder.recording.disk import DiskForecast, typical_bytes
from lerobot_recorder.recording.quality import QualityRules
from lerobot_recorder.recording.rows import camera_of, check_specs, declare_features
from lerobot_recorder.recording.streams import Stream, StreamHealth
from lerobot_recorder.recording.take import Ending, Outcome, Take, TakeSettings
from lerobot_recorder.spool import CameraSpool, EpisodeHeader, EpisodeWriter, Spool, new_episode_id

logger = logging.getLogger(__name__)

_LEAD_S = 0.05
"""From the start's order to the first row: the time to create the files."""

_DISK_WATCH_S = 2.0
_QUEUE_S = 3.0
_SHORTEST_FIT_S = 5.0
_WORDS = {"ready": "saved"}


@dataclass(frozen=True)
class RecorderSettings:
    """What may change from episode to episode.

    Attributes:
        task: the sentence that describes what is shown.
        episode_time_s: length of an episode in seconds; 0: until it is saved.
        robot_type: kept in the dataset.
        record_ages: add `stream_ages`.
        record_success: add `next.success`.
        queue_mb: memory that rows may take while they wait for the disk, in MB.
        rules: when an episode is bad.
    """

    task: str = ""
    episode_time_s: float = 0.0
    robot_type: str | None = None
    record_ages: bool = True
    record_success: bool = False
    queue_mb: float = 512.0
    rules: QualityRules = field(default_factory=QualityRules)

    def __post_init__(self) -> None:
        if self.episode_time_s < 0:
            raise ConfigError(f"episode_time_s: expected 0 (no limit) or more, found {self.episode_time_s}")
        if self.queue_mb <= 0:
            raise ConfigError(f"queue_mb: expected more than 0, found {self.queue_mb}")


@dataclass(frozen=True)
class RecorderStatus:
    """What the recorder is at.

    Attributes:
        state: `idle`, `starting`, `recording` or `saving`.
        task: of the present or the next episode.
        episode_id: of the present episode, empty when none is recorded.
        frames: rows taken of the present episode.
        queued: rows that wait for the disk.
        elapsed_s: seconds of it.
        saved: episodes saved since the recorder started.
        rejected: takes set aside since then.
        last: the last outcome.
        disk: how long the room lasts.
        message: what is wrong, empty when nothing is.
        streams: each stream's health.
        figures: what was counted of each stream in the present take.
    """

    state: str
    task: str
    episode_id: str
    frames: int
    queued: int
    elapsed_s: float
    saved: int
    rejected: int
    last: Outcome | None
    disk: DiskForecast
    message: str
    streams: dict[str, StreamHealth]
    figures: dict[str, dict[str, Any]]


class Recorder:
    """Records episodes from streams into the spool of a dataset.

    No method waits for the disk: what has to is done in a thread, and a `Future` tells of it.

    Attributes:
        root: the dataset's directory.
        fps: rows per second.
        streams: where samples come from.
        settings: used from the next episode on; the rules for frozen and stale streams too.
    """

    def __init__(
        self,
        root: Path | str,
        fps: int,
        streams: Sequence[Stream],
        settings: RecorderSettings | None = None,
        *,
        clock: Clock | None = None,
        on_end: Callable[[Outcome], None] = lambda outcome: None,
    ) -> None:
        """Find interrupted takes, and be ready for `start`.

        Args:
            root: the dataset's directory; its spool is beside it.
            fps: rows per second.
            streams: what is recorded, in the order of its features.
            settings: what may change from episode to episode.
            clock: time of samples and ticks; the system's.
            on_end: called with each outcome, by the thread that wrote the episode.

        Raises:
            ConfigError: fps or the streams cannot be used.
            SpoolError: no spool can be beside that directory.
        """
        if fps < 1:
            raise ConfigError(f"fps: expected at least 1, found {fps}")
        check_specs([stream.spec for stream in streams])
        self.root = Path(root).expanduser().absolute()
        self.fps = fps
        self.streams = list(streams)
        self.settings = settings or RecorderSettings()
        self._clock = clock or SystemClock()
        self._on_end = on_end
        self._lock = threading.Lock()
        self._take: Take | None = None
        self._starting = False
        self._saving = 0
        self._saved = 0
        self._rejected = 0
        self._last: Outcome | None = None
        self._message = ""
        self._forecast = DiskForecast(None, 0.0)
        self._cameras: dict[str, CameraSpool] = {}
        self._spool = Spool(self.root)
        self._spool.require()
        self._disk = ThreadPoolExecutor(1, "recorder-disk")
        self._closing = threading.Event()
        self._disk.submit(self._recover)
        self._watch = threading.Thread(target=self._watch_disk, name="recorder-disk-watch", daemon=True)
        self._watch.start()

    # Commands

    def start(self) -> Future[str]:
        """Start an episode.

        Returns:
            The episode's identifier, once its files are there; or why it cannot be recorded.

        Raises:
            EpisodeStateError: one is being recorded.
            StreamError: a stream brings nothing; all of them are named.
            DiskFullError: there is no room for it.
        """
        with self._lock:
            if self._starting or (self._take is not None and not self._take.over):
                raise EpisodeStateError("an episode is being recorded already: save or discard it first")
            self._check_streams()
            self._check_room()
            self._starting = True
        return self._disk.submit(self._open)

    def save(self) -> Future[Outcome]:
        """End the present episode and keep it; the result comes when it would survive a power cut.

        Raises:
            EpisodeStateError: none is being recorded.
        """
        return self._end("save")

    def discard(self) -> Future[Outcome]:
        """End the present episode and remove it.

        Raises:
            EpisodeStateError: none is being recorded.
        """
        return self._end("discard")

    def accept(self) -> Future[str]:
        """Take the last rejected episode all the same; the result is its identifier, or why not."""
        return self._disk.submit(lambda: self._spool.accept().episode_id)

    def delete_last(self) -> Future[str]:
        """Take back the last saved episode, if it is not yet in the dataset; the result is its identifier."""
        last = self._last
        episode_id = last.episode_id if last is not None and last.state != "discarded" else None
        return self._disk.submit(lambda: self._spool.delete_last(episode_id))

    def mark_success(self, success: bool) -> Future[str]:
        """Mark the present episode, else the last one, as a success or a failure.

        The result is its identifier, or why it cannot be marked: there is none, or it is in the dataset.
        """
        take = self._take
        if take is not None and take.mark_success(success):
            marked: Future[str] = Future()
            marked.set_result(take.header.episode_id)
            return marked
        return self._disk.submit(self._mark_last, take, success)

    def _mark_last(self, take: Take | None, success: bool) -> str:
        if take is None:
            return self._spool.mark_success(success)
        outcome = take.result.result()
        last = None if outcome.state == "discarded" else outcome.episode_id
        return self._spool.mark_success(success, last)

    def start_afresh(self) -> None:
        """Forget all samples, and set a running take aside: the clock has jumped back."""
        take = self._take
        if take is not None and not take.over:
            take.end("clock")
        for stream in self.streams:
            stream.reset()

    def close(self) -> None:
        """End; a running take is set aside as interrupted. Waits for what is being saved."""
        take = self._take
        if take is not None and not take.over:
            take.end("interrupted")
        if take is not None:
            take.result.result()
        self._closing.set()
        self._disk.shutdown(wait=True)
        self._spool.close()

    # What is told

    def missing(self) -> dict[Stream, str]:
        """Say of each stream that brings nothing at the moment what is wrong with it."""
        now_ns = self._clock.now_ns()
        return {stream: line for stream in self.streams if (line := _what_is_missing(stream, now_ns))}

    @property
    def recording(self) -> bool:
        """Whether an episode is being recorded, or about to be."""
        take = self._take
        return self._starting or (take is not None and not take.over)

    def status(self) -> RecorderStatus:
        """Tell what the recorder is at; reads no disk."""
        now_ns, take = self._clock.now_ns(), self._take
        recording = take is not None and not take.over
        shown = take if take is not None and recording else None
        return RecorderStatus(
            state=self._state(recording),
            task=self.settings.task,
            episode_id=shown.header.episode_id if shown else "",
            frames=shown.rows if shown else 0,
            queued=shown.queued if shown else 0,
            elapsed_s=max(0.0, (now_ns - shown.header.started_at_ns) / 1e9) if shown else 0.0,
            saved=self._saved,
            rejected=self._rejected,
            last=self._last,
            disk=self._forecast,
            message=self._message,
            streams={stream.spec.name: stream.health(now_ns) for stream in self.streams},
            figures=shown.figures() if shown else {},
        )

    def _state(self, recording: bool) -> str:
        if recording:
            return "recording"
        if self._starting:
            return "starting"
        return "saving" if self._saving else "idle"

    # Starting

    def _check_streams(self) -> None:
        if missing := self.missing():
            raise StreamError("the episode cannot start: " + "; ".join(missing.values()))

    def _check_room(self) -> None:
        left = self._forecast.seconds_left
        needed = self.settings.episode_time_s or _SHORTEST_FIT_S
        if left is not None and left < needed:
            free_mb = (self._forecast.free_bytes or 0) / 1e6
            raise DiskFullError(
                f"the episode cannot start: {self.root.parent} has {free_mb:.0f} MB free, {left:.0f} s of "
                f"recording, and {needed:.0f} s are needed; free some space, or wait for the encoder"
            )

    def _open(self) -> str:
        try:
            settings = self.settings
            header = self._header(settings)
            writer = EpisodeWriter(self._spool, header)
            take = Take(writer, self.streams, self._clock, self._take_settings(settings), self._note_end)
            with self._lock:
                self._take = take
                self._saving += 1
            self._message = ""
            return header.episode_id
        except BaseException:
            for stream in self.streams:
                stream.keep_from(None)
            raise
        finally:
            self._starting = False

    def _header(self, settings: RecorderSettings) -> EpisodeHeader:
        self._cameras = self._look_at_cameras()
        features = declare_features(
            [stream.spec for stream in self.streams],
            self._cameras,
            with_ages=settings.record_ages,
            with_success=settings.record_success,
        )
        self._check_fits(features, settings)
        started_at_ns = self._clock.now_ns() + int(_LEAD_S * 1e9)
        for stream in self.streams:
            stream.keep_from(started_at_ns)
        return EpisodeHeader(
            episode_id=new_episode_id(),
            fps=self.fps,
            features=features,
            cameras=self._cameras,
            task=settings.task,
            robot_type=settings.robot_type,
            started_at_ns=started_at_ns,
            clock=self._clock.name,
            record_success=settings.record_success,
        )

    def _look_at_cameras(self) -> dict[str, CameraSpool]:
        cameras = {}
        for stream in self.streams:
            if stream.spec.is_image and (sample := stream.newest()) is not None:
                cameras[stream.spec.feature] = camera_of(stream.spec, stream.decode(sample.value))
        return cameras

    def _check_fits(self, features: dict[str, Any], settings: RecorderSettings) -> None:
        """Refuse what would not fit the dataset, or the episodes that wait to be added to it."""
        check_fits(self.root, features, self.fps, settings.robot_type)
        for episode in self._spool.ready()[-1:]:
            waiting = cast("Features", episode.manifest.features)
            if changed := differences(waiting, cast("Features", features)):
                raise DatasetMismatchError(
                    f"{self.root}: episodes that wait to be encoded differ from what would be recorded: "
                    + "; ".join(changed)
                )

    def _take_settings(self, settings: RecorderSettings) -> TakeSettings:
        row_bytes = sum(3 * camera.width * camera.height for camera in self._cameras.values()) or 1000
        rows = int(min(_QUEUE_S * self.fps, settings.queue_mb * 1e6 / row_bytes))
        limit = round(settings.episode_time_s * self.fps) if settings.episode_time_s else None
        return TakeSettings(limit, max(rows, 4), settings.record_ages, settings.rules)

    # Ending

    def _end(self, how: Ending) -> Future[Outcome]:
        take = self._take
        if take is None or take.over:
            raise EpisodeStateError("no episode is being recorded: start one first")
        return take.end(how)

    def _note_end(self, outcome: Outcome) -> None:
        with self._lock:
            self._saving -= 1
            self._last = outcome
            self._saved += outcome.state == "ready"
            self._rejected += outcome.state == "rejected"
            recording = self._take is not None and not self._take.over
        if not recording and not self._starting:
            for stream in self.streams:
                stream.keep_from(None)
        if outcome.reasons:
            self._message = f"episode {outcome.episode_id} is {outcome.state}: {'; '.join(outcome.reasons)}"
            logger.warning("%s", self._message)
        elif outcome.ended_by == "disk_full":
            self._message = f"the disk of {self.root.parent} is full: the episode is saved as far as it came"
            logger.warning("%s", self._message)
        else:
            wait = f"{outcome.length} frames, {outcome.wait_s:.3f} s"
            logger.info(
                "episode %s is %s: %s", outcome.episode_id, _WORDS.get(outcome.state, outcome.state), wait
            )
        self._on_end(outcome)

    # The disk

    def _recover(self) -> None:
        try:
            for episode in self._spool.recover():
                seconds = f"{episode.manifest.duration_s:.1f} s"
                self._message = (
                    f"the take {episode.episode_id} was interrupted after {seconds}; it is in rejected/, "
                    "and accept_episode takes it all the same"
                )
                logger.warning("%s", self._message)
        except (RecorderError, OSError) as error:
            self._message = str(error)
            logger.error("the spool cannot be put in order: %s", error)

    def _watch_disk(self) -> None:
        while True:
            try:
                self._forecast = DiskForecast(self._spool.free_bytes(), self._bytes_per_s())
            except RecorderError as error:
                self._message = str(error)
            take = self._take
            if take is not None and not take.over and self._forecast.exhausted:
                take.end("disk_full")
            if self._closing.wait(_DISK_WATCH_S):
                return

    def _bytes_per_s(self) -> float:
        take = self._take
        if take is not None and take.rows > self.fps:
            return take.size_bytes / take.rows * self.fps
        images = (typical_bytes(c.format, c.width, c.height) for c in self._cameras.values())
        return self.fps * sum(images) or self._forecast.bytes_per_s

    def with_settings(self, **changes: Any) -> None:
        """Change settings, from the next episode on.

        Raises:
            ConfigError: a value is out of range.
        """
        self.settings = replace(self.settings, **changes)


def _what_is_missing(stream: Stream, now_ns: int) -> str:
    spec, health = stream.spec, stream.health(now_ns)
    if health.age_s is None:
        unusable = "; ".join(f"{what} ({number} times)" for what, number in health.faults.items())
        return f"{spec.name}: {unusable or 'nothing is received'} on {spec.source or spec.name}"
    if health.age_s > spec.max_age_s:
        by = " by its headers" if spec.by_header else ""
        return f"{spec.name}: nothing for {health.age_s:.1f} s{by} on {spec.source or spec.name}"
    if health.age_s < -spec.max_age_s:
        return (
            f"{spec.name}: the headers on {spec.source or spec.name} are {-health.age_s:.1f} s ahead of the "
            "clock; set the computers' clocks by the same server, or use stamp: receive"
        )
    return ""

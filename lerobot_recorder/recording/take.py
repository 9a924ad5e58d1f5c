"""One episode being recorded: a thread ticks, another writes, with a bounded queue between them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lerobot_recorder.errors import DiskFullError, OverrunError, RecorderError, SpoolError
from lerobot_recorder.recording.clock import Clock, ClockSteps
from lerobot_recorder.recording.pace import Pace
from lerobot_recorder.recording.quality import QualityRules, StreamQuality, TickQuality, Verdict, judge
from lerobot_recorder.recording.rows import Row, row_at
from lerobot_recorder.recording.status import CUT_SHORT, Ending, Outcome
from lerobot_recorder.recording.streams import Sample, Stream
from lerobot_recorder.spool import AGES, SOURCE_STAMPS, EpisodeWriter, SpooledEpisode

logger = logging.getLogger(__name__)

_SETTLE_S = 0.5
"""How long a tick waits for late samples of streams that are stamped by their source: so long on the clock,
as a bag may be played slowly, and so long for real, as it may be played fast. The latter only once where a
stream falls silent: if each tick waited so, they would fall ever further behind."""

_SETTLE_STEP_S = 0.002


@dataclass(frozen=True)
class TakeSettings:
    """What holds for a whole take.

    Attributes:
        max_rows: the take ends by itself after so many; None: only when told.
        queue_rows: rows that may wait for the disk.
        ages: the streams whose ages make the feature `stream_ages`, in its order; none: no such feature.
        rules: when the episode is bad.
    """

    max_rows: int | None = None
    queue_rows: int = 60
    ages: tuple[str, ...] = ()
    rules: QualityRules = field(default_factory=QualityRules)


class Take:
    """Records one episode, from its construction until `end`.

    Attributes:
        header: what is fixed for the episode.
        result: set when the take is over and safe on disk.
    """

    def __init__(
        self,
        writer: EpisodeWriter,
        streams: Sequence[Stream],
        clock: Clock,
        settings: TakeSettings,
        on_end: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> None:
        """Start both threads; row k is taken at `header.started_at_ns` + k / fps."""
        self.header = writer.header
        self.result: Future[Outcome] = Future()
        self._writer = writer
        self._streams = streams
        self._clock = clock
        self._steps = ClockSteps(clock)
        self._settings = settings
        self._on_end = on_end
        self._queue: queue.Queue[Row | None] = queue.Queue(settings.queue_rows)
        self._stop = threading.Event()
        self._ending: Ending | None = None
        self._ended_at = 0.0
        self._failure: Exception | None = None
        self._success: bool | None = None
        self._quality = {stream.spec.name: StreamQuality(stream, self.header.fps) for stream in streams}
        self._ticks = TickQuality(1 / self.header.fps)
        self._settled_ns = 0
        self._pace = Pace(writer)
        self._decoded: dict[str, tuple[Sample, Any]] = {}
        self._tick_thread = threading.Thread(target=self._tick, name="recorder-tick", daemon=True)
        self._write_thread = threading.Thread(target=self._write, name="recorder-write", daemon=True)
        self._write_thread.start()
        try:
            self._tick_thread.start()
        except RuntimeError as error:
            self._on_end = lambda _outcome: None
            self.end("discard")
            self._queue.put(None)
            self.result.result()
            raise SpoolError(f"the episode cannot start: {error}; end some processes") from error

    @property
    def rows(self) -> int:
        """Rows taken so far."""
        return self._ticks.ticks

    @property
    def queued(self) -> int:
        """Rows that wait for the disk."""
        return self._queue.qsize()

    @property
    def limit_s(self) -> float:
        """Its length in seconds, if it ends by itself; else 0."""
        return (self._settings.max_rows or 0) / self.header.fps

    @property
    def late(self) -> int:
        """Rows that were taken more than half a period late."""
        return self._ticks.late

    @property
    def bytes_per_s(self) -> float:
        """What is written per second of recording; 0 before the first second is."""
        rows = self._writer.length
        return self._writer.size_bytes / rows * self.header.fps if rows >= self.header.fps else 0.0

    @property
    def trouble(self) -> str:
        """What has ended the take before its time, empty when nothing has."""
        return str(self._failure or "")

    @property
    def over(self) -> bool:
        """Whether no more rows are taken."""
        return self._stop.is_set()

    def figures(self) -> dict[str, dict[str, Any]]:
        """Return what has been counted of each stream so far."""
        return {name: counted.figures() for name, counted in self._quality.items()}

    def reasons(self) -> dict[str, list[str]]:
        """Say of each stream what makes the take a bad one so far."""
        return {name: counted.reasons(self._settings.rules) for name, counted in self._quality.items()}

    def notes(self) -> dict[str, list[str]]:
        """Say of each stream what the operator should know although it does not make the take a bad one."""
        return {name: counted.notes() for name, counted in self._quality.items()}

    def end(self, how: Ending) -> Future[Outcome]:
        """Take no more rows, and save, discard or set aside what was taken; returns at once."""
        if self._ending is None:
            self._ending = how
            self._ended_at = time.monotonic()
        self._stop.set()
        return self.result

    def mark_success(self, success: bool) -> bool:
        """Mark the take as a success or a failure; False when it is over, so that it is too late for it."""
        self._success = success
        return not self.over

    # The thread that ticks

    def _tick(self) -> None:
        try:
            while not self._stop.is_set() and self.rows != self._settings.max_rows:
                time_ns = self.header.started_at_ns + self.rows * 1_000_000_000 // self.header.fps
                if not self._clock.wait_until(time_ns, self._stop):
                    break
                if self._steps.since_last_s():  # rows of a time that never was would follow at once
                    self.end("clock")
                    break
                late_s = (self._clock.now_ns() - max(time_ns, self._settled_ns)) / 1e9
                if not self._settle(time_ns):
                    break
                self._take_row(time_ns)
                self._ticks.note(late_s)
        except RecorderError as error:
            if self._ending != "clock":  # then the streams have forgotten what the row would be made of
                self._fail(error)
        except Exception as error:
            logger.exception("the recorder's tick thread failed")
            self._fail(SpoolError(f"the recorder failed: {type(error).__name__}: {error}"))
        self.end("time")
        self._queue.put(None)

    def _settle(self, time_ns: int) -> bool:
        """Wait until no stream that is stamped by its source can still bring a sample for the tick.

        Returns:
            False as soon as the take is over instead.
        """
        awaited = [stream for stream in self._streams if stream.spec.by_header]
        deadline, deadline_ns = time.monotonic() + _SETTLE_S, time_ns + int(_SETTLE_S * 1e9)
        while late := [stream for stream in awaited if _may_bring(stream, time_ns)]:
            silent = all(stream.silent_s() > _SETTLE_S for stream in late)
            if (silent or time.monotonic() > deadline) and self._clock.now_ns() > deadline_ns:
                break
            if self._stop.wait(_SETTLE_STEP_S):
                return False
        if awaited:
            self._settled_ns = self._clock.now_ns()
        return True

    def _take_row(self, time_ns: int) -> None:
        row = row_at(self._streams, time_ns, self._settings.ages)
        for stream in self._streams:
            stream.keep_from(time_ns)
        try:
            self._queue.put_nowait(row)
        except queue.Full:
            raise OverrunError(self._pace.overrun(self._settings.queue_rows)) from None
        for name, sample in row.samples.items():
            self._quality[name].note_tick(sample, row.ages_s[name])

    # The thread that writes

    def _write(self) -> None:
        while (row := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    self._append(row)
                except (RecorderError, OSError, ValueError) as error:
                    self._fail(error)
                except Exception as error:
                    logger.exception("the recorder's writer thread failed")
                    self._fail(SpoolError(f"a row cannot be written: {type(error).__name__}: {error}"))
        outcome = self._conclude()
        self._decoded.clear()
        try:
            self._on_end(outcome)
        except Exception:
            logger.exception("the end of the take %s could not be told", self.header.episode_id)
        finally:
            self.result.set_result(outcome)

    def _append(self, row: Row) -> None:
        images = {}
        for stream in self._streams:
            if stream.spec.is_image:
                name, feature = stream.spec.name, stream.spec.feature
                images[feature] = self._decode(stream, row.samples[name])
                self._quality[name].note_image(row.samples[name], images[feature])
        with self._pace.appending():
            self._writer.append({**row.vectors, **_ages(row), **images})

    def _decode(self, stream: Stream, sample: Sample) -> Any:
        """Decode a sample, once however many ticks took it."""
        name = stream.spec.name
        if name not in self._decoded or self._decoded[name][0] is not sample:
            self._quality[name].check_declared(sample.value)
            with self._pace.decoding():
                self._decoded[name] = (sample, stream.decode(sample.value))
        return self._decoded[name][1]

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._stop.set()

    # The end

    def _conclude(self) -> Outcome:
        try:
            return self._close()
        except (RecorderError, OSError) as error:
            logger.error("the take %s could not be ended: %s", self.header.episode_id, error)
            return self._left(str(error))
        except Exception as error:
            logger.exception("the take %s could not be ended", self.header.episode_id)
            return self._left(f"the take cannot be ended: {type(error).__name__}: {error}")

    def _left(self, reason: str) -> Outcome:
        """Leave the take for the next start to find."""
        try:
            self._writer.abandon()
        except Exception:
            logger.exception("the files of the take %s could not be closed", self.header.episode_id)
        return self._outcome("recording", ended_by="error", reasons=(reason,), verdict="bad")

    def _close(self) -> Outcome:
        verdict = self._judge()
        facts = {
            "verdict": "good" if verdict.good else "bad",
            "ended_by": self._ended_by(),
            "streams": self.figures(),
            "ticks": self._ticks.figures(),
            "success": self._success,
            "notes": tuple(note for notes in self.notes().values() for note in notes),
        }
        accepted = not verdict.good and self._settings.rules.on_bad_episode == "keep"
        if self._ending == "discard" or self._writer.length == 0:
            return self._discard(**facts, reasons=verdict.reasons, accepted=accepted)
        if verdict.good or accepted:
            episode = self._writer.save(**facts, reasons=verdict.reasons, accepted=accepted)
        else:
            episode = self._writer.reject(*verdict.reasons, **facts)
        return self._kept(episode)

    def _discard(self, **facts: Any) -> Outcome:
        size, length = self._writer.size_bytes, self._writer.length
        self._writer.discard(**facts)
        reasons = (str(self._failure),) if self._failure else ()
        return self._outcome("discarded", length=length, size_bytes=size, reasons=reasons, ended_by="discard")

    def _kept(self, episode: SpooledEpisode) -> Outcome:
        manifest = episode.manifest
        return self._outcome(
            episode.state,
            length=manifest.length,
            verdict=manifest.verdict,
            reasons=manifest.reasons,
            notes=manifest.notes,
            ended_by=manifest.ended_by,
            size_bytes=self._writer.size_bytes,
            ticks=manifest.ticks,
            streams=manifest.streams,
        )

    def _judge(self) -> Verdict:
        verdict = judge(self._quality.values(), self._settings.rules)
        extra = []
        if self._failure is not None and not isinstance(self._failure, DiskFullError):
            extra.append(str(self._failure))
        if self._ending is not None and self._ending in CUT_SHORT:
            extra.append(CUT_SHORT[self._ending])
        return Verdict(verdict.good and not extra, (*extra, *verdict.reasons))

    def _ended_by(self) -> str:
        if isinstance(self._failure, DiskFullError):
            return "disk_full"
        if isinstance(self._failure, OverrunError):
            return "overrun"
        return "error" if self._failure is not None else (self._ending or "save")

    def _outcome(self, state: str, **facts: Any) -> Outcome:
        length = facts.pop("length", self._writer.length)
        return Outcome(
            episode_id=self.header.episode_id,
            state=state,
            length=length,
            duration_s=length / self.header.fps,
            task=self.header.task,
            wait_s=time.monotonic() - self._ended_at if self._ended_at else 0.0,
            **facts,
        )


def _ages(row: Row) -> dict[str, Any]:
    """Return what a row keeps of its samples besides their values."""
    return {
        AGES: np.array(list(row.ages_s.values()), np.float32),
        SOURCE_STAMPS: np.array([sample.source_ns for sample in row.samples.values()], np.int64),
    }


def _may_bring(stream: Stream, time_ns: int) -> bool:
    """Tell whether a sample for a tick may still be on its way; not from a stream that has fallen silent."""
    newest = stream.newest()
    if newest is None:
        return False
    return newest.stamp_ns <= time_ns and (time_ns - newest.stamp_ns) / 1e9 < stream.spec.max_age_s

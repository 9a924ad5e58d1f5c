"""One episode being recorded: one thread ticks, another writes, with a bounded queue between them."""

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

from lerobot_recorder.errors import DiskFullError, OverrunError, RecorderError, SpoolError, StreamError
from lerobot_recorder.recording.clock import Clock, ClockSteps
from lerobot_recorder.recording.quality import (
    QualityRules,
    StreamQuality,
    TickQuality,
    advised_once,
    bad_because,
)
from lerobot_recorder.recording.row_queue import QUEUE_ROWS, Pace, RowQueue
from lerobot_recorder.recording.rows import Row, row_at
from lerobot_recorder.recording.status import CUT_SHORT, Ending, Outcome
from lerobot_recorder.recording.streams import Sample, Stream
from lerobot_recorder.spool import AGES, SOURCE_STAMPS, EpisodeWriter

logger = logging.getLogger(__name__)

_SETTLE_S = 0.5
"""How long a tick waits for late samples of streams that are stamped by their source. It waits this long on
the clock, because a bag may be played slowly, and this long in real time, because it may be played fast. A
silent stream makes only one tick wait in real time, or each tick would be later than the one before."""

_SETTLE_STEP_S = 0.002


@dataclass(frozen=True)
class TakeSettings:
    """Settings of one take.

    Attributes:
        max_rows: the take ends by itself after this many rows; None: it has no limit
        queue_rows: number of rows that may wait for the disk
        ages: the streams in the feature ``stream_ages``, in its order; empty: no such feature
        rules: what makes an episode bad
    """

    max_rows: int | None = None
    queue_rows: int = QUEUE_ROWS
    ages: tuple[str, ...] = ()
    rules: QualityRules = field(default_factory=QualityRules)


class Take:
    """Records one episode, from its construction until ``end``.

    Attributes:
        header: the episode's header
        settings: its settings
        quality: the counts of each stream, by name
        result: set when the take has ended and is safe on disk
    """

    def __init__(
        self,
        writer: EpisodeWriter,
        streams: Sequence[Stream],
        clock: Clock,
        settings: TakeSettings,
        on_end: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> None:
        """Start both threads; row k is taken at ``header.started_at_ns`` + k / fps."""
        self.header = writer.header
        self.result: Future[Outcome] = Future()
        self._writer = writer
        self._streams = streams
        self._clock = clock
        self._steps = ClockSteps(clock)
        self.settings = settings
        self._on_end = on_end
        self._stop = threading.Event()
        self._ending: Ending | None = None
        self._ended_at = 0.0
        self._failure: Exception | None = None
        self._success: bool | None = None
        self.quality = {stream.spec.name: StreamQuality(stream, self.header.fps) for stream in streams}
        self._ticks = TickQuality(1 / self.header.fps)
        self._settled_ns = 0
        self._pace = Pace(writer)
        self._decoded: dict[str, tuple[Sample, Any]] = {}
        self._queue: RowQueue[Row] = RowQueue(
            self._write, settings.queue_rows, on_failure=self._fail, on_end=self._finish
        )
        try:
            threading.Thread(target=self._tick, name="recorder-tick", daemon=True).start()
        except RuntimeError as error:
            self._on_end = lambda _outcome: None
            self.end("discard")
            self._queue.close()
            self.result.result()
            raise SpoolError(f"the episode cannot start: {error}; end some processes") from error

    @property
    def rows(self) -> int:
        """Number of rows taken."""
        return self._ticks.ticks

    def status(self, now_ns: int) -> dict[str, Any]:
        """Return the fields of the recorder's status that describe it."""
        return {
            "task": self.header.task,
            "episode_id": self.header.episode_id,
            "episode_time_s": (self.settings.max_rows or 0) / self.header.fps,
            "elapsed_s": max(0.0, (now_ns - self.header.started_at_ns) / 1e9),
            "frames": self.rows,
            "late": self._ticks.late,
            "queued": self._queue.waiting,
        }

    @property
    def bytes_per_s(self) -> float:
        """Bytes written per second of recording; 0 during the first second."""
        rows = self._writer.length
        return self._writer.size_bytes / rows * self.header.fps if rows >= self.header.fps else 0.0

    @property
    def trouble(self) -> str:
        """The error that ended the take; empty if there is none."""
        return str(self._failure or "")

    @property
    def over(self) -> bool:
        """Whether the take has ended and takes no more rows."""
        return self._stop.is_set()

    def end(self, how: Ending) -> Future[Outcome]:
        """Take no more rows, and save, discard or set aside those taken; return at once."""
        if self._ending is None:
            self._ending = how
            self._ended_at = time.monotonic()
        self._stop.set()
        return self.result

    def mark_success(self, success: bool) -> bool:
        """Mark the take as a success or a failure; return False if it has ended, which is too late."""
        self._success = success
        return not self.over

    # The thread that ticks

    def _tick(self) -> None:
        try:
            while not self._stop.is_set() and self.rows != self.settings.max_rows:
                time_ns = self.header.started_at_ns + self.rows * 1_000_000_000 // self.header.fps
                if not self._clock.wait_until(time_ns, self._stop):
                    break
                if self._steps.since_last_s():  # the next rows would all be due at once
                    self.end("clock")
                    break
                late_s = (self._clock.now_ns() - max(time_ns, self._settled_ns)) / 1e9
                if not self._settle(time_ns):
                    break
                self._take_row(time_ns)
                self._ticks.note(late_s)
        except RecorderError as error:
            if self._ending != "clock":  # a clock that jumped makes streams forget the samples of the row
                self._fail(error)
        except Exception as error:
            logger.exception("the tick thread failed")
            self._fail(SpoolError(f"the recorder failed: {type(error).__name__}: {error}"))
        self.end("time")
        self._queue.close()

    def _settle(self, time_ns: int) -> bool:
        """Wait until all samples for the tick of streams that are stamped by their source have arrived.

        Returns:
            False if the take ended while it waited.
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
        row = row_at(self._streams, time_ns, self.settings.ages)
        for stream in self._streams:
            stream.keep_from(time_ns)
        try:
            self._queue.put_nowait(row)
        except queue.Full:
            raise OverrunError(self._pace.overrun(self.settings.queue_rows)) from None
        for name, sample in row.samples.items():
            self.quality[name].note_tick(sample, row.ages_s[name])

    # The thread that writes

    def _write(self, row: Row) -> None:
        if self._failure is not None:
            return
        try:
            self._append(row)
        except RecorderError:
            raise
        except (OSError, ValueError) as error:  # a message cannot be decoded
            raise StreamError(str(error)) from error

    def _finish(self) -> None:
        outcome = self._conclude()
        self._decoded.clear()
        try:
            self._on_end(outcome)
        except Exception:
            logger.exception("the callback for the end of the take %s failed", self.header.episode_id)
        finally:
            self.result.set_result(outcome)

    def _append(self, row: Row) -> None:
        images = {}
        for stream in self._streams:
            if stream.spec.is_image:
                name, feature = stream.spec.name, stream.spec.feature
                images[feature] = self._decode(stream, row.samples[name])
                self.quality[name].note_image(row.samples[name], images[feature])
        with self._pace.appending():
            self._writer.append({**row.vectors, **_ages(row), **images})

    def _decode(self, stream: Stream, sample: Sample) -> Any:
        """Decode a sample once, even if several ticks took it."""
        name = stream.spec.name
        if name not in self._decoded or self._decoded[name][0] is not sample:
            self.quality[name].check_declared(sample.value)
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
            logger.error("ending the take %s failed: %s", self.header.episode_id, error)
            return self._left(str(error))
        except Exception as error:
            logger.exception("ending the take %s failed", self.header.episode_id)
            return self._left(f"the take cannot be ended: {type(error).__name__}: {error}")

    def _left(self, reason: str) -> Outcome:
        """Leave the take to the next start, which recovers it."""
        try:
            self._writer.abandon()
        except Exception:
            logger.exception("closing the files of the take %s failed", self.header.episode_id)
        return self._outcome("recording", ended_by="error", reasons=(reason,), verdict="bad")

    def _close(self) -> Outcome:
        writer, reasons = self._writer, self._reasons()
        accepted = bool(reasons) and self.settings.rules.on_bad_episode == "keep"
        facts: dict[str, Any] = {
            "verdict": "bad" if reasons else "good",
            "reasons": reasons,
            "ended_by": self._ended_by(),
            "streams": {name: counted.figures() for name, counted in self.quality.items()},
            "ticks": self._ticks.figures(),
            "notes": advised_once([note for counted in self.quality.values() for note in counted.notes()]),
        }
        marks, size = {"success": self._success, "accepted": accepted}, writer.size_bytes
        if self._ending == "discard" or writer.length == 0:
            writer.discard(**facts, **marks)
            why = (str(self._failure),) if self._failure else ()
            return self._outcome("discarded", size_bytes=size, reasons=why, ended_by="discard")
        end = writer.reject if reasons and not accepted else writer.save
        return self._outcome(end(**facts, **marks).state, size_bytes=size, **facts)

    def _reasons(self) -> tuple[str, ...]:
        """Return what makes the take bad."""
        found = [] if self._ending is None or self._ending not in CUT_SHORT else [CUT_SHORT[self._ending]]
        if self._failure is not None and not isinstance(self._failure, DiskFullError):
            found.insert(0, str(self._failure))
        return (*found, *bad_because(self.quality.values(), self.settings.rules))

    def _ended_by(self) -> str:
        if isinstance(self._failure, DiskFullError):
            return "disk_full"
        if isinstance(self._failure, OverrunError):
            return "overrun"
        return "error" if self._failure is not None else (self._ending or "save")

    def _outcome(self, state: str, **facts: Any) -> Outcome:
        length = self._writer.length
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
    """Return the ages and source stamps of a row's samples."""
    return {
        AGES: np.array(list(row.ages_s.values()), np.float32),
        SOURCE_STAMPS: np.array([sample.source_ns for sample in row.samples.values()], np.int64),
    }


def _may_bring(stream: Stream, time_ns: int) -> bool:
    """Return whether a sample for a tick may still arrive; False for a stream that has fallen silent."""
    newest = stream.newest()
    if newest is None:
        return False
    return newest.stamp_ns <= time_ns and (time_ns - newest.stamp_ns) / 1e9 < stream.spec.max_age_s

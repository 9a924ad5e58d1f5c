"""One episode being recorded: one thread ticks, another writes, with a bounded queue between them."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from lerobot_recorder.errors import OverrunError, RecorderError, SpoolError
from lerobot_recorder.recording.clock import Clock, ClockSteps
from lerobot_recorder.recording.quality import StreamQuality
from lerobot_recorder.recording.row_queue import RowQueue
from lerobot_recorder.recording.rows import Row
from lerobot_recorder.recording.status import Ending, Outcome
from lerobot_recorder.recording.streams import Stream
from lerobot_recorder.recording.take_rows import SETTLE_S, TakeRows, TakeSettings
from lerobot_recorder.spool import EpisodeWriter

logger = logging.getLogger(__name__)

_SETTLE_STEP_S = 0.002
_REST_S = 0.03
"""From a save that is safe to its remaining work, with which an immediate start need not compete then."""


class Take:
    """Records one episode, from its construction until ``end``.

    Attributes:
        header: the episode's header
        settings: its settings
        safe: set when the take has ended and no power cut can change the outcome
        result: set after that, when the episode is in its place
    """

    def __init__(
        self,
        writer: EpisodeWriter,
        streams: Sequence[Stream],
        clock: Clock,
        settings: TakeSettings,
        *,
        on_end: Callable[[Outcome], None] = lambda _outcome: None,
        on_safe: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> None:
        """Start both threads; row k is taken at ``header.started_at_ns`` + k / fps.

        Args:
            writer: writes the rows
            streams: bring the samples
            clock: says when a tick is due
            settings: settings of the take
            on_end: called with the outcome at the end
            on_safe: called before, if a power cut can no longer change the outcome, and ``safe`` is set next
        """
        self.header = writer.header
        self.safe: Future[Outcome] = Future()
        self.result: Future[Outcome] = Future()
        self._writer = writer
        self._streams = streams
        self._clock = clock
        self._steps = ClockSteps(clock)
        self.settings = settings
        self._on_end = on_end
        self._on_safe = on_safe
        self._stop = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._is_closed = False
        self._ending: Ending | None = None
        self._ended_at = 0.0
        self._safe_at = 0.0
        self._failure: Exception | None = None
        self._success: bool | None = None
        self._rows = TakeRows(writer, streams, settings)
        self._settled_ns = 0
        self._queue: RowQueue[Row] = RowQueue(
            self._write, settings.queue_rows, on_failure=self._fail, on_end=self._finish
        )
        try:
            threading.Thread(target=self._tick, name="recorder-tick", daemon=True).start()
        except RuntimeError as error:
            self._on_end = lambda _outcome: None
            self.end("discard")
            self.result.result()
            raise SpoolError(f"the episode cannot start: {error}; end some processes") from error

    @property
    def rows(self) -> int:
        """Number of rows taken."""
        return self._rows.rows

    @property
    def quality(self) -> dict[str, StreamQuality]:
        """The counts of each stream, by name."""
        return self._rows.quality

    def status(self, now_ns: int) -> dict[str, Any]:
        """Return the fields of the recorder's status that describe it."""
        return {
            "task": self.header.task,
            "episode_id": self.header.episode_id,
            "started_at_ns": self.header.started_at_ns,
            "episode_time_s": (self.settings.max_rows or 0) / self.header.fps,
            "elapsed_s": max(0.0, (now_ns - self.header.started_at_ns) / 1e9),
            "frames": self.rows,
            "late": self._rows.ticks.late,
            "queued": self._queue.waiting,
        }

    @property
    def bytes_per_s(self) -> float:
        """Bytes written per second of recording; 0 during the first second."""
        rows = self._writer.length
        return self._writer.size_bytes / rows * self.header.fps if rows >= self.header.fps else 0.0

    @property
    def remaining_s(self) -> float:
        """Seconds of recording until it ends by itself; infinite if it does not."""
        most = self.settings.max_rows
        return math.inf if most is None else (most - self.rows) / self.header.fps

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
        with self._one_at_a_time:
            if self._ending is None:
                self._ending = how
                self._ended_at = time.monotonic()
            if not self._is_closed:  # not left to the thread that ticks, which would have to wake up first
                self._is_closed = True
                self._queue.close()
            self._stop.set()
        return self.result

    def mark_success(self, success: bool) -> bool:
        """Mark the take as a success or a failure; return False if it has ended, which is too late."""
        self._success = success
        return not self.over

    # The thread that ticks

    def _tick(self) -> None:
        try:
            while not self._stop.is_set() and not self._rows.is_full:
                time_ns = self._rows.next_ns
                if not self._clock.wait_until(time_ns, self._stop):
                    break
                if self._steps.since_last_s():  # the next rows would all be due at once
                    self.end("clock")
                    break
                late_s = (self._clock.now_ns() - max(time_ns, self._settled_ns)) / 1e9
                if not self._settle(time_ns):
                    break
                self._take_row(late_s)
        except RecorderError as error:
            if self._ending != "clock":  # a clock that jumped makes streams forget the samples of the row
                self._fail(error)
        except Exception as error:
            logger.exception("the tick thread failed")
            self._fail(SpoolError(f"the recorder failed: {type(error).__name__}: {error}"))
        self.end("time")

    def _settle(self, time_ns: int) -> bool:
        """Wait until all samples for the tick of streams that are stamped by their source have arrived.

        It waits ``SETTLE_S`` on the clock, because a bag may be played slowly, and as long in real time,
        because it may be played fast. A silent stream makes only one tick wait in real time, or each tick
        would be later than the one before.

        Returns:
            False if the take ended while it waited.
        """
        deadline, deadline_ns = time.monotonic() + SETTLE_S, time_ns + int(SETTLE_S * 1e9)
        while late := self._rows.awaited():
            silent = all(stream.silent_s() > SETTLE_S for stream in late)
            if (silent or time.monotonic() > deadline) and self._clock.now_ns() > deadline_ns:
                break
            if self._stop.wait(_SETTLE_STEP_S):
                return False
        if any(stream.spec.by_header for stream in self._streams):
            self._settled_ns = self._clock.now_ns()
        return True

    def _take_row(self, late_s: float) -> None:
        row = self._rows.look()
        with self._one_at_a_time:
            if self._is_closed:
                return
            try:
                self._queue.put_nowait(row)
            except queue.Full:
                raise OverrunError(self._rows.pace.overrun(self.settings.queue_rows)) from None
            self._rows.note(row, late_s)

    # The thread that writes

    def _write(self, row: Row) -> None:
        if self._failure is None:
            self._rows.append(row)

    def _note_safe(self, outcome: Outcome) -> None:
        self._safe_at = time.monotonic()
        outcome = self._timed(outcome)
        self._report(self._on_safe, outcome)
        self.safe.set_result(outcome)
        time.sleep(_REST_S)

    def _finish(self) -> None:
        outcome = self._conclude()
        self._rows.forget()
        self._report(self._on_end, outcome)
        if not self.safe.done():
            self.safe.set_result(outcome)
        self.result.set_result(outcome)

    def _report(self, callback: Callable[[Outcome], None], outcome: Outcome) -> None:
        try:
            callback(outcome)
        except Exception:
            logger.exception("the callback for the end of the take %s failed", self.header.episode_id)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._stop.set()

    # The end

    def _conclude(self) -> Outcome:
        try:
            outcome = self._rows.conclude(self._ending, self._failure, self._success, self._note_safe)
        except (RecorderError, OSError) as error:
            logger.error("ending the take %s failed: %s", self.header.episode_id, error)
            outcome = self._left(str(error))
        except Exception as error:
            logger.exception("ending the take %s failed", self.header.episode_id)
            outcome = self._left(f"the take cannot be ended: {type(error).__name__}: {error}")
        return self._timed(outcome)

    def _timed(self, outcome: Outcome) -> Outcome:
        safe_at = self._safe_at or time.monotonic()
        return replace(outcome, wait_s=safe_at - self._ended_at if self._ended_at else 0.0)

    def _left(self, reason: str) -> Outcome:
        """Leave the take to the next start, which recovers it."""
        try:
            self._writer.abandon()
        except Exception:
            logger.exception("closing the files of the take %s failed", self.header.episode_id)
        return self._rows.outcome("recording", ended_by="error", reasons=(reason,), verdict="bad")

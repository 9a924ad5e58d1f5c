"""A bounded queue to the thread that writes rows, and which step is too slow when the queue is full."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from lerobot_recorder.errors import RecorderError, SpoolError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.spool import EpisodeHeader

QUEUE_ROWS = 60
"""Rows that may wait; disks have been seen to stop for a second."""

_STALL_S = 1.0
"""Converting a row never takes this long; a disk may."""

logger = logging.getLogger(__name__)

RowT = TypeVar("RowT")


class RowQueue(Generic[RowT]):
    """Writes rows in order, in a thread of its own. After a failure it drops the rows that follow.

    Attributes:
        failure: the first error of ``write``; None if there is none.
    """

    def __init__(
        self,
        write: Callable[[RowT], None],
        rows: int = QUEUE_ROWS,
        *,
        on_failure: Callable[[RecorderError], None] = lambda _error: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the thread.

        Args:
            write: writes one row; called by the thread
            rows: number of rows that may wait
            on_failure: called by the thread with the first error
            on_end: called by the thread after the last row
        """
        self.failure: RecorderError | None = None
        self._write = write
        self._on_failure = on_failure
        self._on_end = on_end
        self._rows = rows
        self._waiting: queue.Queue[RowT | None] = queue.Queue(rows + 1)  # one for the end
        # Up to Python 3.12, a `Thread.join` that was interrupted takes the thread for ended.
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="recorder-write", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Number of rows that wait."""
        return self._waiting.qsize()

    def put(self, row: RowT) -> None:
        """Add a row; wait while the queue is full.

        Raises:
            RecorderError: an earlier row could not be written.
        """
        self.raise_failure()
        self._waiting.put(row)

    def put_nowait(self, row: RowT) -> None:
        """Add a row; from one thread.

        Raises:
            queue.Full: too many rows wait.
        """
        if self._waiting.qsize() >= self._rows:
            raise queue.Full
        self._waiting.put_nowait(row)

    def close(self) -> None:
        """Add no more rows; the thread ends after those that wait. It may wait for room after ``put``."""
        self._waiting.put(None)

    def stop(self) -> None:
        """Write the rows that wait, and end the thread; a second call does nothing."""
        if not self._ended.is_set():
            self.close()
            self._ended.wait()

    def raise_failure(self) -> None:
        """Raise the error that ended the writing, if there is one.

        Raises:
            RecorderError: a row could not be written; the rows before it are whole.
        """
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        while (row := self._waiting.get()) is not None:
            if self.failure is None:
                self._write_row(row)
        self._on_end()
        self._ended.set()

    def _write_row(self, row: RowT) -> None:
        try:
            self._write(row)
            return
        except RecorderError as error:
            self.failure = error
        except Exception as error:
            logger.exception("writing a row failed")
            self.failure = SpoolError(f"a row cannot be written: {type(error).__name__}: {error}")
        self._on_failure(self.failure)


class TimedWriter(Protocol):
    """A writer that measures its steps.

    Attributes:
        header: the episode's header
        length: number of rows written
        convert_s: seconds spent on converting them
        write_s: seconds spent on writing them
    """

    header: EpisodeHeader
    length: int
    convert_s: float
    write_s: float


class Pace:
    """Measures how long the steps of writing a row take."""

    def __init__(self, writer: TimedWriter) -> None:
        self._writer = writer
        self._decode_s = 0.0
        self._appending_since: float | None = None

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Count the time of a block that decodes images."""
        began = time.monotonic()
        yield
        self._decode_s += time.monotonic() - began

    @contextmanager
    def appending(self) -> Iterator[None]:
        """Count the time of a block that appends a row."""
        self._appending_since = time.monotonic()
        yield
        self._appending_since = None

    def overrun(self, waiting: int) -> str:
        """Describe which step is too slow when ``waiting`` rows wait; from any thread."""
        since = self._appending_since
        stalled_s = 0.0 if since is None else time.monotonic() - since
        fps, rows = self._writer.header.fps, max(1, self._writer.length)
        if stalled_s > _STALL_S:
            return (
                f"writing to the disk is too slow for {fps} fps: one row has taken {stalled_s:.1f} s so far, "
                f"and {counted(waiting, 'row', 'wait')}; check what else uses this disk, or use a faster one"
            )
        convert_ms = (self._decode_s + self._writer.convert_s) / rows * 1e3
        write_ms = self._writer.write_s / rows * 1e3
        slow = "writing to the disk" if write_ms > convert_ms else "converting the images"
        return (
            f"{slow} is too slow for {fps} fps: a row takes {convert_ms:.0f} ms to convert and "
            f"{write_ms:.0f} ms to write, and {counted(waiting, 'row', 'wait')}; "
            "use fewer or smaller images, compressed topics, or a faster disk"
        )

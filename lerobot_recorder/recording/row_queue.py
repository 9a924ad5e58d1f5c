"""Rows on their way to the disk, behind a bounded queue, so that a busy disk does not stop who keeps time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import Any

from lerobot_recorder.errors import RecorderError, SpoolError
from lerobot_recorder.spool import EpisodeWriter, PreparedRow

QUEUE_ROWS = 60
"""Rows that may wait; disks were seen to stop for a second."""


class RowQueue:
    """Appends rows to an episode in a thread of its own, in order.

    Attributes:
        length: rows that were taken.
    """

    def __init__(self, writer: EpisodeWriter, rows: int = QUEUE_ROWS) -> None:
        self.length = 0
        self._writer = writer
        self._waiting: queue.Queue[PreparedRow | None] = queue.Queue(rows)
        self._failure: RecorderError | None = None
        # Not `Thread.join`: once interrupted, it takes the thread for ended, up to Python 3.12.
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="row-queue", daemon=True).start()

    def append(self, row: Mapping[str, Any]) -> None:
        """Take a row; blocks only while the queue is full. The row's arrays may be changed afterwards.

        Raises:
            SpoolError: a value is missing, unknown, or of another size or kind; the row is not taken. Or an
                earlier row could not be written.
        """
        prepared = self._writer.prepare(row)
        self._raise_failure()
        self._waiting.put(prepared)
        self.length += 1

    def drain(self) -> None:
        """Write what waits.

        Raises:
            SpoolError: a row could not be written; those before it are whole.
        """
        self.stop()
        self._raise_failure()

    def stop(self) -> None:
        """Write what waits, as far as that can be done."""
        if not self._ended.is_set():
            self._waiting.put(None)
            self._ended.wait()

    def _run(self) -> None:
        while (row := self._waiting.get()) is not None:
            if self._failure is None:
                self._write(row)
        self._ended.set()

    def _write(self, row: PreparedRow) -> None:
        try:
            self._writer.write(row)
        except RecorderError as error:
            self._failure = error
        except Exception as error:  # it must be told, not end the thread
            self._failure = SpoolError(f"a row cannot be written: {type(error).__name__}: {error}")

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

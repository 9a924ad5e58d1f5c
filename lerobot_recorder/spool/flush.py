"""Writes growing files through to the device from a side thread, so that closing them is quick."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

FLUSH_INTERVAL_S = 0.5


class BackgroundFlush:
    """A thread that calls what writes files through, at an interval.

    The files belong to the caller and must stay open until `stop` has returned. Linux reports a failed write
    once to each that has the file open, so that a later sync finds nothing wrong. Therefore the first error
    is kept, and ends the thread.
    """

    def __init__(self, flushes: Sequence[Callable[[], None]]) -> None:
        self._flushes = flushes
        self._failure: OSError | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-flush", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a flush under way is waited for."""
        self._stopped.set()
        self._thread.join()

    def raise_failure(self) -> None:
        """Raise what went wrong in the thread.

        Raises:
            OSError: a file could not be written through; it may lack what was appended to it.
        """
        if self._failure is not None:
            raise OSError(self._failure.errno, self._failure.strerror) from self._failure

    def _run(self) -> None:
        try:
            while not self._stopped.wait(FLUSH_INTERVAL_S):
                for flush in self._flushes:
                    if not self._stopped.is_set():
                        flush()
        except OSError as error:
            self._failure = error

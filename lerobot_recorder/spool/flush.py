"""Writes growing files through to the device from a side thread, so that closing them is quick."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

FLUSH_INTERVAL_S = 0.5


class BackgroundFlush:
    """A thread that calls what writes files through, at an interval.

    The files belong to the caller and must stay open until `stop` has returned.
    """

    def __init__(self, flushes: Sequence[Callable[[], None]], interval_s: float = FLUSH_INTERVAL_S) -> None:
        self._flushes = flushes
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-flush", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a flush under way is waited for."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            for flush in self._flushes:
                if not self._stopped.is_set():
                    # A failing device is reported by the sync that ends the episode.
                    with contextlib.suppress(OSError):
                        flush()

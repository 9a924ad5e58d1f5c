"""Writes growing files through to the device from a side thread, so that closing them is quick."""

from __future__ import annotations

import contextlib
import os
import threading

FLUSH_INTERVAL_S = 0.5


class BackgroundFlush:
    """A thread that syncs a set of open files at an interval.

    The descriptors belong to the caller and must stay open until `stop` has returned.
    """

    def __init__(self, descriptors: list[int], interval_s: float = FLUSH_INTERVAL_S) -> None:
        self._descriptors = descriptors
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-flush", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a sync under way is waited for."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            for descriptor in self._descriptors:
                if not self._stopped.is_set():
                    # A failing device is reported by the sync that ends the episode.
                    with contextlib.suppress(OSError):
                        os.fdatasync(descriptor)

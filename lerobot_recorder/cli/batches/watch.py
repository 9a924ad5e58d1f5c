"""Looks, while something is recorded, at the disk that it holds and at what is already encoded."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_EVERY_S = 0.2


class Watch:
    """A thread that samples; used in a `with` block.

    Attributes:
        peak_bytes: the most that was in the directory.
        done_at: when each episode was first seen to be encoded, by `time.monotonic`.
    """

    def __init__(self, directory: Path, done: Callable[[], Iterable[str]] = tuple) -> None:
        """Watch a directory, and the episodes that `done` names; each stays done."""
        self.peak_bytes = 0
        self.done_at: dict[str, float] = {}
        self._directory = directory
        self._done = done
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._look()

    def _look(self) -> None:
        self.peak_bytes = max(self.peak_bytes, size_bytes(self._directory))
        for name in self._done():
            self.done_at.setdefault(name, time.monotonic())


def size_bytes(directory: Path) -> int:
    """Add up the files below a directory, which may change meanwhile."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += Path(folder, name).stat().st_size
            except FileNotFoundError:
                continue
    return total

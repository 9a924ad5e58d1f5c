"""How far a check has come, in bytes of the files that it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Progress = Callable[[int, int], None]
"""Called with the bytes of the files that were read, and those of all files."""


class Work:
    """Counts the files that a check reads.

    Args:
        files: all files that it will read.
        progress: called whenever more was read.
    """

    def __init__(self, files: list[Path], progress: Progress) -> None:
        self._sizes = {path: path.stat().st_size for path in files if path.is_file()}
        self._total = sum(self._sizes.values())
        self._done = 0
        self._progress = progress

    def reached(self, path: Path, share: float) -> None:
        """Note how much of a file was read; 1 for all of it."""
        size = self._sizes.get(path, 0)
        if share >= 1:
            self._done += self._sizes.pop(path, 0)
        self._progress(self._done + (int(size * share) if share < 1 else 0), self._total)

"""A device that loses everything that was not synced: contents of files, and entries of directories."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any


class SyncedOnly:
    """Follows the syncs below a directory, and rebuilds what a power cut leaves at the worst.

    Args:
        root: the directory; it exists, and is empty.

    Attributes:
        at_sync: called after each sync, which waits for it.
    """

    def __init__(self, root: Path) -> None:
        self.at_sync: Callable[[], None] = lambda: None
        self._root = root
        self._contents: dict[int, bytes] = {}
        self._entries: dict[int, dict[str, int]] = {}
        self._directories: set[int] = set()
        self._one_at_a_time = threading.RLock()

    def install(self, monkeypatch: Any) -> None:
        """Listen to the syncs of this process."""
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._sync)

    def _sync(self, descriptor: int) -> None:
        with self._one_at_a_time:
            found = os.fstat(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path != self._root and self._root not in path.parents:
                return
            if stat.S_ISDIR(found.st_mode):
                self._note(found.st_ino, path)
            else:
                self._contents[found.st_ino] = path.read_bytes()
            self.at_sync()

    def _note(self, inode: int, directory: Path) -> None:
        with os.scandir(directory) as found:
            entries = list(found)
        self._entries[inode] = {entry.name: entry.inode() for entry in entries}
        self._directories |= {entry.inode() for entry in entries if entry.is_dir()}

    def rebuild(self, target: Path) -> None:
        """Create in ``target`` what is left after a power cut now."""
        with self._one_at_a_time:
            self._build(self._root.stat().st_ino, target)

    def _build(self, directory: int, target: Path) -> None:
        target.mkdir(parents=True)
        for name, inode in self._entries.get(directory, {}).items():
            if inode in self._directories:
                self._build(inode, target / name)
            else:
                (target / name).write_bytes(self._contents.get(inode, b""))

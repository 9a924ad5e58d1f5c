"""A device that loses all contents and entries that were not synced; only a rename is done as a whole."""

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
        left = {name: each for name, each in self._entries.get(inode, {}).items() if self._has_moved(each)}
        self._entries[inode] = {**left, **{entry.name: entry.inode() for entry in entries}}
        self._directories |= {entry.inode() for entry in entries if entry.is_dir()}
        self._remove_copies(inode)

    def _has_moved(self, inode: int) -> bool:
        """Return whether it still exists: a rename does not remove it before it is in its new place."""
        return any(path.stat().st_ino == inode for path in self._root.glob("*/*"))

    def _remove_copies(self, directory: int) -> None:
        """Let what has arrived in a directory leave the one that it came from: a rename does both at once."""
        arrived = set(self._entries[directory].values())
        for other, entries in self._entries.items():
            if other != directory:
                self._entries[other] = {
                    name: inode for name, inode in entries.items() if inode not in arrived
                }

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

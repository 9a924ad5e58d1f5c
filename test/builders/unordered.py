"""A file system that writes the entries of directories in any order, as FAT, exFAT and network ones do.

An entry is on the device once its directory was synced; of the changes since then, a power cut keeps any. A
rename adds an entry and removes another, so that a cut may leave both. That it leaves neither is not
considered: nothing helps against that. Files have the contents that they had when the power was cut.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Entry = tuple[int, str]
"""The inode of a directory, and a name in it."""

_OPERATIONS = ("mkdir", "rename", "replace", "unlink", "rmdir")
_SUBSETS = 5


@dataclass(frozen=True)
class Change:
    """An entry that came or went; one that went by a rename goes only after it came elsewhere."""

    entry: Entry
    inode: int
    added: bool
    moved: bool = False


class UnorderedDirectories:
    """Follows the directories below one, and rebuilds what a power cut may leave of them.

    Args:
        root: the directory.
        store: an empty directory beside it.
        at_cut: called before each operation, when something is not yet on the device.
    """

    def __init__(self, root: Path, store: Path, at_cut: Callable[[], None]) -> None:
        self._root = root
        self._store = store
        self._at_cut = at_cut
        self._kept_open: dict[int, int] = {}
        self._busy = True
        self._one_at_a_time = threading.RLock()
        self._pending: list[Change] = []
        self._seen = self._snapshot()
        self._durable = dict(self._seen)
        self._choose = random.Random(1)

    def install(self, monkeypatch: Any) -> None:
        """Listen to the operations of this process."""
        for name in _OPERATIONS:
            monkeypatch.setattr(os, name, self._announced(getattr(os, name)))
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._sync)
        self._busy = False

    def close(self) -> None:
        """Close what was kept open."""
        with self._one_at_a_time:
            self._busy = True
        for descriptor in self._kept_open.values():
            os.close(descriptor)

    def _announced(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def announced(*arguments: Any, **options: Any) -> Any:
            with self._one_at_a_time:
                self._look()
                try:
                    return function(*arguments, **options)
                finally:
                    self._look()

        return announced

    def _sync(self, descriptor: int) -> None:
        """Note what a sync makes durable. The real device need not sync: its power does not fail."""
        with self._one_at_a_time:
            self._look()
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode) and not self._busy:
                for change in [each for each in self._pending if each.entry[0] == found.st_ino]:
                    self._apply(self._durable, change)
                    self._pending.remove(change)

    def _look(self) -> None:
        """Note what has changed, and let the power fail."""
        if self._busy:
            return
        self._busy = True
        try:
            found = self._snapshot()
            changes = list(self._changes(found))
            self._pending += changes
            self._seen = found
            if changes:
                self._at_cut()
        finally:
            self._busy = False

    def _changes(self, found: dict[Entry, int]) -> Iterator[Change]:
        came = {inode for entry, inode in found.items() if self._seen.get(entry) != inode}
        for entry, inode in found.items():
            if self._seen.get(entry) != inode:
                yield Change(entry, inode, added=True)
        for entry, inode in self._seen.items():
            if entry not in found:
                yield Change(entry, inode, added=False, moved=inode in came)

    def _snapshot(self) -> dict[Entry, int]:
        entries: dict[Entry, int] = {}
        self._walk(self._root, entries)
        return entries

    def _walk(self, directory: Path, entries: dict[Entry, int]) -> None:
        inode = directory.stat().st_ino
        if inode not in self._kept_open:  # so that no other directory gets its number
            self._kept_open[inode] = os.open(directory, os.O_RDONLY)
        for path in directory.iterdir():
            entries[inode, path.name] = path.stat().st_ino
            if path.is_dir():
                self._walk(path, entries)
            elif not (kept := self._store / str(path.stat().st_ino)).exists():
                os.link(path, kept)

    # After a power cut

    def states(self, target: Path) -> Iterator[None]:
        """Rebuild each state that the device may be in, one after the other, in a directory."""
        rebuilt = []
        for chosen in self._subsets():
            entries = dict(self._durable)
            for change in chosen:
                self._apply(entries, change)
            if entries in rebuilt:
                continue
            rebuilt.append(entries)
            shutil.rmtree(target, ignore_errors=True)
            self._build(self._root.stat().st_ino, target, entries)
            yield

    def _subsets(self) -> Iterator[list[Change]]:
        yield []
        yield self._pending
        for _ in range(_SUBSETS):
            chosen = [change for change in self._pending if self._choose.random() < 0.5]
            came = {change.inode for change in chosen if change.added}
            yield [change for change in chosen if change.added or not change.moved or change.inode in came]

    def _apply(self, entries: dict[Entry, int], change: Change) -> None:
        if change.added:
            entries[change.entry] = change.inode
        elif entries.get(change.entry) == change.inode:
            del entries[change.entry]

    def _build(self, inode: int, target: Path, entries: dict[Entry, int]) -> None:
        target.mkdir()
        for (directory, name), child in entries.items():
            if directory != inode:
                continue
            if child in self._kept_open:
                self._build(child, target / name, entries)
            else:
                shutil.copyfile(self._store / str(child), target / name)

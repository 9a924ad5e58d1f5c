"""What a power cut leaves of a directory: less of what was not synced.

A file keeps what it had when it was last synced, and any part of the rest, or zeros in its place. Of the
changes to directories since the last sync, any number of the last ones is undone, as journaling file systems
keep the order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random


@dataclass
class Synced:
    """What is known to be on the disk.

    Attributes:
        sizes: bytes of files that were synced, by device and inode.
        changes: what has changed in directories since the last sync, oldest first; lines of the journal.
    """

    sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)


def read_journal(journal: Path) -> Synced:
    """Read what ``faults.c`` has noted."""
    synced = Synced()
    for line in journal.read_text(errors="surrogateescape").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "S":
            device, inode, size = map(int, rest.split())
            synced.sizes[device, inode] = size
            synced.changes.clear()
        else:
            synced.changes.append(line)
    return synced


def sync_all(root: Path, journal: Path) -> None:
    """Note that everything below a directory is on the disk."""
    lines = [f"S {found.st_dev} {found.st_ino} {found.st_size}\n" for _, found in _files(root)]
    journal.write_text("".join(lines) + "S 0 0 0\n")


def cut_power(root: Path, journal: Path, random: Random) -> tuple[int, int]:
    """Take away from a directory what a power cut may take; nobody may be using it.

    Returns:
        How many bytes and how many changes are gone.
    """
    synced = read_journal(journal)
    lost = sum(_lose(path, found, synced, random) for path, found in list(_files(root)))
    undone = _undo(synced.changes, random.randint(0, len(synced.changes)))
    sync_all(root, journal)
    return lost, undone


def _files(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.stat()


def _lose(path: Path, found: os.stat_result, synced: Synced, random: Random) -> int:
    safe = min(synced.sizes.get((found.st_dev, found.st_ino), 0), found.st_size)
    kept = random.choice((safe, random.randint(safe, found.st_size), found.st_size))
    if kept < found.st_size:
        os.truncate(path, kept)
        if random.random() < 0.3:  # the size was written, the data not
            os.truncate(path, found.st_size)
    return found.st_size - kept


def _undo(changes: list[str], number: int) -> int:
    """Undo the last changes; it ends at one that cannot be undone, as a removal."""
    for undone, line in enumerate(reversed(changes[len(changes) - number :])):
        kind, _, rest = line.partition(" ")
        try:
            if kind == "R":
                old, new = map(Path, rest.split("\t"))
                if old.exists():
                    return undone
                new.rename(old)
            elif kind == "D":
                Path(rest).rmdir()
            else:
                return undone
        except OSError:
            return undone
    return number

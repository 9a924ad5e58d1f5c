"""Files and directory entries that survive a power cut once a call has returned."""

from __future__ import annotations

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Write a file's data and size through to the device.

    Raises:
        OSError: the file cannot be opened, or the device failed.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Write a directory's entries through to the device: new names, renames, removals.

    Raises:
        OSError: the directory cannot be opened, or the device failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a start after a power cut, finds the old content or the new.

    Raises:
        OSError: the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_directory(path.parent)


def move_directory(source: Path, target: Path) -> None:
    """Rename a directory, and write both parents through.

    Raises:
        OSError: the rename failed, as when `target` exists and is not empty.
    """
    source.rename(target)
    sync_directory(target.parent)
    sync_directory(source.parent)

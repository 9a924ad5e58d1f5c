"""Files and directories that survive a power cut once a call has returned."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: BaseException) -> bool:
    """Tell whether an error, or what it was raised from, says that no room is left."""
    causes = (error, error.__cause__)
    return any(getattr(cause, "errno", None) in _FULL for cause in causes)


def sync(path: Path) -> None:
    """Write a file's content, or a directory's entries, through to the device."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(directory: Path) -> None:
    """Write all files and directories below a directory through to the device, and itself."""
    for path in directory.rglob("*"):
        sync(path)
    sync(directory)


def make_directory(path: Path) -> None:
    """Make a directory and those above it, so that they are found after a power cut."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a start after a power cut, finds the old content or the new.

    Raises:
        OSError: the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    sync(partial)
    partial.replace(path)
    sync(path.parent)


def move_directory(source: Path, target: Path) -> None:
    """Rename a directory, and write both parents through.

    Raises:
        OSError: the rename failed, as when `target` exists and is not empty.
    """
    source.rename(target)
    sync(target.parent)
    sync(source.parent)

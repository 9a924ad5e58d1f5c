"""Files and directories that survive a power cut once a call has returned."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PRIVATE = 0o700


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


def drop_cached(path: Path) -> None:
    """Have what is read of a file next come from the device, as memory may hold what could not be written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make a directory and those above it, so that they are found after a power cut."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def make_private_directory(path: Path) -> None:
    """Create a directory that only its owner may enter, as `make_directory` does; close one that is open.

    A directory of another user is left as it is.
    """
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(_PRIVATE, exist_ok=True)
        sync(path.parent)
    with contextlib.suppress(OSError):  # another user's, or a file system without permissions
        if path.stat().st_mode & ~_PRIVATE & 0o777:
            path.chmod(_PRIVATE)


def write_file(path: Path, content: bytes) -> None:
    """Write a file through to the device.

    One descriptor writes and syncs: Linux reports a failed write to those who had the file open.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a start after a power cut, finds the old content or the new.

    Raises:
        OSError: the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    write_file(partial, content)
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

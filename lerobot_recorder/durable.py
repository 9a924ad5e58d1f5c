"""Files and directories that survive a power cut once a call has returned."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from lerobot_recorder.errors import DatasetError, DiskFullError, causes

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PRIVATE = 0o700
_HINTS = {
    errno.ENOENT: "its directory does not exist: create it, or choose another path",
    errno.ENOTDIR: "a part of the path is a file: choose another path",
    errno.EISDIR: "it is a directory: give the path of a file",
    errno.EROFS: "the disk is read-only: choose another path",
    errno.EACCES: "you may not write there: choose another path, or change its permissions",
    errno.EPERM: "you may not write there: choose another path, or change its permissions",
}
_RESERVE_BYTES = 64 * 1024**2
"""Room that is left for descriptions, and for other programs."""


def is_full(error: BaseException) -> bool:
    """Return whether an error, or one that it was raised from, means that the disk is full."""
    return any(
        isinstance(each, DiskFullError) or getattr(each, "errno", None) in _FULL for each in causes(error)
    )


def why_not_written(error: BaseException) -> str:
    """Return why a file or directory cannot be written, and what to do; never names a partial file."""
    if is_full(error):
        return "no space left on the disk: free some space, or choose another path"
    if isinstance(error, OSError) and error.errno is not None:
        return _HINTS.get(error.errno) or error.strerror or str(error)
    return str(error)


def nearest_existing(path: Path) -> Path:
    """Return a path, or its nearest parent that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def require_room(root: Path, needed_bytes: int, what: str, hint: str = "free some space") -> None:
    """Check, before anything is written, that a file system has room.

    Args:
        root: the dataset's directory, which may not exist yet.
        needed_bytes: bytes that will be written; a reserve is added.
        what: what will write them, for the message.
        hint: what to do, for the message.

    Raises:
        DatasetError: it has not.
    """
    needed, free = needed_bytes + _RESERVE_BYTES, shutil.disk_usage(nearest_existing(root)).free
    if free < needed:
        raise DatasetError(
            f"{root}: {what} needs {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free; {hint}"
        )


def sync(path: Path) -> None:
    """Sync a file's content, or a directory's entries, to the device."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(directory: Path) -> None:
    """Sync a directory and everything below it to the device."""
    for path in directory.rglob("*"):
        sync(path)
    sync(directory)


def drop_cached(path: Path) -> None:
    """Drop a file from the cache, which may hold data that could not be written to the device."""
    with path.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def make_directory(path: Path) -> None:
    """Create a directory and its parents, so that they exist after a power cut."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def make_private_directory(path: Path) -> None:
    """Create a directory that only its owner may enter; if it exists, remove the permissions of others.

    A directory of another user does not change.
    """
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(_PRIVATE, exist_ok=True)
        sync(path.parent)
    with contextlib.suppress(OSError):  # another user's, or a file system without permissions
        if path.stat().st_mode & ~_PRIVATE & 0o777:
            path.chmod(_PRIVATE)


def write_file(path: Path, content: bytes) -> None:
    """Write a file and sync it to the device.

    One descriptor writes and syncs: Linux reports a failed write only to descriptors that were open then.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())


def partial_file(path: Path) -> Path:
    """Return where the new content of a file is written before it replaces the old one."""
    return path.with_name(path.name + ".partial")


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content so that readers find the old or the new one, even after a power cut.

    Raises:
        OSError: the file cannot be written.
    """
    partial = partial_file(path)
    write_file(partial, content)
    partial.replace(path)
    sync(path.parent)


def move_directory(source: Path, target: Path) -> None:
    """Rename a directory and sync both parents.

    Raises:
        OSError: the rename failed, for example because ``target`` exists and is not empty.
    """
    source.rename(target)
    sync(target.parent)
    sync(source.parent)

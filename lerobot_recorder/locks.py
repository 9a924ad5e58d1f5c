"""Locks on files: a process that dies releases its locks, and waiting for a lock always ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lerobot_recorder.errors import LockError

WAIT_S = 10.0
"""How long to wait for a lock; a move in the spool holds its lock for some milliseconds."""

_FIRST_STEP_S, _LONGEST_STEP_S = 0.001, 0.05
_PRIVATE = 0o600
"""Everyone who may open a lock file may hold its lock, so only its owner may open it."""


class FileLock:
    """A lock on a file, held from its construction until ``release``.

    Attributes:
        path: the file; it is created if it is missing
    """

    def __init__(self, path: Path, wait_s: float | None = None) -> None:
        """Take the lock, and write the holder into the file.

        Raises:
            LockError: another process keeps the lock for longer than ``wait_s``, by default ``WAIT_S``.
            OSError: the file cannot be opened.
        """
        self.path = Path(path)
        self._file = os.fdopen(_open(self.path), "r+b", buffering=0)
        try:
            _await_lock(self._file.fileno(), self.path, wait_s)
        except BaseException:
            self._file.close()
            raise
        self._note_holder()

    def _note_holder(self) -> None:
        with contextlib.suppress(OSError):  # the disk may be full; the lock works anyway
            note = json.dumps({"host": socket.gethostname(), "pid": os.getpid()})
            self._file.truncate(0)
            self._file.write(note.encode())

    def is_on(self, path: Path) -> bool:
        """Return whether ``path`` is the locked file, even after its directory was moved."""
        try:
            return not self._file.closed and os.path.samestat(os.fstat(self._file.fileno()), path.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if not self._file.closed:
            _close(self._file.fileno(), self._file.close)


@contextlib.contextmanager
def held(path: Path, wait_s: float | None = None) -> Iterator[None]:
    """Hold the lock on a file, which is created if it is missing.

    Raises:
        LockError: another process keeps the lock for longer than ``wait_s``, by default ``WAIT_S``.
        OSError: the file cannot be opened.
    """
    descriptor = _open(path)
    try:
        _await_lock(descriptor, path, wait_s)
        yield
    finally:
        _close(descriptor, lambda: os.close(descriptor))


@contextlib.contextmanager
def held_unless_taken(path: Path) -> Iterator[bool]:
    """Hold the lock on a file unless another process has it.

    Yields:
        Whether the lock is held; False if the file's directory does not exist.
    """
    try:
        descriptor = _open(path)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _try_lock(descriptor)
    finally:
        _close(descriptor, lambda: os.close(descriptor))


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    with contextlib.suppress(OSError):  # another user's file, or a file system without permissions
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, _PRIVATE)
    return descriptor


def _close(descriptor: int, close: Callable[[], object]) -> None:
    """Unlock and close; only closing would leave the lock to a forked process that shares the descriptor."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    close()


def _await_lock(descriptor: int, path: Path, wait_s: float | None) -> None:
    wait_s = WAIT_S if wait_s is None else wait_s
    deadline, step_s = time.monotonic() + wait_s, _FIRST_STEP_S
    while not _try_lock(descriptor):
        if time.monotonic() >= deadline:
            raise LockError(_busy(path, wait_s))
        time.sleep(step_s)
        step_s = min(2 * step_s, _LONGEST_STEP_S)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _busy(path: Path, wait_s: float) -> str:
    pid = holder(path)
    who = f"process {pid} ({_command(pid)})" if pid is not None else "another process"
    waited = f" for more than {wait_s:g} s" if wait_s else ""
    return f"{path} is locked by {who}{waited}: end that process, or try again when it has finished"


def holder(path: Path) -> int | None:
    """Return the ID of the process that holds the lock on a file; None if it is unknown.

    It comes from the kernel's list of locks, which lacks processes of other containers and machines.
    """
    try:
        wanted = path.stat()
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    device = f"{os.major(wanted.st_dev):02x}:{os.minor(wanted.st_dev):02x}:{wanted.st_ino}"
    for line in lines:
        # 1: FLOCK  ADVISORY  WRITE 4242 08:02:1835021 0 EOF
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == device and int(fields[4]) > 0:
            return int(fields[4])
    return None


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "unknown"

"""Files that only grow, and a thread that syncs them while they do."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

FLUSH_INTERVAL_S = 0.5

Content = bytes | memoryview

_APPEND_NEW = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class AppendFile:
    """A file that only grows, without a buffer in the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.descriptor = os.open(path, _APPEND_NEW, 0o644)

    def write(self, content: Content) -> None:
        """Append ``content``.

        Raises:
            OSError: it could not be written, or only in part; ``cut`` removes that part.
        """
        view = memoryview(content).cast("B")
        written = 0
        while written < len(view):
            written += os.write(self.descriptor, view[written:])
        self.size += written

    def cut(self, size: int) -> None:
        """Cut the file to ``size`` bytes, which also removes what a failed write left."""
        os.ftruncate(self.descriptor, size)
        self.size = size

    def flush(self) -> None:
        """Sync the content to the device; from any thread."""
        os.fdatasync(self.descriptor)

    def sync(self) -> None:
        """Sync content and metadata to the device."""
        os.fsync(self.descriptor)

    def close(self) -> None:
        """Unlock and close the file; a second call does nothing."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            # Everything that must not be lost is synced by now; that reported all errors that closing could.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)


def create_files(paths: Iterable[Path]) -> list[AppendFile]:
    """Create all files, or none of them.

    Raises:
        OSError: a file cannot be created.
    """
    with contextlib.ExitStack() as undo:
        files = []
        for path in paths:
            files.append(AppendFile(path))
            undo.callback(path.unlink, missing_ok=True)
            undo.callback(files[-1].close)
        undo.pop_all()
        return files


class BackgroundFlush:
    """A thread that syncs files at an interval, so that closing them is quick.

    The files belong to the caller and must stay open until ``stop`` has returned. Linux reports a failed
    write only once per open file, so a later sync would succeed. Therefore the first error is kept and ends
    the thread.
    """

    def __init__(self, flushes: Sequence[Callable[[], None]]) -> None:
        self._flushes = flushes
        self._failure: OSError | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-flush", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the current flush."""
        self._stopped.set()
        self._thread.join()

    def raise_failure(self) -> None:
        """Raise the error that ended the thread.

        Raises:
            OSError: a file could not be synced; it may lack what was appended to it.
        """
        if self._failure is not None:
            raise OSError(self._failure.errno, self._failure.strerror) from self._failure

    def _run(self) -> None:
        try:
            while not self._stopped.wait(FLUSH_INTERVAL_S):
                for flush in self._flushes:
                    if not self._stopped.is_set():
                        flush()
        except OSError as error:
            self._failure = error

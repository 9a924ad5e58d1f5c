"""Files that only grow, and the threads that sync them while they do."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

FLUSH_INTERVAL_S = 0.1
"""Short, because a save waits for what is not synced yet."""

_MOST_SYNCS = 8

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
        if os.fstat(self.descriptor).st_size != size:  # otherwise there would be a change to sync
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


class SideBySide:
    """Threads that sync several files at the same time, which takes about as long as one sync."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MOST_SYNCS, "spool-sync")

    def run(self, syncs: Sequence[Callable[[], None]], beside: Callable[[], None] = lambda: None) -> None:
        """Run all; return when all have ended.

        Args:
            syncs: each runs in a thread
            beside: runs in this thread meanwhile

        Raises:
            OSError: one of them failed.
        """
        started = [self._submit(sync) for sync in syncs]
        try:
            beside()
        finally:
            wait(started)
        for each in started:
            each.result()

    def close(self) -> None:
        """Let the threads end; they are idle."""
        self._threads.shutdown(wait=False)

    def _submit(self, sync: Callable[[], None]) -> Future[None]:
        try:
            return self._threads.submit(sync)
        except RuntimeError:  # the system has no thread left
            return _done(sync)


def _done(sync: Callable[[], None]) -> Future[None]:
    done: Future[None] = Future()
    try:
        sync()
        done.set_result(None)
    except OSError as error:
        done.set_exception(error)
    return done


class BackgroundFlush:
    """A thread that syncs files at an interval, so that closing them is quick.

    The files belong to the caller and must stay open until ``stop`` has returned. Linux reports a failed
    write only once per open file, so a later sync would succeed. Therefore the first error is kept and ends
    the thread.
    """

    def __init__(self, begin: Callable[[], None], flush: Callable[[], None]) -> None:
        """Start the thread.

        Args:
            begin: called once, at once; ``await_begun`` waits for its end
            flush: called at an interval after that
        """
        self._begin = begin
        self._flush = flush
        self._begun = threading.Event()
        self._failure: OSError | None = None
        self._stopped = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._is_paused = False
        self._thread = threading.Thread(target=self._run, name="spool-flush", daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Flush no more, once the current flush has ended; it does not wait for the end of the thread."""
        with self._one_at_a_time:
            self._is_paused = True

    def stop(self) -> None:
        """End the thread, after the current flush."""
        self._stopped.set()
        self._thread.join()

    def await_begun(self) -> None:
        """Wait until ``begin`` has returned or failed."""
        self._begun.wait()

    def raise_failure(self) -> None:
        """Raise the error that ended the thread.

        Raises:
            OSError: a file could not be synced; it may lack what was appended to it.
        """
        if self._failure is not None:
            raise OSError(self._failure.errno, self._failure.strerror) from self._failure

    def _run(self) -> None:
        try:
            self._begin()
            self._begun.set()
            while not self._stopped.wait(FLUSH_INTERVAL_S):
                with self._one_at_a_time:
                    if not self._is_paused:
                        self._flush()
        except OSError as error:
            self._failure = error
        finally:
            self._begun.set()

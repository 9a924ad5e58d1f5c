"""The directories of a spool: creating, locking, moving and erasing."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from lerobot_recorder import locks
from lerobot_recorder.dataset import recorded_ids
from lerobot_recorder.durable import is_full, make_private_directory, move_directory
from lerobot_recorder.errors import DiskFullError, LockError, SpoolError
from lerobot_recorder.locks import FileLock, holder
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.identifiers import another_name, new_episode_id, newest_of
from lerobot_recorder.spool.listing import STATES, SpoolListing

CLAIM_FILE = "claim"
ERASING = "erasing"
PREPARED = "prepared"
_LOCK_FILE = "lock"
_LAST_ID_FILE = "last_id"


class SpoolDirectory(SpoolListing):
    """The directories of a spool, the lock that every move holds, and the moves that others are made of."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._last_id = ""
        self._one_id = threading.Lock()

    def create(self) -> None:
        """Create the directories that are missing; only their owner may enter them.

        Raises:
            OSError: they cannot be created.
        """
        make_private_directory(self.path)
        for state in (*STATES, PREPARED, ERASING):
            make_private_directory(self.directory(state))

    def require(self) -> None:
        """Create the spool if it is missing, and check that it can be locked.

        Raises:
            SpoolError: the spool cannot be created, or this user may not write to it.
        """
        try:
            self.create()
            with self.locked():
                return
        except LockError:
            raise
        except OSError as error:
            raise SpoolError(
                f"{self.path} cannot be written: {error.strerror} ({error.filename}); choose another root"
            ) from error

    def remove_unused(self) -> None:
        """Remove a spool that has only empty directories, as `require` makes it."""
        with contextlib.suppress(OSError):
            for state in (*STATES, PREPARED, ERASING):
                self.directory(state).rmdir()
            (self.path / _LOCK_FILE).unlink(missing_ok=True)
            self.path.rmdir()

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock that every move takes; a process that dies releases it.

        Raises:
            LockError: another process keeps it for too long.
        """
        make_private_directory(self.path)
        return locks.held(self.path / _LOCK_FILE)

    def lock_recorder(self, name: str = "") -> FileLock:
        """Lock out other recorders of the same name, which would record everything a second time.

        Args:
            name: the recorder's name, for example ``/left/recorder``. Recorders with different names may
                record at the same time.

        Raises:
            LockError: another recorder of that name has the lock.
            SpoolError: the lock cannot be taken.
        """
        path = self.path / f"recorder{name.replace('/', '.')}.lock"
        with disk_errors(self.path):
            try:
                return FileLock(path, wait_s=0)
            except LockError as error:
                raise LockError(
                    f"{self.root}: another recorder is recording into this dataset ({error}). To record with "
                    "both, give one another name: a namespace for a node, name= in Python"
                ) from error

    def lock_import(self) -> FileLock:
        """Lock out other imports, which would import everything a second time; recorders may go on.

        Raises:
            LockError: another import has the lock.
            SpoolError: the lock cannot be taken.
        """
        path = self.path / "recorderimport.lock"
        with disk_errors(self.path):
            try:
                return FileLock(path, wait_s=0)
            except LockError as error:
                pid = holder(path)
                who = f" (process {pid})" if pid is not None else ""
                raise LockError(
                    f"{self.root}: another import into this dataset is running{who}: try again when it has "
                    "finished"
                ) from error

    # Identifiers

    def new_episode_id(self) -> str:
        """Make an identifier that sorts after all earlier ones, even if the clock was set back.

        Raises:
            SpoolError: the spool cannot be read or written.
        """
        with self.moving():
            return self.next_id()

    def next_id(self) -> str:
        """Make an identifier as ``new_episode_id`` does; call it with the lock held."""
        made = self.quick_id()
        self._note_id()
        return made

    def quick_id(self) -> str:
        """Make an identifier as ``new_episode_id`` does, without waiting for the lock; call ``note_id`` soon.

        Until then, other processes know it only from the name of a directory.
        """
        with self._one_id:
            self._last_id = new_episode_id(after=newest_of(self._known_ids()))
            return self._last_id

    def note_id(self) -> None:
        """Note the last identifier of ``quick_id``, so that it also counts once the spool is empty.

        Raises:
            SpoolError: the spool cannot be written.
        """
        with self.moving():
            self._note_id()

    def _note_id(self) -> None:
        with contextlib.suppress(OSError):
            newest = newest_of([self._last_id, *self._noted_id()])
            _overwrite(self.path / _LAST_ID_FILE, newest.encode())

    def _known_ids(self) -> set[str]:
        known = {self._last_id, *self._noted_id(), *self._names()}
        if not self._last_id:
            with contextlib.suppress(OSError):
                known |= recorded_ids(self.root)
        return known

    def _names(self) -> Iterator[str]:
        for state in STATES:
            with contextlib.suppress(FileNotFoundError), os.scandir(self.directory(state)) as entries:
                yield from (entry.name for entry in entries)

    def _noted_id(self) -> list[str]:
        try:
            return [(self.path / _LAST_ID_FILE).read_text(errors="replace").strip()]
        except OSError:
            return []

    # Moving

    @contextlib.contextmanager
    def moving(self) -> Iterator[None]:
        """Hold the lock, and raise errors of the disk as ``SpoolError``."""
        with disk_errors(self.path), self.locked():
            yield

    def move(self, path: Path, state: str) -> SpooledEpisode:
        """Move an episode's directory to another state; call it with the lock held.

        Raises:
            OSError: it cannot be moved.
        """
        target = self.directory(state) / path.name
        make_private_directory(target.parent)
        move_directory(path, target)
        return SpooledEpisode(target)

    def set_copy_aside(self, path: Path) -> None:
        """Move a superfluous copy of an episode to ``discarded/`` for good; do nothing if there is none.

        Raises:
            OSError: it cannot be moved.
        """
        if path.is_dir():
            move_directory(path, self.directory("discarded") / another_name(path.name))

    def erase(self, path: Path) -> None:
        """Remove an episode's directory in two steps, so that a half is never taken for an episode."""
        with self.locked():
            moved = self.to_erasing(path)
        self.finish_erasing(moved)

    def to_erasing(self, path: Path) -> Path:
        """Take the first step of erasing; call it with the lock held.

        Raises:
            OSError: the directory cannot be moved.
        """
        target = self.directory(ERASING) / another_name(path.name)
        make_private_directory(target.parent)
        move_directory(path, target)
        return target

    @staticmethod
    def finish_erasing(path: Path) -> None:
        """Remove a directory in ``erasing/``; the next ``recover`` removes what cannot be removed now."""
        shutil.rmtree(path, ignore_errors=True)


def _overwrite(path: Path, content: bytes) -> None:
    """Write a small file in place: one that is emptied first is written to the device when ext4 closes it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(descriptor, content, 0)
        if os.fstat(descriptor).st_size != len(content):
            os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def disk_errors(path: Path, and_then: str = "") -> Iterator[None]:
    """Raise errors of the disk as ``SpoolError`` that name the directory and what to do.

    Args:
        path: the directory
        and_then: what happens to it next, as the end of a sentence

    Raises:
        DiskFullError: the disk is full.
        SpoolError: the device or the directory cannot be used.
    """
    try:
        yield
    except SpoolError:
        raise
    except OSError as error:
        if is_full(error):
            full = f"no space left for {path}: free some space, or record elsewhere{and_then}"
            raise DiskFullError(full) from error
        raise SpoolError(f"{path} cannot be written: {error.strerror or error}{and_then}") from error

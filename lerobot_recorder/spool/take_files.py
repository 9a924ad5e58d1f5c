"""The files of a take, which may exist before it starts, so that a start does not wait for the disk."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from lerobot_recorder.durable import partial_file, sync
from lerobot_recorder.spool.directory import PREPARED, SpoolDirectory, disk_errors
from lerobot_recorder.spool.files import AppendFile
from lerobot_recorder.spool.manifest import (
    BALLAST_FILE,
    HEADER_FILE,
    MANIFEST_FILE,
    CameraSpool,
    EpisodeHeader,
    to_json,
)
from lerobot_recorder.spool.records import ROWS_FILE
from lerobot_recorder.spool.sinks import ImageSink, open_sink

_BALLAST_BYTES = 1 << 20


class TakeFiles:
    """Directory and empty files of a take, in ``prepared/`` until the take starts.

    The lock on the rows shows that its process lives. It ends with ``close`` or with the process, and what is
    left in ``prepared/`` then is removed by the next ``recover``.

    Attributes:
        path: the directory
        cameras: how images are stored, by feature
        rows: the file of the rows
        sinks: the files of the cameras, by feature
    """

    def __init__(self, spool: SpoolDirectory, cameras: Mapping[str, CameraSpool]) -> None:
        """Create directory and files.

        Raises:
            DiskFullError: the disk is full.
            SpoolError: the directory cannot be written.
        """
        self.cameras = dict(cameras)
        self.sinks: dict[str, ImageSink] = {}
        self.path = spool.directory(PREPARED) / secrets.token_hex(8)
        self._spool = spool
        with disk_errors(self.path), contextlib.ExitStack() as undo:
            spool.create()
            self._create(undo)
            undo.pop_all()

    def _create(self, undo: contextlib.ExitStack) -> None:
        with self._spool.locked():
            self.path.mkdir()
            undo.callback(shutil.rmtree, self.path, ignore_errors=True)
            self.rows = AppendFile(self.path / ROWS_FILE)
            undo.callback(self.rows.close)
            fcntl.flock(self.rows.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._header = AppendFile(self.path / HEADER_FILE)
        undo.callback(self._header.close)
        for key, camera in self.cameras.items():
            self.sinks[key] = open_sink(self.path, key, camera)
            undo.callback(self.sinks[key].close)
        self.unnamed_manifest.touch()
        self._reserve_ballast()

    @property
    def unnamed_manifest(self) -> Path:
        """Where the manifest is written before it gets its name.

        It exists from the start, so that its entry in the directory is on the device long before the end.
        """
        return partial_file(self.path / MANIFEST_FILE)

    def fit(self, cameras: Mapping[str, CameraSpool]) -> bool:
        """Return whether the files still exist and can store the images of these cameras."""
        if self.cameras != cameras:
            return False
        try:
            return os.path.samestat(os.fstat(self.rows.descriptor), (self.path / ROWS_FILE).stat())
        except OSError:
            return False

    def begin(self, header: EpisodeHeader) -> None:
        """Write the header and move the directory to ``recording/``; ``entry_syncs`` make both durable.

        It does not wait for the lock of the spool, which an encoder may hold: other processes leave the
        directory alone, because its rows are locked.

        Raises:
            OSError: that failed, for example because there is a take with this identifier.
        """
        self._header.write(to_json(header))
        target = self._spool.directory("recording") / header.episode_id
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        self.path.rename(target)
        self.path = target
        for sink in self.sinks.values():
            sink.directory = target

    def entry_syncs(self) -> list[Callable[[], None]]:
        """Return the syncs without which neither the rows nor the files could be found after a power cut."""
        prepared, recording = self._spool.directory(PREPARED), self._spool.directory("recording")
        return [self._header.sync, *(partial(sync, path) for path in (self.path, recording, prepared))]

    def free_ballast(self) -> None:
        """Free the space that is reserved for the manifest."""
        (self.path / BALLAST_FILE).unlink(missing_ok=True)

    def close(self) -> None:
        """Unlock and close the files."""
        for sink in self.sinks.values():
            sink.close()
        self._header.close()
        self.rows.close()

    def remove(self) -> None:
        """Close and remove files that no take has used."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def _reserve_ballast(self) -> None:
        """Reserve space for the manifest, so that an episode can be ended on a full disk."""
        with (self.path / BALLAST_FILE).open("wb") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, _BALLAST_BYTES)

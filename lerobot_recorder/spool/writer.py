"""Writes one episode into the spool: rows and images in order, append-only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from lerobot_recorder.durable import move_directory, replace_file, sync
from lerobot_recorder.errors import EpisodeStateError, SpoolError
from lerobot_recorder.spool.commands import OperatorMoves
from lerobot_recorder.spool.directory import disk_errors
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.files import AppendFile, BackgroundFlush, Content
from lerobot_recorder.spool.manifest import (
    BALLAST_FILE,
    HEADER_FILE,
    MANIFEST_FILE,
    EpisodeHeader,
    Manifest,
    end_header,
    to_json,
)
from lerobot_recorder.spool.records import ROWS_FILE, fill, record_dtype, seal
from lerobot_recorder.spool.sinks import ImageSink, open_sink

_BALLAST_BYTES = 1 << 20
_LEFT = "; the take stays there, and the next start recovers its whole rows"


@dataclass(frozen=True)
class PreparedRow:
    """A row that is ready to be written.

    Attributes:
        record: the row's record; ``write`` fills in the ends of the JPEGs and the checksum
        images: bytes to append to each file of each camera, by feature
    """

    record: npt.NDArray[Any]
    images: Mapping[str, list[Content]]


class EpisodeWriter:
    """An episode being written, in ``recording/``; it ends with ``save``, ``reject`` or ``discard``.

    It blocks on the disk, so use it in a thread that does nothing else. A row's images are written before
    the row, so the first ``length`` rows are whole at any time.

    Attributes:
        header: the episode's header
        path: the episode's directory
        length: number of rows appended
        convert_s: seconds spent converting images
        write_s: seconds spent writing
    """

    def __init__(self, spool: OperatorMoves, header: EpisodeHeader) -> None:
        """Create the episode's directory and files.

        Raises:
            DiskFullError: the disk is full.
            SpoolError: the directory cannot be written, or a feature cannot be spooled.
        """
        self.header = header
        self.path = spool.directory("recording") / header.episode_id
        self.length = 0
        self.convert_s = 0.0
        self.write_s = 0.0
        self._spool = spool
        self._dtype = record_dtype(header)
        self._ended = False
        self._has_entries = False
        with disk_errors(self.path), contextlib.ExitStack() as undo:
            spool.create()
            self._open(undo)
            flushes = [*(sink.flush for sink in self._sinks.values()), self._rows.flush, self._flush_entries]
            self._flush = BackgroundFlush(flushes)
            undo.pop_all()

    def _open(self, undo: contextlib.ExitStack) -> None:
        """Create directory and files; ``undo`` closes and removes them."""
        with self._spool.locked():
            self.path.mkdir()
            undo.callback(shutil.rmtree, self.path, ignore_errors=True)
            self._rows = AppendFile(self.path / ROWS_FILE)
            undo.callback(self._rows.close)
            fcntl.flock(self._rows.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._header_file = AppendFile(self.path / HEADER_FILE)
        undo.callback(self._header_file.close)
        self._header_file.write(to_json(self.header))
        self._header_file.sync()  # rows cannot be read without it after a power cut
        self._sinks: dict[str, ImageSink] = {}
        for key, camera in self.header.cameras.items():
            self._sinks[key] = open_sink(self.path, key, camera)
            undo.callback(self._sinks[key].close)
        self._reserve_ballast()

    def append(self, row: Mapping[str, Any]) -> None:
        """Append one row: a value for every vector feature and an image for every camera.

        Args:
            row: vectors as arrays of the feature's shape; images as RGB uint8 (height, width, 3), as
                ``EncodedImage``, or as depth (height, width)

        Raises:
            SpoolError: a value is missing, unknown, or has the wrong size or kind; nothing is appended.
            DiskFullError: the disk is full; the rows before are whole.
        """
        self.write(self.prepare(row))

    def prepare(self, row: Mapping[str, Any]) -> PreparedRow:
        """Convert a row for ``write``; from any thread. The caller may change the arrays afterwards.

        Raises:
            SpoolError: as for ``append``.
        """
        self._require_open()
        started = time.perf_counter()
        values = {key: value for key, value in row.items() if key not in self._sinks}
        images = {}
        for key, sink in self._sinks.items():
            if key not in row:
                raise SpoolError(f"the row has no image for {key}")
            images[key], fields = sink.prepare(row[key])
            values.update(fields)
        prepared = PreparedRow(fill(self._dtype, values), images)
        self.convert_s += time.perf_counter() - started
        return prepared

    def write(self, row: PreparedRow) -> None:
        """Append a prepared row.

        Raises:
            DiskFullError: as for ``append``.
        """
        self._require_open()
        started = time.perf_counter()
        with disk_errors(self.path), self._whole_or_nothing():
            self._flush.raise_failure()
            for key, sink in self._sinks.items():
                for name, value in sink.write(self.length, row.images[key]).items():
                    row.record[name] = value
            self._rows.write(seal(row.record, self.length))
        self.length += 1
        self.write_s += time.perf_counter() - started

    @property
    def size_bytes(self) -> int:
        """Bytes appended so far."""
        return self._rows.size + sum(sink.size for sink in self._sinks.values())

    def save(self, **outcome: Any) -> SpooledEpisode:
        """Make the episode durable and move it to ``ready/``.

        Args:
            outcome: fields of ``Manifest``: success, verdict, reasons, ...

        Raises:
            DiskFullError: the disk is too full even for the manifest.
            SpoolError: the device failed; the take stays in ``recording/`` for the next start.
        """
        return self._end("ready", **outcome)

    def reject(self, *reasons: str, **outcome: Any) -> SpooledEpisode:
        """Make the episode durable and move it to ``rejected/``.

        Args:
            reasons: what is wrong, one sentence each
            outcome: fields of ``Manifest``

        Raises:
            SpoolError: as for ``save``.
        """
        return self._end(
            "rejected", **{"verdict": "bad", "ended_by": "reject", "reasons": reasons, **outcome}
        )

    def discard(self, **outcome: Any) -> None:
        """Remove the episode; one with rows stays in ``discarded/`` for a while.

        Args:
            outcome: fields of ``Manifest``, used if it is brought back

        Raises:
            SpoolError: the directory cannot be moved.
        """
        self._require_open()
        try:
            with disk_errors(self.path):
                self._cut()
        finally:
            self._close()
        with disk_errors(self.path):
            if not self.length:
                self._spool.erase(self.path)
                return
            order = self._spool.new_episode_id()
            self._spool.discard(self.path, end_header(self.header, self.length, ended_order=order, **outcome))

    def abandon(self) -> None:
        """Close the files and leave the take as a crash would; the next start recovers it."""
        if not self._ended:
            self._close()

    def _end(self, state: str, **outcome: Any) -> SpooledEpisode:
        self._require_open()
        target = self._spool.directory(state) / self.header.episode_id
        try:
            with disk_errors(self.path, _LEFT):
                self._flush.stop()
                self._flush.raise_failure()
                order = self._spool.new_episode_id()
                manifest = end_header(self.header, self.length, ended_order=order, **outcome)
                self._make_durable(manifest)
                move_directory(self.path, target)
        finally:
            self._close()
        return SpooledEpisode(target, manifest)

    @contextlib.contextmanager
    def _whole_or_nothing(self) -> Iterator[None]:
        """Remove the remains of a failed append, so that a later one does not follow them."""
        try:
            yield
        except OSError:
            self._cut()
            raise

    def _cut(self) -> None:
        for sink in self._sinks.values():
            sink.cut(self.length)
        self._rows.cut(self.length * self._dtype.itemsize)

    def _make_durable(self, manifest: Manifest) -> None:
        (self.path / BALLAST_FILE).unlink(missing_ok=True)
        self._cut()
        for sink in self._sinks.values():
            sink.sync()
        self._rows.sync()
        self._header_file.sync()
        sync(self.path)  # a manifest means that everything else is there
        replace_file(self.path / MANIFEST_FILE, to_json(manifest))

    def _flush_entries(self) -> None:
        """Sync the directory entries, so that the files can be found after a power cut."""
        if not self._has_entries:
            sync(self.path)
            sync(self.path.parent)
            self._has_entries = True

    def _reserve_ballast(self) -> None:
        """Reserve space for the manifest, so that an episode can be ended on a full disk."""
        with (self.path / BALLAST_FILE).open("wb") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, _BALLAST_BYTES)

    def _require_open(self) -> None:
        if self._ended:
            raise EpisodeStateError(f"episode {self.header.episode_id} has already ended")

    def _close(self) -> None:
        self._ended = True
        self._flush.stop()
        for sink in self._sinks.values():
            sink.close()
        self._header_file.close()
        self._rows.close()

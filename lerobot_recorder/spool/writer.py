"""Writes one episode into the spool: rows and images in order, append-only."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from lerobot_recorder.durable import is_full, sync, write_file
from lerobot_recorder.errors import EpisodeStateError, SpoolError
from lerobot_recorder.spool.commands import OperatorMoves
from lerobot_recorder.spool.directory import disk_errors
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.files import BackgroundFlush, Content, SideBySide
from lerobot_recorder.spool.manifest import MANIFEST_FILE, EpisodeHeader, Manifest, end_header, to_json
from lerobot_recorder.spool.records import fill, record_dtype, seal
from lerobot_recorder.spool.take_files import TakeFiles

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
        length: number of rows appended
        convert_s: seconds spent converting images
        write_s: seconds spent writing
    """

    def __init__(
        self,
        spool: OperatorMoves,
        header: EpisodeHeader,
        prepared: TakeFiles | None = None,
        *,
        order: str = "",
    ) -> None:
        """Begin a take.

        Args:
            spool: the spool to write into
            header: what is fixed when the take starts
            prepared: its directory and files, for the cameras of the header; by default they are created
            order: its place among the episodes, as ``Manifest.ended_order``; empty: after all that have ended

        Raises:
            DiskFullError: the disk is full.
            SpoolError: the directory cannot be written, or a feature cannot be spooled.
        """
        self.header = header
        self.length = 0
        self.convert_s = 0.0
        self.write_s = 0.0
        self._spool = spool
        self._order = order
        self._dtype = record_dtype(header)
        self._ended = False
        self._side_by_side = SideBySide()
        self._files = prepared or TakeFiles(spool, header.cameras)
        self._sinks, self._rows = self._files.sinks, self._files.rows
        with disk_errors(spool.directory("recording") / header.episode_id), contextlib.ExitStack() as undo:
            undo.callback(self._files.remove)
            self._files.begin(header)
            self._flush = BackgroundFlush(self._sync_entries, self._flush_all)
            undo.pop_all()

    @property
    def path(self) -> Path:
        """The take's directory, in ``recording/``."""
        return self._files.path

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
            self._flush.await_begun()  # a row cannot be read without the header after a power cut
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

    def save(self, on_safe: Callable[[], None] = lambda: None, **outcome: Any) -> SpooledEpisode:
        """Make the episode durable and move it to ``ready/``.

        Args:
            on_safe: called once no power cut can undo the save any more, before the episode moves
            outcome: fields of ``Manifest``: success, verdict, reasons, ...

        Raises:
            DiskFullError: the disk is too full even for the manifest.
            SpoolError: the device failed; the take stays in ``recording/`` for the next start.
        """
        return self._end("ready", on_safe, **outcome)

    def reject(
        self, *reasons: str, on_safe: Callable[[], None] = lambda: None, **outcome: Any
    ) -> SpooledEpisode:
        """Make the episode durable and move it to ``rejected/``.

        Args:
            reasons: what is wrong, one sentence each
            on_safe: as for ``save``
            outcome: fields of ``Manifest``

        Raises:
            SpoolError: as for ``save``.
        """
        return self._end(
            "rejected", on_safe, **{"verdict": "bad", "ended_by": "reject", "reasons": reasons, **outcome}
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

    def _end(self, state: str, on_safe: Callable[[], None], **outcome: Any) -> SpooledEpisode:
        self._require_open()
        target = self._spool.directory(state) / self.header.episode_id
        try:
            with disk_errors(self.path, _LEFT):
                manifest = self._make_durable(outcome)
                on_safe()
                self._files.free_ballast()
                self._move(target)
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

    def _make_durable(self, outcome: Mapping[str, Any]) -> Manifest:
        """Sync everything, with the manifest under its other name, and return the manifest.

        No directory changes, because each change would have to wait for the device in its turn.
        """
        self._flush.pause()
        self._flush.raise_failure()
        self._cut()
        syncs = [sync for sink in self._sinks.values() for sync in sink.syncs()]
        written: list[Manifest] = []
        self._side_by_side.run(
            [*syncs, self._rows.sync], lambda: written.append(self._write_manifest(outcome))
        )
        return written[0]

    def _write_manifest(self, outcome: Mapping[str, Any]) -> Manifest:
        order = self._order or self._spool.quick_id()
        manifest = end_header(self.header, self.length, ended_order=order, **outcome)
        try:
            write_file(self._files.unnamed_manifest, to_json(manifest))
        except OSError as error:
            if not is_full(error):
                raise
            self._files.free_ballast()
            write_file(self._files.unnamed_manifest, to_json(manifest))
        return manifest

    def _move(self, target: Path) -> None:
        """Move the take to another state; a power cut may undo any part of it.

        Then the next start finishes it: the manifest and all rows are on the device.
        """
        self._files.unnamed_manifest.replace(self.path / MANIFEST_FILE)
        self.path.rename(target)
        changed = (target, target.parent, self.path.parent)
        self._side_by_side.run([partial(sync, path) for path in changed])
        with contextlib.suppress(SpoolError):  # the episode is where it belongs
            self._spool.note_id()

    def _sync_entries(self) -> None:
        for entry_sync in self._files.entry_syncs():  # one after the other: there is time until the first row
            entry_sync()

    def _flush_all(self) -> None:
        flushes = [flush for sink in self._sinks.values() for flush in sink.flushes()]
        self._side_by_side.run([*flushes, self._rows.flush])

    def _require_open(self) -> None:
        if self._ended:
            raise EpisodeStateError(f"episode {self.header.episode_id} has already ended")

    def _close(self) -> None:
        self._ended = True
        self._flush.stop()
        self._side_by_side.close()
        self._files.close()

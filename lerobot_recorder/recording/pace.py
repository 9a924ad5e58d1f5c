"""Where the time goes that a row takes on its way to the disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lerobot_recorder.spool import EpisodeWriter

_STALL_S = 1.0
"""Converting a row never takes that long; a disk may."""


class Pace:
    """Tells what is too slow, for one episode."""

    def __init__(self, writer: EpisodeWriter) -> None:
        self._writer = writer
        self._decode_s = 0.0
        self._appending_since: float | None = None

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Count the time of a block that makes images of messages."""
        began = time.monotonic()
        yield
        self._decode_s += time.monotonic() - began

    @contextmanager
    def appending(self) -> Iterator[None]:
        """Count the time of a block that appends a row."""
        self._appending_since = time.monotonic()
        yield
        self._appending_since = None

    def overrun(self, waiting: int) -> str:
        """Say what is too slow when so many rows wait; from any thread."""
        since = self._appending_since
        stalled_s = 0.0 if since is None else time.monotonic() - since
        fps, rows = self._writer.header.fps, max(1, self._writer.length)
        if stalled_s > _STALL_S:
            return (
                f"writing to the disk is too slow for {fps} fps: it is at one row for {stalled_s:.1f} s, "
                f"and {waiting} rows wait; see what else uses that disk, or take a faster one"
            )
        convert_ms = (self._decode_s + self._writer.convert_s) / rows * 1e3
        write_ms = self._writer.write_s / rows * 1e3
        what = "writing to the disk" if write_ms > convert_ms else "converting the images"
        return (
            f"{what} is too slow for {fps} fps: a row takes {convert_ms:.0f} ms to convert and "
            f"{write_ms:.0f} ms to write, and {waiting} rows wait; "
            "use fewer or smaller images, compressed topics, or a faster disk"
        )

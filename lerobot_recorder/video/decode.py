"""Decodes whole videos, and frames in random order, to compare pictures."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av.error
import numpy as np
import numpy.typing as npt

from lerobot_recorder.errors import VideoError
from lerobot_recorder.video.files import opened

# Raise errors in the stream instead of concealing them.
_STRICT = {"err_detect": "explode"}


class VideoFrame:
    """A decoded frame.

    Attributes:
        number: its number on the frame grid, -1 if it has no time.
    """

    def __init__(self, frame: Any, ticks: Any) -> None:
        self.number = -1 if frame.pts is None else round(frame.pts / ticks)
        self._frame = frame

    @property
    def fingerprint(self) -> int:
        """A checksum of its pixels."""
        bits = max(component.bits for component in self._frame.format.components)
        value = 0
        for plane in self._frame.planes:
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            value = zlib.crc32(np.ascontiguousarray(rows[:, : plane.width * -(-bits // 8)]), value)
        return value

    @property
    def is_damaged(self) -> bool:
        """Whether the decoder had to guess parts of it."""
        return bool(self._frame.is_corrupt)

    def rgb(self) -> npt.NDArray[np.uint8]:
        """Return the picture, (height, width, 3)."""
        picture: npt.NDArray[np.uint8] = self._frame.to_ndarray(format="rgb24")
        return picture


class VideoDecoder:
    """Decodes video files; raises errors that a player would conceal."""

    def frames(self, path: Path) -> Iterator[VideoFrame]:
        """Decode all frames, in display order.

        Raises:
            VideoError: the file is not a video, or a part of it cannot be decoded.
        """
        with _decoding(path, "AUTO") as (container, stream, ticks):
            for frame in container.decode(stream):
                yield VideoFrame(frame, ticks)

    def at(self, path: Path, numbers: Sequence[int], *, early: bool = False) -> Iterator[VideoFrame | None]:
        """Jump to the time of each frame, and decode the first one displayed from there.

        Args:
            path: the video.
            numbers: numbers of the frames.
            early: whether to jump one tick of the file's clock before the frame.

        Yields:
            That frame, None if there is none.

        Raises:
            VideoError: the file is not a video, or a part of it cannot be decoded.
        """
        with _decoding(path, "SLICE") as (container, stream, ticks):
            for number in numbers:
                container.seek(round(number * ticks) - early, stream=stream)
                shown = (VideoFrame(frame, ticks) for frame in container.decode(stream))
                yield next((frame for frame in shown if frame.number >= number), None)


@contextlib.contextmanager
def _decoding(path: Path, threads: str) -> Iterator[tuple[Any, Any, Any]]:
    """Open a video; yield its container, stream and ticks per frame. ``AUTO`` threads decode ahead."""
    with opened(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = _STRICT
        stream.thread_type = threads
        if not stream.base_rate:
            raise VideoError(f"{path} has no frame rate")
        try:
            yield container, stream, 1 / (stream.base_rate * stream.time_base)
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(str(error)) from error

"""Compares the frames of a video with strongly reduced copies of its images.

A lossy codec changes pixels, but hardly the mean of a block of 16x16 pixels. If the mean changes, the block
was lost: its pixels come from another place. Depth codes are lossless, so they must match to the bit.

OpenCV is loaded with the first frame: the encoder, which only passes results on, takes 15 MB less without it.
"""

from __future__ import annotations

import itertools
import math
import tempfile
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from lerobot_recorder.errors import VideoError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.video.files import opened
from lerobot_recorder.video.settings import EncoderSettings

_LUMA_HALVINGS = 4
_CHROMA_HALVINGS = 3  # chroma already has half the pixels in both directions
_LARGEST_QP = 51
_LARGEST_CRF_OF_AV1 = 63
_AV1 = ("libsvtav1", "libaom-av1")

_SHORT = 100
"""All frames of videos up to this length are compared: starting the process costs far more."""
_STRIDES = {8: 1, 10: 2}
"""One of how many groups of pictures is compared, up to this preset of libsvtav1, for a tenth of encoding."""
_STRIDE_OF_FAST = 3
_SLOW = ("hevc", "libaom-av1")


@dataclass(frozen=True)
class Damage:
    """Frames that do not look like their images.

    Attributes:
        frames: their numbers.
        error: largest difference of a block's mean, of 255; 255 if depth codes differ.
    """

    frames: tuple[int, ...]
    error: float

    def __str__(self) -> str:
        first = ", ".join(map(str, self.frames[:5])) + (", ..." if len(self.frames) > 5 else "")
        differing = counted(len(self.frames), "frame", "differ")
        return f"{differing} from the images by up to {self.error:.0f} of 255 (at {first})"


@dataclass(frozen=True)
class Difference:
    """Largest difference of a block's mean, in brightness and in color, of 255."""

    luma: float
    chroma: float


class Sketches:
    """Reduced copies of a video's images in an unnamed temporary file; a context manager.

    Args:
        folder: where to put the file, on the same disk as the video.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it is closed with this
        self._size = 0
        self._last: npt.NDArray[np.uint8] | None = None
        self._changes: list[int] = []

    def __enter__(self) -> Sketches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, frame: av.VideoFrame) -> None:
        """Add the next image, in the form that the codec gets."""
        sketch = _sketch(frame)
        self._size = sketch.size
        self._changes.append(_change(self._last, sketch))
        self._last = sketch
        self._file.write(sketch.tobytes())

    def damage(self, video: Path, settings: EncoderSettings) -> Damage | None:
        """Decode a video and compare it with the images; return the differences, None if there are none.

        Args:
            video: the file.
            settings: how it was encoded; their `picture_check` determines how much is decoded.

        Raises:
            VideoError: it cannot be decoded, or a frame is missing.
        """
        allowed = tolerance(settings)
        found = {
            number: difference
            for number, difference in self.differences(video, self._chosen(video, settings))
            if difference.luma > allowed.luma or difference.chroma > allowed.chroma
        }
        largest = (max(each.luma, each.chroma) for each in found.values())
        return Damage(tuple(found), max(largest)) if found else None

    def differences(
        self, video: Path, groups: Container[int] | None = None
    ) -> Iterator[tuple[int, Difference]]:
        """Decode groups of pictures of a video; yield how much each frame differs from its image.

        Args:
            video: the file.
            groups: numbers of the groups; None for all.

        Raises:
            VideoError: it cannot be decoded, or a frame is missing.
        """
        for number, frame in _decoded(video, groups):
            self._file.seek(number * self._size)
            kept, found = np.frombuffer(self._file.read(self._size), np.uint8), _sketch(frame)
            if kept.shape != found.shape:
                raise VideoError(f"{video}: frame {number} has no image of the same size")
            yield number, _difference(kept, found, frame)

    def _chosen(self, video: Path, settings: EncoderSettings) -> frozenset[int] | None:
        """Choose the groups to compare: half of them evenly, half where the images change most.

        While its input repeats, the codec repeats a lost block, so one of several neighbors is enough.
        """
        stride = _stride(settings)
        if stride == 1 or len(self._changes) <= _SHORT:
            return None
        starts = _group_starts(video)
        changes = np.maximum.reduceat(self._changes, starts)
        evenly = set(range(0, len(starts), 2 * stride))
        by_change = (int(group) for group in np.argsort(-changes, kind="stable") if group not in evenly)
        return frozenset(
            evenly | set(itertools.islice(by_change, math.ceil(len(starts) / stride) - len(evenly)))
        )


def _stride(settings: EncoderSettings) -> int:
    """Return one of how many groups of pictures is compared."""
    if settings.picture_check == "all" or settings.vcodec in _SLOW:
        return 1
    if settings.vcodec != "libsvtav1":
        return _STRIDE_OF_FAST
    preset = int(settings.preset or 0)
    return next((stride for fastest, stride in _STRIDES.items() if preset <= fastest), _STRIDE_OF_FAST)


def tolerance(settings: EncoderSettings) -> Difference:
    """Return the difference that quantization can cause: a constant plus a part of the codec's step.

    With noise, text, tiles and footage, means of undamaged blocks differed by at most nine tenths of this,
    those of lost blocks by up to 219. Codecs save on color, so it has twice the tolerance. See
    ``benchmarks/presets.py``.
    """
    crf = _LARGEST_QP if settings.crf is None else settings.crf
    qp = crf * _LARGEST_QP / _LARGEST_CRF_OF_AV1 if settings.vcodec in _AV1 else min(crf, _LARGEST_QP)
    step = 2.0 ** ((qp - 4) / 6)
    luma = 20 + 0.3 * step
    return Difference(luma, 2 * luma)


def _decoded(video: Path, groups: Container[int] | None) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decode groups of pictures; yield the frames with their numbers on the grid."""
    with opened(video) as container:
        stream: Any = container.streams.video[0]
        stream.codec_context.thread_count = 1  # others encode on the other cores
        ticks = 1 / (stream.base_rate * stream.time_base)
        given = decoded = 0
        try:
            for packet in _of_groups(container.demux(stream), groups):
                given += packet.size > 0
                for frame in packet.decode():
                    decoded += 1
                    yield round(frame.pts / ticks), frame
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"{video} cannot be decoded: {error}") from error
    if decoded != given:
        raise VideoError(f"{video}: {given} frames were expected, {decoded} could be decoded")


def _of_groups(packets: Iterator[Any], groups: Container[int] | None) -> Iterator[Any]:
    """Yield the packets of these groups, and the last packet, which empties the decoder."""
    group = -1
    for packet in packets:
        group += packet.is_keyframe
        if groups is None or group in groups or not packet.size:
            yield packet


def _group_starts(video: Path) -> list[int]:
    """Return the number of each group's first packet."""
    with opened(video) as container:
        packets = (packet for packet in container.demux(container.streams.video[0]) if packet.size)
        return [number for number, packet in enumerate(packets) if packet.is_keyframe]


def _change(last: npt.NDArray[np.uint8] | None, sketch: npt.NDArray[np.uint8]) -> int:
    """Return the largest change of a block's mean, 255 for the first image."""
    import cv2

    return int(np.iinfo(np.uint8).max if last is None else cv2.absdiff(last, sketch).max())


def _is_depth(frame: av.VideoFrame) -> bool:
    return str(frame.format.name) == "gray12le"


def _sketch(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """Reduce a frame to the means of its blocks, or to a checksum if it must match exactly."""
    if _is_depth(frame):
        rows = np.ascontiguousarray(_pixels(frame.planes[0], np.uint16))
        return np.frombuffer(zlib.crc32(rows).to_bytes(4, "little"), np.uint8)
    planar = frame if frame.format.name == "yuv420p" else frame.reformat(format="yuv420p")
    halvings = (_LUMA_HALVINGS, _CHROMA_HALVINGS, _CHROMA_HALVINGS)
    pixels = (_pixels(plane, np.uint8) for plane in planar.planes)
    reduced = (_reduced(each, times) for each, times in zip(pixels, halvings, strict=True))
    return np.concatenate([each.ravel() for each in reduced])


def _difference(
    kept: npt.NDArray[np.uint8], found: npt.NDArray[np.uint8], frame: av.VideoFrame
) -> Difference:
    import cv2

    if _is_depth(frame):
        return Difference(0.0 if np.array_equal(kept, found) else 255.0, 0.0)
    blocks = cv2.absdiff(kept, found)
    luma = _blocks(frame.height, _LUMA_HALVINGS) * _blocks(frame.width, _LUMA_HALVINGS)
    return Difference(float(blocks[:luma].max()), float(blocks[luma:].max(initial=0)))


def _pixels(plane: Any, dtype: type[np.generic]) -> npt.NDArray[Any]:
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:, : plane.width]


def _reduced(pixels: npt.NDArray[np.uint8], times: int) -> npt.NDArray[np.uint8]:
    """Halve both sides several times; odd sizes are rounded up."""
    import cv2

    for _ in range(times):
        height, width = pixels.shape
        halved = cv2.resize(pixels, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
        pixels = halved.astype(np.uint8, copy=False)
    return pixels


def _blocks(pixels: int, halvings: int) -> int:
    return -(-pixels // (1 << halvings))

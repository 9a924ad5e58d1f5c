"""Joins and probes video files on the frame grid: frame numbers count, not sums of durations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from lerobot_recorder.durable import sync
from lerobot_recorder.errors import VideoError
from lerobot_recorder.video.settings import SETTINGS_TAG

GRID_TOLERANCE_S = 1e-6
"""Allowed distance of a frame from its grid time."""

# The index comes first, for readers over a network. The file has no bit rate: it would be that of the first
# part, so the bytes would depend on the steps in which the parts were joined.
MUXER_OPTIONS = {"movflags": "faststart", "write_btrt": "0"}


@dataclass(frozen=True)
class VideoProbe:
    """Properties of a video file.

    Attributes:
        frames: number of frames.
        width: width in pixels.
        height: height in pixels.
        fps: nominal frames per second.
        codec: canonical name, such as `av1`.
        pix_fmt: pixel format.
        tag: `EncoderSettings.tag` of the encoder, empty if another program made the file.
        extradata: configuration of the codec.
        off_grid_s: largest distance of a frame from its grid time, in seconds.
    """

    frames: int
    width: int
    height: int
    fps: Fraction
    codec: str
    pix_fmt: str
    tag: str
    extradata: bytes
    off_grid_s: float

    @property
    def on_grid(self) -> bool:
        """Whether frame k is at k / fps."""
        return self.off_grid_s <= GRID_TOLERANCE_S

    def info(self) -> dict[str, Any]:
        """Return the entries of a feature's `info` that describe the stream, in LeRobot's order."""
        return {
            "video.height": self.height,
            "video.width": self.width,
            "video.codec": self.codec,
            "video.pix_fmt": self.pix_fmt,
            "video.fps": int(self.fps),
            "video.channels": len(av.VideoFormat(self.pix_fmt).components),
            "has_audio": False,
        }


def probe(path: Path) -> VideoProbe:
    """Read the properties of a video file, without decoding it.

    Raises:
        VideoError: the file is missing, or not a video.
    """
    with opened(path) as container:
        stream: Any = container.streams.video[0]
        times = np.array(sorted(p.pts for p in container.demux(stream) if p.pts is not None), np.int64)
        grid = np.arange(len(times)) / float(stream.base_rate or 1)
        offsets = np.abs(times * float(stream.time_base) - grid)
        return VideoProbe(
            frames=len(times),
            width=stream.width,
            height=stream.height,
            fps=fraction(stream.base_rate or 0),
            codec=stream.codec.canonical_name,
            pix_fmt=str(stream.pix_fmt),
            tag=container.metadata.get(SETTINGS_TAG, ""),
            extradata=bytes(stream.codec_context.extradata or b""),
            off_grid_s=float(offsets.max(initial=0.0)),
        )


def read_frames(path: Path, indices: Sequence[int]) -> list[npt.NDArray[np.uint8]]:
    """Decode some frames of a video.

    Args:
        path: the video.
        indices: numbers of the frames.

    Returns:
        RGB, uint8, (height, width, 3), in the order of `indices`.

    Raises:
        VideoError: the file is not a video, or has no such frame.
    """
    found: dict[int, npt.NDArray[np.uint8]] = {}
    with opened(path) as container:
        stream: Any = container.streams.video[0]
        for index in sorted(set(indices)):
            if (image := _decode(container, stream, index)) is None:
                raise VideoError(f"{path} has no frame {index}")
            found[index] = image
    return [found[index] for index in indices]


def _decode(container: Any, stream: Any, index: int) -> npt.NDArray[np.uint8] | None:
    """Decode one frame.

    A key frame can be stored before frames that are displayed earlier, and those need the frames before it.
    If the frame does not appear, decoding starts again from an earlier point.
    """
    ticks = 1 / (fraction(stream.base_rate) * fraction(stream.time_base))
    ahead = 0
    while True:
        container.seek(int(max(0, index - ahead) * ticks), stream=stream)
        for frame in container.decode(stream):
            shown = round(frame.pts / ticks)
            if shown == index:
                image: npt.NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
                return image
            if shown > index:
                break
        if ahead >= index:
            return None
        ahead = 2 * ahead + 2


def fraction(value: Any) -> Fraction:
    """Return a rate or time base of PyAV, which has its own class for them since version 19."""
    return Fraction(value.numerator, value.denominator)


def count_frames(path: Path) -> int:
    """Count the frames of a video, from its header if possible.

    Raises:
        VideoError: the file is missing, or not a video.
    """
    with opened(path) as container:
        stream: Any = container.streams.video[0]
        return int(stream.frames) or sum(packet.pts is not None for packet in container.demux(stream))


class Mp4Files:
    """Joins and counts video files for `DatasetWriter`."""

    def frames(self, path: Path) -> int:
        """Count the frames of a video, from its header if possible.

        Raises:
            VideoError: the file is missing, or not a video.
        """
        return count_frames(path)

    def joinable(self, tail: Path, new: Path) -> bool:
        """Return whether `new` can follow `tail` in one file: same stream, encoded with the same settings.

        A file of another program, whose settings are unknown, is never continued.

        Raises:
            VideoError: a file is missing, or not a video.
        """
        return bool(stream_identity(tail)[0]) and stream_identity(tail) == stream_identity(new)

    def join(self, parts: Sequence[Path], output: Path, fps: int) -> None:
        """Write the frames of `parts` one after the other into `output`, without encoding them again.

        Raises:
            VideoError: a part is not a video, or not on the grid of `1 / fps`.
        """
        join(parts, output, fps)
        sync(output)


def join(parts: Sequence[Path], output: Path, fps: int) -> None:
    """Do the same, without syncing the file.

    Raises:
        VideoError: a part is not a video, or not on the grid of `1 / fps`.
    """
    try:
        _remux(parts, output, fps)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise VideoError(f"{output} cannot be joined: {error}") from error


def stream_identity(path: Path) -> tuple[Any, ...]:
    """Return the tag of the encoder's settings, then the stream parameters of a video."""
    with opened(path) as container:
        stream: Any = container.streams.video[0]
        codec = stream.codec_context
        tag = container.metadata.get(SETTINGS_TAG, "")
        return tag, codec.name, codec.width, codec.height, codec.pix_fmt, bytes(codec.extradata or b"")


def _remux(parts: Sequence[Path], output: Path, fps: int) -> None:
    delay = max(_decoding_delay(part, fps) for part in parts)
    with av.open(str(output), "w", format="mp4", options=MUXER_OPTIONS) as target:
        stream: Any = None
        frames = 0
        for part in parts:
            with opened(part) as source:
                if stream is None:
                    target.metadata.update(source.metadata)
                    stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
                    stream.time_base = Fraction(1, fps)
                first = frames
                for packet in packets_on_grid(source, fps):
                    packet.stream = stream
                    packet.pts, packet.dts = first + packet.pts, frames - delay
                    target.mux_one(packet)
                    frames += 1


def _decoding_delay(path: Path, fps: int) -> int:
    """Return the number of frames between decoding and displaying the first frame."""
    with opened(path) as container:
        first = next(packets_on_grid(container, fps), None)
        return 0 if first is None else int(-first.dts)


def packets_on_grid(source: Any, fps: int) -> Iterator[Any]:
    """Read the packets of a video in decoding order, with times in frames."""
    stream = source.streams.video[0]
    grid = Fraction(1, fps)
    nearest = _frame_numbers(fraction(stream.time_base), grid)
    for count, packet in enumerate(packet for packet in source.demux(stream) if packet.pts is not None):
        shown, off_s = nearest(packet.pts)
        if off_s > GRID_TOLERANCE_S:
            raise VideoError(f"{source.name}: frame {count} is not on the grid of 1/{fps} s")
        decoded = nearest(packet.dts)[0]
        packet.time_base = grid
        packet.pts, packet.dts, packet.duration = shown, decoded, 1
        yield packet


def _frame_numbers(time_base: Fraction, grid: Fraction) -> Callable[[int], tuple[int, float]]:
    """Return a function from a time stamp to the nearest frame and its distance in seconds."""
    per_frame = grid / time_base
    ticks, parts, tick_s = per_frame.numerator, per_frame.denominator, float(time_base)

    def nearest(stamp: int) -> tuple[int, float]:
        frame = (2 * stamp * parts + ticks) // (2 * ticks)
        return frame, abs(stamp * parts - frame * ticks) * tick_s / parts

    return nearest


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a video file.

    Raises:
        VideoError: the file is missing, or not a video.
    """
    try:
        container = av.open(str(path), "r")
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(f"{path} cannot be read as a video: {error}") from error
    with container:
        if not container.streams.video:
            raise VideoError(f"{path} has no video stream")
        yield container

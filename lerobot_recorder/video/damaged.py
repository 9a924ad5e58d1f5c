"""Looks at video files that may be damaged, and puts their frames on the frame grid."""

from __future__ import annotations

from collections.abc import Iterator
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
from lerobot_recorder.video.files import GRID_TOLERANCE_S, MUXER_OPTIONS, fraction, opened, probe


@dataclass(frozen=True)
class SeenVideo:
    """What a video file holds, which may be damaged.

    Attributes:
        frames: number of frames up to the first missing byte.
        width: width in pixels.
        height: height in pixels.
        fps: nominal frames per second.
        times_s: times of these frames, rising, (frames,).
        is_whole: whether no byte of a frame is missing.
        info: the entries of a feature's ``info`` that describe the stream.
    """

    frames: int
    width: int
    height: int
    fps: float
    times_s: npt.NDArray[np.float64]
    is_whole: bool
    info: dict[str, Any]

    def is_on_grid(self, fps: float) -> bool:
        """Return whether frame k is at ``k / fps``."""
        offsets = np.abs(self.times_s - np.arange(self.frames) / fps)
        return abs(self.fps - fps) <= 1e-3 * fps and bool(offsets.max(initial=0.0) <= GRID_TOLERANCE_S)


def look(path: Path) -> SeenVideo | None:
    """Read the properties of a video file without decoding it; None if it is not a readable video."""
    try:
        found = probe(path)
        with opened(path) as container:
            stream: Any = container.streams.video[0]
            times, is_whole = _times(container, path)
            seconds = np.array(times, np.int64) * float(fraction(stream.time_base))
    except (VideoError, av.error.FFmpegError, OSError, ValueError):
        return None
    return SeenVideo(
        frames=len(times),
        width=found.width,
        height=found.height,
        fps=float(found.fps),
        times_s=seconds.astype(np.float64),
        is_whole=is_whole,
        info=found.info(),
    )


def retime(path: Path, output: Path, fps: int) -> None:
    """Copy the complete frames of a video, in the order of display: frame k goes to ``k / fps``.

    Raises:
        VideoError: the file is not a video, or the copy cannot be written.
    """
    try:
        with opened(path) as source, av.open(str(output), "w", format="mp4", options=MUXER_OPTIONS) as target:
            times, _ = _times(source, path)
            numbers = {time: number for number, time in enumerate(times)}
            source.seek(0, stream=source.streams.video[0])
            stream: Any = target.add_stream_from_template(source.streams.video[0], opaque=True)
            target.metadata.update(source.metadata)
            stream.time_base = Fraction(1, fps)
            kept = [packet for packet in _packets(source) if packet.pts in numbers]
            delay = max((count - numbers[each.pts] for count, each in enumerate(kept)), default=0)
            for count, packet in enumerate(kept):
                packet.pts, packet.dts = numbers[packet.pts], count - delay
                packet.time_base, packet.duration, packet.stream = Fraction(1, fps), 1, stream
                target.mux_one(packet)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise VideoError(f"{output} cannot be written: {error}") from error
    sync(output)


def _packets(container: Any) -> Iterator[Any]:
    stream = container.streams.video[0]
    return (packet for packet in container.demux(stream) if packet.pts is not None)


def _times(container: Any, path: Path) -> tuple[list[int], bool]:
    """List the times of the frames that can be displayed, rising, and whether these are all."""
    size = path.stat().st_size
    times: list[int] = []
    last_key = 0
    expected = int(container.streams.video[0].frames)
    for packet in _packets(container):
        if packet.is_corrupt or (packet.pos is not None and packet.pos + packet.size > size):
            break
        if packet.is_keyframe:
            last_key = len(times)
        times.append(packet.pts)
    is_whole = len(times) >= expected
    if not is_whole and times != sorted(times):  # frames between the last ones may be missing
        times = [time for time in times if time < times[last_key]]
    return sorted(times), is_whole

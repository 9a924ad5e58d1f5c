"""Which video goes into which file, and which rows LeRobot finds in it.

A file takes episodes until it is full. The sizes and frame numbers that decide are sums over its episodes, so
the same episodes go into the same files whether they are committed one by one or all at once.

LeRobot 0.6.1 compares times in single precision. It asks a video for the time ``from_timestamp + timestamp``
and refuses the frame that it gets if that is not within `TOLERANCE_S`. Both times are float32 by then, and
from 1,024 s on float32 steps are longer than the tolerance: LeRobot refuses rows whose sum was rounded in
another way than the frame's time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset.episode import EncodedVideo
from lerobot_recorder.dataset.files import read_boxes
from lerobot_recorder.dataset.layout import FileIndex

TOLERANCE_S = 1e-4
"""LeRobot refuses a frame that is this far from the time of its row, or further."""

INDEX_BYTES = 2048
INDEX_BYTES_PER_FRAME = 16
"""Upper limit of an mp4 file's size besides its frames: a size, a time and an offset for each frame."""


class VideoFiles(Protocol):
    """Joins video files, and counts their frames."""

    def frames(self, path: Path) -> int:
        """Count the frames of a video."""

    def joinable(self, tail: Path, new: Path) -> bool:
        """Return whether two videos have the same stream parameters and encoder settings."""

    def join(self, parts: Sequence[Path], output: Path, fps: int) -> None:
        """Write the frames of all parts into one file and sync it; frame k is at k / fps."""


@dataclass
class VideoFile:
    """A video file, and what is added to it.

    Attributes:
        index: its number.
        frames: number of its frames.
        size: bytes of these frames.
        parts: the videos to join, in order.
        starts: first frame of each new episode.
    """

    index: FileIndex
    frames: int = 0
    size: int = 0
    parts: list[Path] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def size_with(self, video: EncodedVideo) -> int:
        """Return an upper bound of the file's size in bytes after adding a video."""
        frames = self.frames + video.length
        return self.size + media_size(video.path) + INDEX_BYTES + frames * INDEX_BYTES_PER_FRAME

    def add(self, video: EncodedVideo) -> None:
        """Add a video."""
        self.starts.append(self.frames)
        self.frames += video.length
        self.size += media_size(video.path)
        self.parts.append(video.path)


def place_videos(
    videos: Sequence[EncodedVideo],
    tail: VideoFile | None,
    *,
    fps: int,
    limit: float,
    joinable: Callable[[Path, Path], bool],
    next_index: Callable[[FileIndex | None], FileIndex],
) -> list[VideoFile]:
    """Distribute the videos of one camera over files.

    Args:
        videos: in the order of their episodes.
        tail: the last file of the dataset, None if there is none.
        fps: frames per second.
        limit: bytes that a file must not reach, unless a single episode does.
        joinable: returns whether the second video can follow the first in a file.
        next_index: returns the number of a new file, given the previous one.

    Returns:
        The files that change or are new, in order.
    """
    file, files = tail, []
    for video in videos:
        fits = (
            file is not None
            and file.size_with(video) < limit
            and is_readable(file.frames, video.length, fps)
            and joinable(file.parts[-1], video.path)
        )
        if file is None or not fits:
            file = VideoFile(next_index(file.index if file else None))
        if not file.starts:
            files.append(file)
        file.add(video)
    return files


def media_size(path: Path) -> int:
    """Return the bytes of the frames in an mp4 file, without its index; other files count completely."""
    return sum(box.size for box in read_boxes(path) if box.kind == b"mdat") or path.stat().st_size


def readable(
    from_s: float, timestamps: npt.NDArray[np.floating], frame_times: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Find the rows whose frame LeRobot accepts.

    Args:
        from_s: the episode's ``from_timestamp``, seconds in the video file.
        timestamps: of the episode's rows, seconds in the episode, (n,).
        frame_times: of the frames that belong to the rows, seconds in the video file, (n,).

    Returns:
        True for each row that LeRobot can read, (n,).
    """
    asked = (from_s + timestamps.astype(np.float32).astype(np.float64)).astype(np.float32)
    distance = np.abs(asked - frame_times.astype(np.float32))
    return distance < np.float32(TOLERANCE_S)


def is_readable(start: int, length: int, fps: float) -> bool:
    """Return whether LeRobot can read every frame of an episode on the frame grid.

    Args:
        start: frames in the video file before the episode.
        length: frames of the episode.
        fps: frames per second.
    """
    numbers = np.arange(length)
    return bool(readable(start / fps, numbers / fps, (start + numbers) / fps).all())

"""Which video goes into which file: files grow, then roll.

The sizes and the frames that decide add up: they do not depend on the steps in which a file was joined. So
the same episodes come into the same files, whether they are committed one by one or all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lerobot_recorder.dataset.episode import EncodedVideo
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.times import is_readable
from lerobot_recorder.dataset.whole import read_boxes

INDEX_BYTES = 2048
INDEX_BYTES_PER_FRAME = 16
"""At most so much is in an mp4 file besides its frames: a size, a time and an offset for each."""


class VideoFiles(Protocol):
    """Joins video files, and counts what is in them."""

    def frames(self, path: Path) -> int:
        """Count the frames of a video."""

    def joinable(self, tail: Path, new: Path) -> bool:
        """Tell whether two videos have the same stream parameters and encoder settings."""

    def join(self, parts: Sequence[Path], output: Path, fps: int) -> None:
        """Write the frames of all parts into one file, frame k at k / fps, through to the device."""


@dataclass
class VideoFile:
    """A video file, and what is to be added to it.

    Attributes:
        index: Its number.
        frames: Frames in it.
        size: Bytes of these frames.
        parts: What it is joined of.
        starts: The frame at which each new episode begins.
    """

    index: FileIndex
    frames: int = 0
    size: int = 0
    parts: list[Path] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def size_with(self, video: EncodedVideo) -> int:
        """Return an upper bound of the size on disk if the video were added, in bytes."""
        frames = self.frames + video.length
        return self.size + media_size(video.path) + INDEX_BYTES + frames * INDEX_BYTES_PER_FRAME

    def add(self, video: EncodedVideo) -> None:
        """Take a video in."""
        self.starts.append(self.frames)
        self.frames += video.length
        self.size += media_size(video.path)
        self.parts.append(video.path)


def tail_file(index: FileIndex, path: Path, frames: int) -> VideoFile:
    """Return the last file of a dataset, which may grow."""
    return VideoFile(index, frames, media_size(path), [path])


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
        videos: In the order of their episodes.
        tail: The last file of the dataset, None if there is none.
        fps: Frames per second.
        limit: Bytes that a file must not reach, unless a single episode does.
        joinable: Whether a video can follow another one in a file.
        next_index: The number of a new file, given that of the one before it.

    Returns:
        The files that change or are new, in order.
    """
    file, files = tail, []
    for video in videos:
        if file is None or not _has_room(file, video, fps, limit) or not joinable(file.parts[-1], video.path):
            file = VideoFile(next_index(file.index if file else None))
        if not file.starts:
            files.append(file)
        file.add(video)
    return files


def _has_room(file: VideoFile, video: EncodedVideo, fps: int, limit: float) -> bool:
    if file.size_with(video) >= limit:
        return False
    return is_readable(file.frames, video.length, fps)


def media_size(path: Path) -> int:
    """Return the bytes of the frames in an mp4 file, without what describes them; other files count whole."""
    return sum(box.size for box in read_boxes(path) if box.kind == b"mdat") or path.stat().st_size

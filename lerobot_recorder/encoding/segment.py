"""Encode a segment of one camera's video: a function of paths and settings that any process can run."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset import thinning
from lerobot_recorder.encoding.job import Job, Progress
from lerobot_recorder.errors import VideoError
from lerobot_recorder.spool import SpooledTake, segments_folder
from lerobot_recorder.video import Damage, DepthSettings, EncoderSettings, Sketches, encode, probe

FOLLOW_S = 0.1
"""How often to look for new rows of a take that is being recorded."""

BURST = 15
"""Rows of a take that is being recorded are encoded together: the codec takes 4 % more CPU if it is woken for
each row, because others have used the caches meanwhile."""

STALLED_S = 2.0
"""Without a new row for this long, the recorder is regarded as gone."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class SegmentJob(Job):
    """A part of one camera's video to encode.

    Attributes:
        first: number of the first frame.
        stop: number of the frame after the last one.
        settings: resolved settings.
        depth: how depth maps become codes; None for a color camera.
        follow: whether to wait for frames that are not recorded yet. The segment then ends with the take, if
            that is earlier.
    """

    first: int
    stop: int
    settings: EncoderSettings
    depth: DepthSettings | None = None
    follow: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether it is tried again after an error; a take that is not saved yet can be encoded later."""
        return not self.follow

    def run(self, progress: Progress) -> Segment | None:
        """Encode; see `encode_segment`."""
        return encode_segment(self, progress)

    @property
    def folder(self) -> Path:
        """Where the segments of this camera are."""
        return segments_folder(self.episode) / self.key

    @property
    def identity(self) -> str:
        """Everything besides the images that determines the segment's bits."""
        return json.dumps(
            [self.settings.tag(), self.settings.picture_check, self.depth and self.depth.info()]
        )

    def video(self, stop: int) -> Path:
        """Name the video of a segment that ends before a frame."""
        kind = hashlib.blake2s(self.identity.encode(), digest_size=4).hexdigest()
        return self.folder / f"{self.first:06d}-{stop:06d}-{kind}.mp4"


@dataclass(frozen=True)
class Segment:
    """A checked segment of a video.

    Attributes:
        path: the video.
        first: number of its first frame.
        stop: number of the frame after its last one.
        images: checksum over the checksums of its images, which tells which images it shows.
        damage: the damaged pictures; None if there are none.
        busy_s: seconds that it took, without waiting for images; 0 if it had been encoded before.
    """

    path: Path
    first: int
    stop: int
    images: int
    damage: Damage | None
    busy_s: float = 0.0

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.stop - self.first

    def thumbs(self, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Return the thinned images of a JPEG or PNG camera: RGB, (frames, height, width, 3)."""
        step = thinning(height, width)
        shape = (self.frames, -(-height // step), -(-width // step), 3)
        return np.memmap(thumbs_path(self.path), np.uint8, "r", shape=shape)


def encode_segment(job: SegmentJob, progress: Progress = lambda _frames: None) -> Segment | None:
    """Encode the images of a segment, and compare the video with them.

    The segment is written atomically. If it is there already, from an interrupted run, it is used.

    Args:
        job: what to encode, and how.
        progress: called with the number of frames so far.

    Returns:
        The segment. With `job.follow` None, if the take ended before the segment began, was removed, or does
        not grow any more.

    Raises:
        SpoolError: an image is missing or damaged.
        VideoError: the video could not be written, or does not have one frame per row.
    """
    if not job.follow:
        job.folder.mkdir(0o700, parents=True, exist_ok=True)
        return _loaded_or_encoded(job, SpooledTake(job.episode), progress)
    try:
        with _pinned(job.episode) as episode:
            return _loaded_or_encoded(job, SpooledTake(episode), progress)
    except _TakeGoneError:
        return None


def _loaded_or_encoded(job: SegmentJob, take: SpooledTake, progress: Progress) -> Segment:
    done = _load(job, take)
    if done is None:
        return _encode(job, take, progress)
    progress(done.frames)
    return done


def _load(job: SegmentJob, take: SpooledTake) -> Segment | None:
    """Read a finished segment; None if there is none, or a power cut damaged it or its take."""
    video = job.video(job.stop)
    try:
        saved = json.loads(_result_path(video).read_text())
        if saved["identity"] != job.identity or saved["bytes"] != _fingerprint(video):
            return None
        damage = saved["damage"] and Damage(tuple(saved["damage"]["frames"]), saved["damage"]["error"])
        segment = Segment(video, job.first, job.stop, int(saved["images"]), damage)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    images = take.images(job.key, job.first, job.stop).checksums(job.first, job.stop)
    return segment if zlib.crc32(images) == segment.images else None


class _TakeGoneError(Exception):
    """The take that a job follows has ended in another way than expected."""


@contextlib.contextmanager
def _pinned(directory: Path) -> Iterator[Path]:
    """Yield a path to a directory that stays valid while the directory is moved."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _TakeGoneError from error
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _encode(job: SegmentJob, take: SpooledTake, progress: Progress) -> Segment:
    began = time.monotonic()
    partial = job.folder / f"{job.first:06d}-{os.urandom(4).hex()}.partial"
    with ExitStack() as stack:
        for path in (partial, thumbs_path(partial)):
            stack.callback(path.unlink, missing_ok=True)
        images = _Images(job, take, partial)
        stack.callback(images.close)
        sketches = stack.enter_context(Sketches(job.folder))
        camera = take.camera(job.key)
        encode(
            images,
            partial,
            fps=take.header.fps,
            width=camera.width,
            height=camera.height,
            settings=job.settings,
            depth=job.depth,
            progress=progress,
            observe=sketches.add,
        )
        damage = sketches.damage(partial, job.settings)
        stop = job.first + images.length
        segment = Segment(job.video(stop), job.first, stop, images.checksum, damage)
        _check(partial, segment.frames)
        images.close()
        _keep(job, segment, partial)
    return dataclasses.replace(segment, busy_s=time.monotonic() - began - images.waited_s)


class _Images:
    """The images of a segment as they become available, and what is kept of them.

    Attributes:
        length: images so far.
        checksum: over the checksums of the images.
        waited_s: seconds spent waiting for rows.
    """

    def __init__(self, job: SegmentJob, take: SpooledTake, partial: Path) -> None:
        self.length = 0
        self.checksum = 0
        self.waited_s = 0.0
        self._job = job
        self._take = take
        self._thumbs: IO[bytes] | None = None
        camera = take.camera(job.key)
        if camera.format in ("jpeg", "png"):  # decoded only once, so thinned now
            self._thumbs = thumbs_path(partial).open("wb")
        self._step = thinning(camera.height, camera.width)

    def close(self) -> None:
        """Close its file."""
        if self._thumbs is not None:
            self._thumbs.close()

    def __iter__(self) -> Iterator[Array]:
        for first, stop in self._followed() if self._job.follow else [(self._job.first, self._job.stop)]:
            reader = self._take.images(self._job.key, first, stop)
            for index in range(first, stop):
                image = reader.frame(index)
                if self._thumbs is not None:
                    self._thumbs.write(np.ascontiguousarray(image[:: self._step, :: self._step]).data)
                self.length += 1
                yield image
            self.checksum = zlib.crc32(reader.checksums(first, stop), self.checksum)

    def _followed(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of rows as they are recorded.

        Raises:
            _TakeGoneError: the take has ended before the segment, was removed, or does not grow any more.
        """
        done = seen = self._job.first
        waited_s = 0.0
        while done < self._job.stop:
            ended = self._take.length()
            rows = min(self._job.stop, self._take.rows() if ended is None else ended)
            if rows > seen:
                seen, waited_s = rows, 0.0
            if rows - done >= (1 if ended is not None else min(BURST, self._job.stop - done)):
                yield done, rows
                done = rows
            elif ended is not None and self.length:
                return
            elif ended is not None or waited_s > STALLED_S or not self._job.folder.is_dir():
                raise _TakeGoneError
            else:
                time.sleep(FOLLOW_S)
                waited_s += FOLLOW_S
                self.waited_s += FOLLOW_S


def _check(video: Path, frames: int) -> None:
    found = probe(video)
    if found.frames != frames or not found.on_grid:
        raise VideoError(
            f"{video}: expected {frames} frames on the grid, found {found.frames}, "
            f"up to {found.off_grid_s:.6f} s off; it is not used"
        )


def _keep(job: SegmentJob, segment: Segment, partial: Path) -> None:
    """Give a segment's files their final names; the one with its properties comes last."""
    saved = {
        "identity": job.identity,
        "images": segment.images,
        "damage": segment.damage and dataclasses.asdict(segment.damage),
        "bytes": _fingerprint(partial),
    }
    if thumbs_path(partial).exists():
        thumbs_path(partial).replace(thumbs_path(segment.path))
    partial.replace(segment.path)
    partial.write_text(json.dumps(saved))
    partial.replace(_result_path(segment.path))


def _fingerprint(video: Path) -> list[int]:
    """Return checksums of a segment's files, which are not synced."""
    files = [video, *([thumbs_path(video)] if thumbs_path(video).exists() else [])]
    return [zlib.crc32(path.read_bytes()) for path in files]


def thumbs_path(video: Path) -> Path:
    """Name the file with the thinned images of a segment."""
    return video.with_suffix(".thumbs")


def _result_path(video: Path) -> Path:
    return video.with_suffix(".json")

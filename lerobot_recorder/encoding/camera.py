"""One camera of one episode: the segments that it takes, and the video that they become."""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy.typing as npt

from lerobot_recorder.dataset import Stats, depth_stats, image_stats, sample_indices
from lerobot_recorder.encoding.job import Job, Progress
from lerobot_recorder.encoding.segment import Segment, SegmentJob
from lerobot_recorder.errors import PictureError, VideoError
from lerobot_recorder.spool import CameraSpool, SpooledEpisode, segments_folder
from lerobot_recorder.video import (
    Damage,
    DepthSettings,
    EncoderSettings,
    VideoProbe,
    depth_encoder,
    join,
    probe,
)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CameraJob:
    """One camera of one episode to encode.

    Attributes:
        episode: directory of the spooled episode.
        key: the camera feature.
        settings: resolved settings for color cameras.
        depth_settings: resolved settings for depth cameras.
        depth: how depth maps become codes.
    """

    episode: Path
    key: str
    settings: EncoderSettings
    depth_settings: EncoderSettings = field(default_factory=depth_encoder)
    depth: DepthSettings = field(default_factory=DepthSettings)

    def segment(self, camera: CameraSpool, first: int = 0, stop: int = 0) -> SegmentJob:
        """Return the job for a part of the video."""
        settings, depth = (self.depth_settings, self.depth) if camera.is_depth else (self.settings, None)
        return SegmentJob(self.episode, self.key, first, stop, settings, depth)


@dataclass(frozen=True)
class EncodedCamera:
    """A camera's video.

    Attributes:
        path: the video.
        frames: frames in it, one per row.
        info: the `info` of its feature, as LeRobot writes it.
        stats: the feature's statistics over the episode.
        repair: empty, or why the video was encoded with other settings than the requested ones: the damaged
            `frames`, the largest `difference` of a block (of 255), and the settings `asked` and `used`.
    """

    path: Path
    frames: int
    info: dict[str, Any]
    stats: Stats
    repair: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JoinJob(Job):
    """Segments to join.

    Attributes:
        segments: the parts of its video, in order.
        settings: how they were encoded.
        depth: how depth maps became codes; None for a color camera.
    """

    segments: tuple[Segment, ...]
    settings: EncoderSettings
    depth: DepthSettings | None

    def run(self, progress: Progress) -> EncodedCamera:  # noqa: ARG002 - it is quick
        """Join; see `join_segments`."""
        return join_segments(self)


Steps = Generator[Sequence[SegmentJob] | Sequence[JoinJob], Sequence[Any], EncodedCamera]
"""Yields jobs that can run side by side, and takes their results in the same order."""


def steps(job: CameraJob) -> Steps:
    """Encode a camera's images in segments, and join these.

    If a segment shows damaged pictures, all are encoded again with other settings.

    Raises:
        SpoolError: the episode's manifest is missing or damaged.
        PictureError: pictures were damaged with all settings.
    """
    episode = SpooledEpisode(job.episode)
    asked = job.segment(episode.manifest.cameras[job.key], 0, episode.length)
    first_damage: Damage | None = None
    for settings in (asked.settings, *asked.settings.alternatives()):
        segments = yield list(split(dataclasses.replace(asked, settings=settings)))
        damage = _joined_damage(segments)
        if damage is None:
            (camera,) = yield [JoinJob(job.episode, job.key, tuple(segments), settings, asked.depth)]
            repair = first_damage and _repair(first_damage, asked.settings, settings)
            return dataclasses.replace(cast(EncodedCamera, camera), repair=repair or {})
        first_damage = first_damage or damage
    raise PictureError(
        f"{job.key} of episode {episode.episode_id} cannot be encoded with {asked.settings.tag()}: "
        f"{first_damage}. Its images are kept; choose a lower crf, or another vcodec"
    )


def split(whole: SegmentJob) -> Iterator[SegmentJob]:
    """Cut a job into its segments."""
    frames = whole.settings.segment_frames() or whole.stop
    for first in range(whole.first, whole.stop, frames):
        yield dataclasses.replace(whole, first=first, stop=min(first + frames, whole.stop))


def encode_camera(job: CameraJob, progress: Progress = lambda _frames: None) -> EncodedCamera:
    """Encode a camera in this process, one segment after the other.

    Finished segments of an interrupted run with the same settings are used. Pictures are compared with their
    images, and encoded again with other settings if they are damaged.

    Args:
        job: what to encode, and how.
        progress: called with the number of frames so far.

    Raises:
        SpoolError: an image is missing or damaged.
        VideoError: the video could not be written, or does not have one frame per row.
        PictureError: the pictures were damaged with all settings.
    """
    running = steps(job)
    try:
        jobs = next(running)
        while True:
            jobs = running.send([_run(each, progress) for each in jobs])
    except StopIteration as end:
        return cast(EncodedCamera, end.value)


def _run(job: SegmentJob | JoinJob, progress: Progress) -> Segment | EncodedCamera | None:
    first = job.first if isinstance(job, SegmentJob) else 0
    return job.run(lambda frames: progress(first + frames))


def _joined_damage(segments: Sequence[Segment]) -> Damage | None:
    """Return the damage of all segments, with frame numbers of the whole video."""
    found = [(each.first, each.damage) for each in segments if each.damage is not None]
    frames = tuple(first + frame for first, damage in found for frame in damage.frames)
    return Damage(frames, max(damage.error for _, damage in found)) if found else None


def _repair(damage: Damage, asked: EncoderSettings, used: EncoderSettings) -> dict[str, Any]:
    return {
        "frames": list(damage.frames),
        "difference": damage.error,
        "asked": json.loads(asked.tag()),
        "used": json.loads(used.tag()),
    }


def join_segments(job: JoinJob) -> EncodedCamera:
    """Join segments on the frame grid, and compute the statistics of their images.

    Raises:
        SpoolError: an image is missing or damaged.
        VideoError: the segments do not show the episode's images, one frame per row.
    """
    episode = SpooledEpisode(job.episode)
    _check_segments(job, episode)
    video = segments_folder(job.episode) / f"{job.key}.mp4"
    found = _join(job, episode, video)
    info = {
        **found.info(),
        **job.settings.info(),
        **(job.depth.info() if job.depth else {}),
        "is_depth_map": job.depth is not None,
    }
    return EncodedCamera(video, episode.length, info, _statistics(job, episode))


def _join(job: JoinJob, episode: SpooledEpisode, video: Path) -> VideoProbe:
    """Write the video atomically: a computer that was given up may join the same segments once more."""
    partial = video.with_name(f"{job.key}-{os.urandom(4).hex()}.partial")
    try:
        join([segment.path for segment in job.segments], partial, episode.manifest.fps)
        found = probe(partial)
        if found.frames != episode.length or not found.on_grid:
            raise VideoError(
                f"{video}: expected {episode.length} frames on the grid, found {found.frames}, "
                f"up to {found.off_grid_s:.6f} s off; it is not used"
            )
        partial.replace(video)
    finally:
        partial.unlink(missing_ok=True)
    return found


def _check_segments(job: JoinJob, episode: SpooledEpisode) -> None:
    """Check that the segments were made of the episode's images, and that the files hold no more images."""
    images = episode.images(job.key)
    images.check_sizes()
    expected = [(each.first, each.stop) for each in job.segments]
    if [0, *(stop for _, stop in expected)] != [*(first for first, _ in expected), episode.length]:
        raise VideoError(f"{job.episode}: the segments of {job.key} do not fit {episode.length} rows")
    for segment in job.segments:
        if zlib.crc32(images.checksums(segment.first, segment.stop)) != segment.images:
            raise VideoError(f"{segment.path} does not show the images of {job.episode}")


def _statistics(job: JoinJob, episode: SpooledEpisode) -> Stats:
    wanted = sample_indices(episode.length)
    camera = episode.manifest.cameras[job.key]
    if camera.is_depth:
        return depth_stats(episode.sample(job.key, wanted))
    if camera.format == "raw":
        images = episode.images(job.key)
        return image_stats(images.thumb(index) for index in wanted)
    return image_stats(_kept_thumbs(job, camera, wanted))


def _kept_thumbs(job: JoinJob, camera: CameraSpool, wanted: Sequence[int]) -> Iterator[Array]:
    """Yield the thinned images that were kept when the segments were encoded."""
    for segment in job.segments:
        thumbs = segment.thumbs(camera.height, camera.width)
        inside = range(segment.first, segment.stop)
        yield from (thumbs[index - segment.first] for index in wanted if index in inside)

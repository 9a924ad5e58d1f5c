"""Encode one camera of one episode: a function of paths and settings that any process can run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset import (
    Stats,
    depth_stats,
    image_stats,
    sample_indices,
    stats_from_plain,
    thinning,
)
from lerobot_recorder.durable import replace_file
from lerobot_recorder.errors import PictureError, RecorderError, VideoError
from lerobot_recorder.spool import SpooledEpisode
from lerobot_recorder.video import (
    Damage,
    DepthSettings,
    EncoderSettings,
    Sketches,
    depth_encoder,
    encode,
    probe,
)

ENCODED_FOLDER = "encoded"
"""Folder in an episode's directory that holds its videos until they are committed."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CameraJob:
    """One camera of one episode to encode.

    Attributes:
        episode: directory of the spooled episode.
        key: the camera feature.
        settings: resolved settings for colour cameras.
        depth_settings: resolved settings for depth cameras.
        depth: how depth maps become codes.
    """

    episode: Path
    key: str
    settings: EncoderSettings
    depth_settings: EncoderSettings = field(default_factory=depth_encoder)
    depth: DepthSettings = field(default_factory=DepthSettings)


@dataclass(frozen=True)
class EncodedCamera:
    """A camera's video, beside its episode.

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


Answer = int | EncodedCamera | RecorderError
"""Message of a worker process: frames so far, the result, or the error."""


def encode_camera(job: CameraJob, progress: Callable[[int], None] = lambda _frames: None) -> EncodedCamera:
    """Encode a camera's images, compare the video with them, and compute their statistics.

    A video that an interrupted run finished with the same settings is used. A video with damaged pictures is
    encoded again with other settings.

    Args:
        job: what to encode, and how.
        progress: called with the number of frames so far.

    Raises:
        SpoolError: an image is missing or damaged.
        VideoError: the video could not be written, or does not have one frame per row.
        PictureError: the pictures were damaged with all settings.
    """
    episode = SpooledEpisode(job.episode)
    camera = episode.manifest.cameras[job.key]
    settings = job.depth_settings if camera.is_depth else job.settings
    video = video_path(job.episode, job.key)
    if (finished := load_result(video, settings)) is not None and finished.frames == episode.length:
        progress(finished.frames)
        return finished
    video.parent.mkdir(exist_ok=True)
    encoding = _Encoding(job, episode, progress)
    used, damage = encoding.undamaged(settings)
    result = _checked(video, episode.length, used, job.depth if camera.is_depth else None)
    compute = depth_stats if camera.is_depth else image_stats
    stats = compute(np.stack(encoding.sampled))
    repair = {} if damage is None else _repair(damage, settings, used)
    result = dataclasses.replace(result, stats=stats, repair=repair)
    _save_result(result, settings)
    return result


@dataclass
class _Encoding:
    """The encoding of a job, with one or several settings.

    Attributes:
        sampled: thinned pixels of the images that the statistics are computed from.
    """

    job: CameraJob
    episode: SpooledEpisode
    progress: Callable[[int], None]
    sampled: list[Array] = field(default_factory=list)

    def undamaged(self, settings: EncoderSettings) -> tuple[EncoderSettings, Damage | None]:
        """Find settings that damage no picture; return them, and the damage by the requested ones."""
        first: Damage | None = None
        for attempt in (settings, *settings.alternatives()):
            damage = self._encode(attempt)
            if damage is None:
                return attempt, first
            first = first or damage
        raise PictureError(
            f"{self.job.key} of episode {self.episode.episode_id} cannot be encoded with {settings.tag()}: "
            f"{first}. Its images are kept; choose a lower crf, or another vcodec"
        )

    def _encode(self, settings: EncoderSettings) -> Damage | None:
        """Encode with these settings; return the damaged pictures, if any."""
        key, manifest = self.job.key, self.episode.manifest
        camera, video = manifest.cameras[key], video_path(self.job.episode, key)
        self.sampled.clear()
        with Sketches(video.parent) as sketches:
            encode(
                _tapped(self.episode, key, self.sampled),
                video,
                fps=manifest.fps,
                width=camera.width,
                height=camera.height,
                settings=settings,
                depth=self.job.depth if camera.is_depth else None,
                progress=self.progress,
                observe=sketches.add,
            )
            return sketches.damage(video, settings)


def _repair(damage: Damage, asked: EncoderSettings, used: EncoderSettings) -> dict[str, Any]:
    return {
        "frames": list(damage.frames),
        "difference": damage.error,
        "asked": json.loads(asked.tag()),
        "used": json.loads(used.tag()),
    }


def video_path(episode: Path, key: str) -> Path:
    """Name the video of a camera in an episode's directory."""
    return episode / ENCODED_FOLDER / f"{key}.mp4"


def load_result(video: Path, settings: EncoderSettings) -> EncodedCamera | None:
    """Read the result of an earlier run; None if there is none, or it used other settings."""
    try:
        saved = json.loads(_result_path(video).read_text())
        if saved["tag"] != settings.tag() or probe(video).frames != saved["frames"]:
            return None
        stats = stats_from_plain(saved["stats"])
        return EncodedCamera(video, int(saved["frames"]), saved["info"], stats, saved.get("repair", {}))
    except (OSError, ValueError, KeyError, VideoError):
        return None


def _tapped(episode: SpooledEpisode, key: str, sampled: list[Array]) -> Iterator[Array]:
    """Yield a camera's images; collect thinned pixels of those that the statistics are computed from."""
    camera = episode.manifest.cameras[key]
    wanted = sample_indices(episode.length)
    if camera.format == "raw":
        sampled.extend(episode.sample(key, wanted))
        yield from episode.frames(key)
        return
    chosen, step = set(wanted), thinning(camera.height, camera.width)
    for index, image in enumerate(episode.frames(key)):
        if index in chosen:
            sampled.append(image[::step, ::step].copy())
        yield image


def _checked(
    video: Path, length: int, settings: EncoderSettings, depth: DepthSettings | None
) -> EncodedCamera:
    found = probe(video)
    if found.frames != length or not found.on_grid:
        raise VideoError(
            f"{video}: expected {length} frames on the grid, found {found.frames}, "
            f"up to {found.off_grid_s:.6f} s off; it is not used"
        )
    info = {
        **found.info(),
        **settings.info(),
        **(depth.info() if depth else {}),
        "is_depth_map": depth is not None,
    }
    return EncodedCamera(video, length, info, {})


def _result_path(video: Path) -> Path:
    return video.with_suffix(".json")


def _save_result(result: EncodedCamera, settings: EncoderSettings) -> None:
    saved = {
        "tag": settings.tag(),
        "frames": result.frames,
        "info": result.info,
        "stats": {name: value.tolist() for name, value in result.stats.items()},
        "repair": result.repair,
    }
    replace_file(_result_path(result.path), json.dumps(saved).encode())

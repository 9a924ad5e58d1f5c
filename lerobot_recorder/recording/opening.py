"""What is fixed when an episode starts: cameras and features, checked against dataset and video limits."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from lerobot_recorder.dataset import (
    AGES_FEATURE,
    SUCCESS_FEATURE,
    FeatureDict,
    Features,
    check_fits,
    differences,
    is_video,
    load_info,
    validate_features,
)
from lerobot_recorder.errors import ConfigError, DatasetMismatchError, SpoolError
from lerobot_recorder.images import LONGEST_SIDE
from lerobot_recorder.recording.rows import Feature, age_names, aged_streams, camera_of, declare_features
from lerobot_recorder.recording.status import RecorderSettings
from lerobot_recorder.recording.streams import Stream, StreamSpec
from lerobot_recorder.recording.take_rows import TakeSettings
from lerobot_recorder.spool import CameraSpool, EpisodeHeader, Manifest, Spool, check_sizes

logger = logging.getLogger(__name__)

_QUEUE_S = 3.0
_FEWEST_QUEUED = 4
_SMALL_ROW_BYTES = 1000

SMALLEST_SIDE = 16
"""Smallest side of a video, in pixels: the limit of libx265; libsvtav1 accepts 4, and libx264 accepts 2."""

HIGHEST_FPS = 240
"""Highest rate of videos: the limit of libsvtav1. Datasets without cameras can have more."""


def check_videos(features: Mapping[str, Any], fps: int) -> None:
    """Refuse sizes and rates that the video encoders do not accept.

    Args:
        features: as LeRobot declares them
        fps: frames per second

    Raises:
        ConfigError: a camera is too small or too large, or the rate is too high.
    """
    videos = {key: feature["shape"] for key, feature in features.items() if is_video(feature)}
    if videos:
        check_fps(fps)
    for key, (height, width, *_) in videos.items():
        if min(width, height) < SMALLEST_SIDE or max(width, height) > LONGEST_SIDE:
            raise ConfigError(
                f"{key}: expected images of {SMALLEST_SIDE} to {LONGEST_SIDE} pixels a side, as video "
                f"encoders require, found {width}x{height}: set another size for the camera"
            )


def check_fps(fps: int) -> None:
    """Refuse a rate that is too high for videos.

    Raises:
        ConfigError: the rate is too high.
    """
    if fps > HIGHEST_FPS:
        raise ConfigError(
            f"fps: expected at most {HIGHEST_FPS} with cameras, the limit of video encoders, found {fps}"
        )


def probe_cameras(streams: Sequence[Stream]) -> dict[str, CameraSpool]:
    """Decide from the newest images how to spool each camera feature.

    Raises:
        StreamError: an image has another size than declared, or cannot be decoded.
        SpoolError: images of this kind or size cannot be spooled.
    """
    cameras = {}
    for stream in streams:
        if stream.spec.is_image and (sample := stream.newest()) is not None:
            cameras[stream.spec.feature] = camera_of(stream.spec, stream.decode(sample.value))
    return cameras


def fitting_features(
    spool: Spool,
    fps: int,
    streams: Sequence[Stream],
    cameras: Mapping[str, CameraSpool],
    settings: RecorderSettings,
) -> dict[str, Feature]:
    """Declare the features that will be recorded.

    ``stream_ages`` and ``next.success`` are added if the dataset, or an episode that waits for it, has them.

    Raises:
        ConfigError: no dataset can have such features, for example because the format itself uses a name; or
            the encoder that runs refuses the size of a camera.
        DatasetError: they do not fit the dataset, or the episodes that wait for it.
    """
    specs = [stream.spec for stream in streams]
    waiting = _newest_waiting(spool)  # first, as an encoder may move it into the dataset at any moment
    existing = _existing_features(spool, waiting)
    with_ages = settings.record_ages or AGES_FEATURE in existing
    declared = declare_features(
        specs,
        cameras,
        age_names=age_names(specs, existing.get(AGES_FEATURE)) if with_ages else (),
        with_success=settings.record_success or SUCCESS_FEATURE in existing,
    )
    features = cast("Features", declared)
    validate_features(features)
    check_videos(features, fps)
    check_sizes(spool.path, features)
    check_fits(spool.root, features, fps, settings.robot_type or None)
    if waiting is not None and (changed := differences(cast("Features", waiting.features), features)):
        raise DatasetMismatchError(
            f"{spool.root}: the episodes that wait to be encoded differ from the new recording: "
            + "; ".join(changed)
        )
    return declared


def check_continues(spool: Spool, fps: int, streams: Sequence[Stream], settings: RecorderSettings) -> None:
    """Check, before any image has arrived, that new episodes fit the dataset and the episodes that wait.

    A camera whose size is not declared is taken to have that of the dataset.

    Raises:
        ConfigError: no dataset can have such features.
        DatasetError: they do not fit.
    """
    if _existing_features(spool, _newest_waiting(spool)):
        features_to_record(spool, fps, streams, {}, settings)


def features_to_record(
    spool: Spool,
    fps: int,
    streams: Sequence[Stream],
    sizes: Mapping[str, tuple[int, int]],
    settings: RecorderSettings,
) -> dict[str, Feature]:
    """Return the features that will be recorded, before the streams have delivered anything.

    Args:
        spool: of the dataset
        fps: rows per second
        streams: what is recorded
        sizes: width and height of images by stream; a camera without one is taken to have that of the dataset
        settings: the recorder's settings

    Raises:
        ConfigError: no dataset can have such features.
        DatasetError: they do not fit the dataset, or the episodes that wait for it.
    """
    existing = _existing_features(spool, _newest_waiting(spool))
    specs = [stream.spec for stream in streams if stream.spec.is_image]
    cameras = {
        spec.feature: _assumed_camera(spec, existing.get(spec.feature), sizes.get(spec.name))
        for spec in specs
    }
    return fitting_features(spool, fps, streams, cameras, settings)


def _assumed_camera(
    spec: StreamSpec, existing: Feature | None, size: tuple[int, int] | None = None
) -> CameraSpool:
    known: Mapping[str, Any] = existing if existing and is_video(cast("FeatureDict", existing)) else {}
    height, width = known.get("shape", (SMALLEST_SIDE, SMALLEST_SIDE))[:2]
    if (given := spec.size or size) is not None:
        width, height = given
    depth = "depth32" if (known.get("info") or {}).get("depth_unit") == "m" else "depth16"
    return CameraSpool(depth if spec.is_depth else "png", int(width), int(height))


def _existing_features(spool: Spool, waiting: Manifest | None) -> Mapping[str, Feature]:
    """Return the features of the dataset, or of an episode that waits for it; empty if there is neither."""
    if (info := load_info(spool.root)) is not None:
        return cast("Mapping[str, Feature]", info.features)
    return waiting.features if waiting is not None else {}


def _newest_waiting(spool: Spool) -> Manifest | None:
    """Return the manifest of the newest episode that is not in the dataset yet; None if there is none.

    Skip an episode whose manifest cannot be read; the encoder sets it aside.
    """
    unreadable: set[Path] = set()
    while episodes := [episode for episode in spool.waiting() if episode.path not in unreadable]:
        newest = episodes[-1]
        try:
            return newest.manifest
        except SpoolError as error:
            if newest.path.exists():
                logger.warning("cannot compare a waiting episode with the new recording: %s", error)
                unreadable.add(newest.path)
            # Otherwise an encoder or the operator has just moved it: look again.
    return None


def take_settings(
    header: EpisodeHeader, settings: RecorderSettings, streams: Sequence[Stream]
) -> TakeSettings:
    """Derive the settings of one take: convert times and memory to rows."""
    fps = header.fps
    pixels = sum(_pixels(stream, header.cameras) for stream in streams if stream.spec.is_image)
    row_bytes = 3 * pixels or _SMALL_ROW_BYTES
    queued = int(min(_QUEUE_S * fps, settings.queue_mb * 1e6 / row_bytes))
    ages = aged_streams(header.features.get(AGES_FEATURE))
    limit = round(settings.episode_time_s * fps) if settings.episode_time_s else None
    return TakeSettings(limit, max(queued, _FEWEST_QUEUED), ages, settings.rules)


def _pixels(stream: Stream, cameras: Mapping[str, CameraSpool]) -> int:
    """Return the pixels of an image that waits: as it arrives, which may be more than is recorded of it."""
    camera, newest = cameras[stream.spec.feature], stream.newest()
    arriving = getattr(newest.value, "width", 0) * getattr(newest.value, "height", 0) if newest else 0
    return max(camera.width * camera.height, arriving)

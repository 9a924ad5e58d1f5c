"""What is fixed when an episode starts: its cameras, its features, and that they fit what is there."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from lerobot_recorder.dataset import (
    AGES_FEATURE,
    SUCCESS_FEATURE,
    Features,
    check_fits,
    differences,
    load_info,
    validate_features,
)
from lerobot_recorder.errors import DatasetMismatchError, SpoolError
from lerobot_recorder.recording.limits import check_videos
from lerobot_recorder.recording.rows import Feature, age_names, aged_streams, camera_of, declare_features
from lerobot_recorder.recording.status import RecorderSettings
from lerobot_recorder.recording.streams import Stream
from lerobot_recorder.recording.take import TakeSettings
from lerobot_recorder.spool import CameraSpool, EpisodeHeader, Manifest, Spool

logger = logging.getLogger(__name__)

_QUEUE_S = 3.0
_FEWEST_QUEUED = 4
_SMALL_ROW_BYTES = 1000


def probe_cameras(streams: Sequence[Stream]) -> dict[str, CameraSpool]:
    """Tell from the newest images how each camera feature's are to be spooled.

    Raises:
        StreamError: an image is not of the declared size, or cannot be decoded.
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
    """Declare what will be recorded.

    `stream_ages` and `next.success` are also added where the dataset, or what waits for it, has them.

    Raises:
        ConfigError: no dataset can be made of it, as where the format uses a feature's name itself.
        DatasetError: it would not fit the dataset, or the episodes that wait to be added to it.
    """
    specs = [stream.spec for stream in streams]
    waiting = _newest_waiting(spool)  # before the dataset is looked at, where it may be a moment later
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
    check_fits(spool.root, features, fps, settings.robot_type or None)
    if waiting is not None and (changed := differences(cast("Features", waiting.features), features)):
        raise DatasetMismatchError(
            f"{spool.root}: episodes that wait to be encoded differ from what would be recorded: "
            + "; ".join(changed)
        )
    return declared


def _existing_features(spool: Spool, waiting: Manifest | None) -> Mapping[str, Feature]:
    """Return the features of the dataset, else of what waits for it; empty where there is neither."""
    if (info := load_info(spool.root)) is not None:
        return cast("Mapping[str, Feature]", info.features)
    return waiting.features if waiting is not None else {}


def _newest_waiting(spool: Spool) -> Manifest | None:
    """Return what is known of the newest episode that is not in the dataset yet; None where there is none.

    An episode whose manifest cannot be read is left to the encoder, which sets it aside.
    """
    unreadable: set[Path] = set()
    while episodes := [episode for episode in spool.waiting() if episode.path not in unreadable]:
        newest = episodes[-1]
        try:
            return newest.manifest
        except SpoolError as error:
            if newest.path.exists():
                logger.warning("a waiting episode cannot be compared with the next one: %s", error)
                unreadable.add(newest.path)
            # Else an encoder or the operator has moved it meanwhile: look again where it is now.
    return None


def take_settings(header: EpisodeHeader, settings: RecorderSettings) -> TakeSettings:
    """Turn settings into those of one take: times and memory into rows."""
    fps = header.fps
    pixels = sum(camera.width * camera.height for camera in header.cameras.values())
    row_bytes = 3 * pixels or _SMALL_ROW_BYTES
    queued = int(min(_QUEUE_S * fps, settings.queue_mb * 1e6 / row_bytes))
    ages = aged_streams(header.features.get(AGES_FEATURE))
    limit = round(settings.episode_time_s * fps) if settings.episode_time_s else None
    return TakeSettings(limit, max(queued, _FEWEST_QUEUED), ages, settings.rules)

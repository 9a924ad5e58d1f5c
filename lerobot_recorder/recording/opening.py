"""What is fixed when an episode starts: its cameras, its features, and that they fit what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from lerobot_recorder.dataset import check_fits
from lerobot_recorder.dataset.features import Features, differences, validate_features
from lerobot_recorder.errors import DatasetMismatchError, SpoolError
from lerobot_recorder.recording.rows import Feature, camera_of, declare_features
from lerobot_recorder.recording.settings import RecorderSettings
from lerobot_recorder.recording.streams import Stream
from lerobot_recorder.recording.take import TakeSettings
from lerobot_recorder.spool import CameraSpool, Manifest, Spool

_QUEUE_S = 3.0
_FEWEST_QUEUED = 4
_SMALL_ROW_BYTES = 1000


def look_at_cameras(streams: Sequence[Stream]) -> dict[str, CameraSpool]:
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

    Raises:
        ConfigError: no dataset can be made of it, as where the format uses a feature's name itself.
        DatasetError: it would not fit the dataset, or the episodes that wait to be added to it.
        SpoolError: what is known of these cannot be read.
    """
    specs = [stream.spec for stream in streams]
    declared = declare_features(
        specs, cameras, with_ages=settings.record_ages, with_success=settings.record_success
    )
    features = cast("Features", declared)
    validate_features(features)
    waiting = _newest_waiting(spool)  # before the dataset is looked at, where it may be a moment later
    check_fits(spool.root, features, fps, settings.robot_type)
    if waiting is not None and (changed := differences(cast("Features", waiting.features), features)):
        raise DatasetMismatchError(
            f"{spool.root}: episodes that wait to be encoded differ from what would be recorded: "
            + "; ".join(changed)
        )
    return declared


def _newest_waiting(spool: Spool) -> Manifest | None:
    """Tell what is known of the newest episode that is not in the dataset yet; None where there is none."""
    while episodes := spool.ready() + spool.claimed():
        newest = max(episodes, key=lambda episode: episode.episode_id)
        try:
            return newest.manifest
        except SpoolError:
            if newest.path.exists():
                raise
            # An encoder or the operator has moved it meanwhile: look again where it is now.
    return None


def take_settings(fps: int, cameras: Mapping[str, CameraSpool], settings: RecorderSettings) -> TakeSettings:
    """Turn settings into those of one take: times and memory into rows."""
    row_bytes = sum(3 * camera.width * camera.height for camera in cameras.values()) or _SMALL_ROW_BYTES
    queued = int(min(_QUEUE_S * fps, settings.queue_mb * 1e6 / row_bytes))
    limit = round(settings.episode_time_s * fps) if settings.episode_time_s else None
    return TakeSettings(limit, max(queued, _FEWEST_QUEUED), settings.record_ages, settings.rules)

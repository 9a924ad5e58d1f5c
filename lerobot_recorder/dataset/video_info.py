"""What ``info.json`` notes of how videos are encoded: what is true of all of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

from lerobot_recorder.dataset.episode import EncodedVideo
from lerobot_recorder.dataset.features import FeatureDict, Features
from lerobot_recorder.errors import DatasetMismatchError

_log = logging.getLogger(__name__)

STREAM_KEYS = ("video.codec", "video.pix_fmt")
ENCODER_KEYS = (
    "video.g",
    "video.crf",
    "video.preset",
    "video.fast_decode",
    "video.video_backend",
    "video.extra_options",
)
"""What LeRobot's merge sets to null where videos differ (its ``VIDEO_ENCODER_INFO_KEYS``)."""

DEPTH_KEYS = ("video.depth_min", "video.depth_max", "video.shift", "video.use_log")
"""How depth became pixels; LeRobot decodes all videos of a feature with these."""


def with_video_info(features: Features, videos: Mapping[str, EncodedVideo], *, is_first: bool) -> Features:
    """Return the features with what is true of the videos so far and of one more episode's.

    Args:
        features: The dataset's features.
        videos: The episode's videos, by feature.
        is_first: Whether there are no other videos yet.

    Raises:
        DatasetMismatchError: Depth became pixels in another way, so that it would be decoded wrong.
    """
    noted = dict(features)
    for key, video in videos.items():
        old = features[key].get("info") or {}
        info = {**old, **video.info} if is_first else _common(key, old, video.info)
        noted[key] = cast("FeatureDict", {**features[key], "info": info})
    return noted


def _common(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what differs by null, or {} for the extra options, as LeRobot's merge does."""
    _check_depth(key, old, new)
    names = [name for name in (*STREAM_KEYS, *ENCODER_KEYS) if old.get(name) != new.get(name)]
    codec = "video.codec"
    if codec in names and old.get(codec) is not None:
        _log.warning(
            "%s: the codec changes from %s to %s within the dataset; LeRobot does not merge such a dataset "
            "with others",
            *(key, old[codec], new.get(codec)),
        )
    return {**old, **{name: {} if name == "video.extra_options" else None for name in names}}


def _check_depth(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for name in DEPTH_KEYS:
        if name in old and name in new and old[name] != new[name]:
            raise DatasetMismatchError(
                f"feature {key!r} has {name} {old[name]} in the dataset, {new[name]} now, so new depth would "
                "be decoded wrong. Record to another root."
            )

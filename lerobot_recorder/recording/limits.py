"""What videos can be made of: found out when a recording starts, not when its episodes are encoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lerobot_recorder.dataset import is_video
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.images import LONGEST_SIDE

SMALLEST_SIDE = 16
"""Pixels: libx265 takes no less; libsvtav1 takes 4, and libx264 2."""

HIGHEST_FPS = 240
"""Of videos: libsvtav1 takes no more; datasets without cameras can have more."""


def check_videos(features: Mapping[str, Any], fps: int) -> None:
    """Refuse sizes and rates that no video of a dataset can have.

    Args:
        features: as LeRobot declares them.
        fps: frames per second.

    Raises:
        ConfigError: a camera is too small or too large, or the rate too high for videos.
    """
    videos = {key: feature["shape"] for key, feature in features.items() if is_video(feature)}
    if videos:
        check_fps(fps)
    for key, (height, width, *_) in videos.items():
        if min(width, height) < SMALLEST_SIDE or max(width, height) > LONGEST_SIDE:
            raise ConfigError(
                f"{key}: expected images of {SMALLEST_SIDE} to {LONGEST_SIDE} pixels a side, as video "
                f"encoders take them, found {width}x{height}: set another size for the camera"
            )


def check_fps(fps: int) -> None:
    """Refuse a rate that is too high for videos.

    Raises:
        ConfigError: it is.
    """
    if fps > HIGHEST_FPS:
        raise ConfigError(
            f"fps: expected at most {HIGHEST_FPS} with cameras, as video encoders take no more, found {fps}"
        )

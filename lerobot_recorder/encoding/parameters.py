"""The encoder node's parameters, and the settings that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.encoding.settings import BatchSettings, ExecutorSettings
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.settings import parameters_of, settings_from
from lerobot_recorder.video import SVT_DEFAULT_PRESET, DepthSettings, EncoderSettings

ENCODER_PARAMETERS = parameters_of(
    DatasetPlace, BatchSettings, ExecutorSettings, EncoderSettings, DepthSettings
)
VIDEO_PARAMETERS = frozenset(parameter.name for parameter in parameters_of(EncoderSettings))


def encoder_settings(values: Mapping[str, Any]) -> EncoderSettings:
    """Return the settings that the parameters describe.

    Raises:
        ConfigError: they are out of range
        EncoderUnavailableError: this machine lacks the encoder
    """
    settings = settings_from(EncoderSettings, values, preset=None).resolved()
    preset, vcodec = values["preset"], settings.vcodec
    if vcodec == "libsvtav1":
        return replace(settings, preset=preset)
    if preset != SVT_DEFAULT_PRESET:
        raise ConfigError(
            f"preset {preset} is for libsvtav1, but {vcodec} always uses its own default: "
            f"leave preset at {SVT_DEFAULT_PRESET}"
        )
    return settings

from __future__ import annotations

import pytest

from lerobot_recorder.encoding import ENCODER_PARAMETERS, encoder_settings
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.video import EncoderSettings, available_encoders

DEFAULTS = {parameter.name: parameter.default for parameter in ENCODER_PARAMETERS}

needs_h264 = pytest.mark.skipif("h264" not in available_encoders(), reason="this PyAV lacks the codec")


def test_defaults_are_those_of_lerobot():
    assert encoder_settings(DEFAULTS) == EncoderSettings()


def test_the_preset_is_libsvtav1s():
    assert encoder_settings({**DEFAULTS, "preset": 8}).preset == 8


@needs_h264
def test_another_codec_uses_its_own_preset():
    assert encoder_settings({**DEFAULTS, "vcodec": "h264"}).preset is None


@needs_h264
def test_a_preset_that_another_codec_would_ignore_is_refused():
    with pytest.raises(ConfigError, match="preset 8 is for libsvtav1, but h264"):
        encoder_settings({**DEFAULTS, "vcodec": "h264", "preset": 8})

from __future__ import annotations

import pytest

from lerobot_recorder.cameras import CameraSettings
from lerobot_recorder.errors import ConfigError


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"source": ""},
        {"width": -1},
        {"width": 0},
        {"height": 100_000},
        {"fps": 0},
        {"fps": float("nan")},
        {"pixel_format": "gif"},
    ],
)
def test_invalid_settings_are_refused_by_name(wrong):
    with pytest.raises(ConfigError, match="camera"):
        CameraSettings(**{"name": "top", "source": "sim"} | wrong)


def test_no_size_means_the_sources_own():
    assert CameraSettings("top", "sim", width=0, height=0).size is None


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://me:secret@camera/live", "rtsp://camera/live"),
        ("http://camera/a@b", "http://camera/a@b"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_a_password_is_not_shown(source, shown):
    assert CameraSettings("top", source).place == shown

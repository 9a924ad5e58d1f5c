from __future__ import annotations

import pytest

from lerobot_recorder.cameras import CameraSettings, take_snapshot
from lerobot_recorder.errors import CameraError


def test_a_snapshot_has_pixels(footage):
    image = take_snapshot(CameraSettings("top", str(footage), width=0, height=0), warm_up_s=0)
    assert image.rgb.shape == (144, 176, 3)


def test_a_camera_without_images_is_an_error(tmp_path, jpegs, monkeypatch):
    monkeypatch.setattr("lerobot_recorder.cameras.camera._SNAPSHOT_TIMEOUT_S", 0.1)
    (tmp_path / "broken.mjpeg").write_bytes(jpegs[0][:-2] + jpegs[1][:-2])
    with pytest.raises(CameraError, match="top"):
        take_snapshot(CameraSettings("top", str(tmp_path / "broken.mjpeg")), warm_up_s=0)

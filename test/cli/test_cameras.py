from __future__ import annotations

from pathlib import Path

import pytest

from lerobot_recorder.cameras import CameraInfo
from lerobot_recorder.cameras.v4l2 import Mode
from lerobot_recorder.cli.cameras import snapshot_name
from lerobot_recorder.images import decode_rgb

SMALL = ("--width", 64, "--height", 48, "--warm-up-s", 0)


@pytest.fixture
def devices(monkeypatch):
    """Let these cameras be connected."""

    def connect(*cameras, forbidden=()):
        monkeypatch.setattr("lerobot_recorder.cli.cameras.list_cameras", lambda: list(cameras))
        monkeypatch.setattr("lerobot_recorder.cli.cameras.list_forbidden", lambda: list(forbidden))

    return connect


def test_no_camera_is_an_error(invoke, devices):
    devices()
    result = invoke("cameras")
    assert result.exit_code == 1
    assert result.output.startswith("error: no camera is connected to this computer: plug one in, or name a")


def test_cameras_that_the_user_may_not_open_are_an_error(invoke, devices):
    devices(forbidden=["/dev/video0", "/dev/video1"])
    result = invoke("cameras")
    assert result.exit_code == 1
    assert result.output.startswith("error: no permission to open /dev/video0, /dev/video1: add your")
    assert "sudo usermod -aG video $USER" in result.output


def test_simulated_cameras_are_seen_through(invoke, tmp_path):
    result = invoke("cameras", "sim", "--output", tmp_path, *SMALL)
    assert result.exit_code == 0, result.output
    for name in ("top", "wrist"):
        assert f"sim: 64x48, saved as {tmp_path / name}.jpg" in result.output
        assert decode_rgb((tmp_path / f"{name}.jpg").read_bytes()).shape == (48, 64, 3)


def test_formats_and_controls_of_a_camera_are_printed(invoke, devices, tmp_path):
    modes = (
        Mode("MJPG", 1280, 720, (30.0, 15.0)),
        Mode("MJPG", 640, 480, ()),
        Mode("YUYV", 640, 480, (30.0,)),
    )
    path = str(tmp_path / "no_device")
    devices(CameraInfo(path, "A camera", "usb-1", modes, {"gain": (0, 255)}))
    result = invoke("cameras", "--output", tmp_path)
    assert "A camera" in result.output
    assert "MJPG          1280x720 at 30/15 Hz, 640x480" in result.output
    assert "YUYV          640x480 at 30 Hz" in result.output
    assert "gain 0 to 255" in result.output
    assert result.exit_code == 1
    assert "error: camera no_device: " in result.output


def test_one_source_that_fails_does_not_keep_the_others_from_being_seen(invoke, tmp_path):
    result = invoke("cameras", "/nowhere/film.mp4", "sim", "--output", tmp_path, *SMALL)
    assert result.exit_code == 1
    assert "error: camera film.mp4: file /nowhere/film.mp4 does not exist" in result.output
    assert {path.name for path in Path(tmp_path).iterdir()} == {"top.jpg", "wrist.jpg"}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("0", "video0"),
        ("/dev/video2", "video2"),
        ("films/take 1.mp4", "take_1.mp4"),
        ("http://me:secret@cam.local:8080/stream?a=1", "cam.local_8080_stream_a_1"),
    ],
)
def test_a_snapshot_is_named_after_its_source(source, name):
    assert snapshot_name(source) == name

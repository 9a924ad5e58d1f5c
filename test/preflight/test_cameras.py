from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from lerobot_recorder.cameras import CameraImage, CameraSettings, DeviceIdentity
from lerobot_recorder.preflight import CameraLook, check_camera, look_at
from lerobot_recorder.simulation import SimulatedCamera

SETTINGS = CameraSettings("top", "/dev/video0", 320, 240, 30.0)


@pytest.fixture
def look(draw) -> CameraLook:
    return CameraLook(SETTINGS, DeviceIdentity("Maker_top_01", "usb-1"), draw("top"), 29.8)


def test_a_camera_as_last_time_is_fine(look, references):
    found = check_camera(look, references)
    assert (found.level, found.text) == ("ok", "Maker_top_01: 320x240 at 29.8 of 30 Hz")


@pytest.mark.parametrize(("rate_hz", "level"), [(27.5, "ok"), (15.0, "warning"), (7.5, "fault")])
def test_a_slow_camera_is_reported(look, rate_hz, level):
    assert check_camera(replace(look, rate_hz=rate_hz), {}).level == level


def test_another_size_is_a_fault(look):
    asked = replace(look, settings=replace(SETTINGS, width=640, height=480))
    found = check_camera(asked, {})
    assert (found.level, "expected 640x480" in found.text) == ("fault", True)


def test_another_device_is_a_fault_and_the_other_camera_is_named(look, references):
    found = check_camera(replace(look, identity=DeviceIdentity("Maker_wrist_01", "usb-1")), references)
    assert found.level == "fault"
    sentence = "another device than last time, which was Maker_top_01; this one was wrist: swapped?"
    assert sentence in found.text


@pytest.mark.parametrize(("has_serial", "level"), [(True, "ok"), (False, "warning")])
def test_another_port_matters_only_without_a_serial_number(look, references, has_serial, level):
    moved = replace(look, identity=DeviceIdentity("Maker_top_01", "usb-2", has_serial))
    assert check_camera(moved, references).level == level


def test_a_camera_is_looked_at(tmp_path):
    look = look_at(CameraSettings("top", "sim", 64, 48, 20.0), 0.3, SimulatedCamera)
    assert look.picture is not None
    assert look.picture.shape == (48, 64, 3)
    assert look.rate_hz > 5
    assert look.identity.name == "sim"


class Stamped:
    """A camera whose images have given capture times, in seconds, and arrive at once."""

    rate_hz, is_live, sends_jpeg = 30.0, False, False

    def __init__(self, *times_s: float) -> None:
        self._stamps_ns = [round(time_s * 1e9) for time_s in times_s]

    def read(self, want_rgb):
        if not self._stamps_ns:
            time.sleep(0.01)
            return None
        return CameraImage(self._stamps_ns.pop(0), 2, 2, np.zeros((2, 2, 3), np.uint8), None)

    def close(self):
        pass


@pytest.mark.parametrize(
    "times_s",
    [
        [k / 30 for k in range(6)],  # the first image was late, the others follow at once
        [0, 0.001, 0.002, *(0.002 + k / 30 for k in range(1, 6))],  # three were kept until it was opened
        [0, 1 / 30, 4 / 30, 4 / 30, 4 / 30, 5 / 30],  # a pause, and what was kept meanwhile
    ],
    ids=["late", "kept", "paused"],
)
def test_the_rate_follows_from_capture_times(times_s):
    look = look_at(SETTINGS, 0.05, lambda settings: Stamped(*times_s))
    assert look.rate_hz == pytest.approx(30)


@pytest.mark.parametrize(("times_s", "rate_hz"), [([1.0], 0.0), ([1.0, 1.0], 0.0), ([0, 0.01, 0.02], 100.0)])
def test_the_rate_of_few_and_of_fast_images(times_s, rate_hz):
    assert look_at(SETTINGS, 0.05, lambda settings: Stamped(*times_s)).rate_hz == pytest.approx(rate_hz)


def test_a_camera_that_cannot_be_opened_is_a_fault(tmp_path):
    found = check_camera(look_at(CameraSettings("top", str(tmp_path / "none.mp4")), 0.1), {})
    assert (found.subject, found.level) == ("top", "fault")
    assert "none.mp4" in found.text


def test_a_camera_that_delivers_nothing_is_a_fault(monkeypatch):
    class Silent:
        rate_hz, is_live, sends_jpeg = 30.0, True, False

        def read(self, want_rgb):
            return None

        def close(self):
            pass

    monkeypatch.setattr("lerobot_recorder.preflight.cameras._FIRST_IMAGE_S", 0.1)
    found = check_camera(look_at(SETTINGS, 0.1, lambda settings: Silent()), {})
    assert found.level == "fault"


def test_the_picture_is_the_last_one(draw):
    look = look_at(CameraSettings("top", "sim", 320, 240, 30.0), 0.1, SimulatedCamera)
    assert np.abs(look.picture.astype(int) - draw("top")).mean() < 40

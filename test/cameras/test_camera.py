from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from lerobot_recorder.cameras import Camera, CameraImage, CameraSettings
from lerobot_recorder.cameras.camera import CameraMonitor
from lerobot_recorder.errors import CameraError
from lerobot_recorder.simulation import SimulatedCamera

SETTINGS = CameraSettings("top", "/dev/video0", width=8, height=6)
OK, WARN, ERROR = 0, 1, 2


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def image(width: int = 8, height: int = 6) -> CameraImage:
    noise = np.random.default_rng().integers(0, 255, (height, width, 3), np.uint8)
    return CameraImage(time.time_ns(), width, height, noise, None)


class TestWatch:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def watch(self, clock) -> CameraMonitor:
        watch = CameraMonitor(30, clock)
        watch.opened(30)
        return watch

    def feed(self, watch: CameraMonitor, clock: Clock, rate_hz: float, seconds: float, **size: int) -> None:
        for _ in range(round(rate_hz * seconds)):
            clock.now_s += 1 / rate_hz
            watch.note(image(**size))

    def test_a_camera_at_its_rate_is_ok(self, watch, clock):
        self.feed(watch, clock, 29.5, 3)
        status = watch.status(SETTINGS)
        assert (status.level, status.message) == (OK, "ok")
        assert float(status.values["rate_hz"]) == pytest.approx(29.5, abs=0.1)

    def test_a_slow_camera_is_noticed_within_a_second(self, watch, clock):
        self.feed(watch, clock, 30, 5)
        self.feed(watch, clock, 15, 1)
        status = watch.status(SETTINGS)
        assert status.level == WARN
        assert "expected 30" in status.message

    def test_a_silent_camera_is_noticed_within_a_second(self, watch, clock):
        self.feed(watch, clock, 30, 5)
        clock.now_s += 0.95
        assert watch.status(SETTINGS).level == ERROR
        with pytest.raises(CameraError, match="frozen"):
            watch.check_silence(SETTINGS)

    @pytest.mark.parametrize("jpeg", [None, b"\xff\xd8 the same \xff\xd9"])
    def test_the_same_image_again_and_again_is_frozen_too(self, watch, clock, jpeg):
        still = replace(image(), jpeg=jpeg)
        for _ in range(30):
            clock.now_s += 1 / 30
            watch.note(replace(still, stamp_ns=time.time_ns()))
        assert watch.status(SETTINGS).level == ERROR
        assert "the same image" in watch.status(SETTINGS).message
        clock.now_s += 1 / 30
        watch.note(image())
        assert watch.status(SETTINGS).level == OK

    def test_a_video_may_repeat_its_images(self, watch, clock):
        watch.opened(30, is_live=False)
        still = image()
        for _ in range(60):
            clock.now_s += 1 / 30
            watch.note(still)
        assert watch.status(SETTINGS).level == OK

    def test_a_camera_of_one_image_a_second_may_be_silent_that_long(self, clock):
        watch = CameraMonitor(1, clock)
        watch.opened(1)
        self.feed(watch, clock, 1, 5)
        clock.now_s += 1.2
        watch.check_silence(SETTINGS)
        assert watch.status(SETTINGS).level == OK

    def test_a_camera_just_opened_is_not_yet_slow(self, watch, clock):
        self.feed(watch, clock, 30, 0.1)
        assert watch.status(SETTINGS).level == OK

    def test_another_size_than_requested_is_a_warning(self, watch, clock):
        self.feed(watch, clock, 30, 2, width=16, height=12)
        status = watch.status(SETTINGS)
        assert status.level == WARN
        assert "16x12" in status.message
        assert "8x6" in status.message

    def test_a_lost_camera_is_an_error_with_its_reason_until_it_is_back(self, watch, clock):
        self.feed(watch, clock, 30, 2)
        watch.lost("/dev/video0 is gone")
        assert watch.status(SETTINGS).message == "/dev/video0 is gone"
        watch.opened(30)
        self.feed(watch, clock, 30, 2)
        assert watch.status(SETTINGS).level == OK
        assert watch.status(SETTINGS).values["reopened"] == "1"


class FakeDevice:
    """A device that gives images as long as it is plugged in."""

    rate_hz = 10.0
    is_live = True
    sends_jpeg = False

    def __init__(self) -> None:
        self.plugged = threading.Event()
        self.plugged.set()
        self.frozen = threading.Event()
        self.openings = 0
        self.closings = 0
        self.wanted: list[bool] = []

    def open(self, settings: CameraSettings) -> FakeDevice:
        if not self.plugged.is_set():
            raise CameraError("there is no /dev/video0")
        self.openings += 1
        return self

    def read(self, want_rgb: bool) -> CameraImage | None:
        time.sleep(0.002)
        if not self.plugged.is_set():
            raise CameraError("/dev/video0 stopped: No such device")
        self.wanted.append(want_rgb)
        return None if self.frozen.is_set() else image()

    def close(self) -> None:
        self.closings += 1


@pytest.fixture
def device(monkeypatch) -> FakeDevice:
    device = FakeDevice()
    monkeypatch.setattr("lerobot_recorder.cameras.camera.open_source", device.open)
    monkeypatch.setattr("lerobot_recorder.cameras.camera.RETRY_S", 0.01)
    return device


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def test_a_camera_that_cannot_be_opened_does_not_start(device):
    device.plugged.clear()
    camera = Camera(SETTINGS, lambda _: None)
    with pytest.raises(CameraError, match="camera top: there is no /dev/video0"):
        camera.start()
    camera.stop()


def test_an_unplugged_camera_is_reported_and_reopened(device, watch):
    watched = watch("/dev/video0", width=8, height=6)
    watched.take(3)
    device.plugged.clear()
    wait_for(lambda: "no /dev/video0" in watched.camera.status().message)
    assert watched.camera.status().level == ERROR
    device.plugged.set()
    wait_for(lambda: watched.camera.status().level == OK)
    watched.take(3)
    assert device.openings == 2


def test_a_frozen_camera_is_reopened(device, watch):
    watched = watch("/dev/video0", width=8, height=6)
    watched.take()
    device.frozen.set()
    wait_for(lambda: device.openings == 2)
    device.frozen.clear()
    watched.take()


def test_pixels_are_requested_only_while_they_are_needed(device, watch):
    wanted = threading.Event()
    watched = watch("/dev/video0", want_rgb=wanted.is_set)
    watched.take(2)
    assert set(device.wanted) == {False}
    wanted.set()
    watched.take_until(lambda: device.wanted[-1])


def test_a_stopped_camera_closes_the_device_and_delivers_no_more(device):
    delivered = []
    camera = Camera(SETTINGS, delivered.append)
    camera.start()
    wait_for(lambda: delivered)
    camera.stop()
    count = len(delivered)
    assert device.closings == 1
    assert len(delivered) == count
    camera.stop()


def test_a_receiver_that_fails_does_not_end_the_camera(device):
    delivered = []

    def deliver(image: CameraImage) -> None:
        delivered.append(image)
        raise RuntimeError("not now")

    camera = Camera(SETTINGS, deliver)
    camera.start()
    wait_for(lambda: len(delivered) > 3)
    camera.stop()


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("0", "/dev/video0"),
        ("/dev/null", "/dev/null"),
        ("gone.mp4", "gone.mp4"),
        ("http://127.0.0.1:9/", "127.0.0.1:9"),
        ("rtsp://127.0.0.1:9/", "127.0.0.1:9"),
    ],
)
def test_a_source_that_cannot_be_opened_is_named(source, named):
    with pytest.raises(CameraError, match=f"camera top: .*{named}"):
        Camera(CameraSettings("top", source), lambda _: None).start()


def test_an_arm_whose_pose_is_unknown_is_reported(monkeypatch, watch):
    def pose() -> dict[str, float]:
        raise RuntimeError("no arm")

    watched = watch("sim", opener=lambda settings: SimulatedCamera(settings, pose), width=64, height=48)
    wait_for(lambda: "no arm" in watched.camera.status().message)
    assert watched.camera.status().level == ERROR

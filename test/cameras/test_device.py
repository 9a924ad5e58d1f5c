from __future__ import annotations

import errno
import os
import time
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest

from lerobot_recorder.cameras import CameraSettings
from lerobot_recorder.cameras.camera import CameraMonitor
from lerobot_recorder.cameras.device import Device
from lerobot_recorder.errors import CameraError


class Packet:
    def __init__(self, jpeg: bytes, time_s: float) -> None:
        self.jpeg, self.size = jpeg, len(jpeg)
        self.pts, self.time_base = round(time_s * 1e6), Fraction(1, 1_000_000)

    def __bytes__(self) -> bytes:
        return self.jpeg


class FakeFFmpeg:
    """Stands for FFmpeg's V4L2 input: what is opened with, and what comes."""

    def __init__(self) -> None:
        self.offers = ("mjpeg",)
        self.refusal = errno.EINVAL
        self.opened: list[dict[str, str]] = []
        self.coming: list[Packet | Exception] = []

    def open(self, url: str, format: str, options: dict[str, str], timeout: object) -> SimpleNamespace:
        assert format == "video4linux2"
        self.opened.append(options)
        if options.get("input_format", "rawvideo") not in self.offers:
            raise av.error.OSError(self.refusal, os.strerror(self.refusal))
        codec = SimpleNamespace(name=options.get("input_format", "rawvideo"))
        stream = SimpleNamespace(codec_context=codec, thread_type="")
        return SimpleNamespace(streams=SimpleNamespace(video=[stream]), demux=self._demux, close=lambda: None)

    def _demux(self, stream):
        if not self.coming:
            raise av.error.BlockingIOError(errno.EAGAIN, "again")
        packet = self.coming.pop(0)
        if isinstance(packet, Exception):
            raise packet
        yield packet


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def ffmpeg(monkeypatch) -> FakeFFmpeg:
    ffmpeg = FakeFFmpeg()
    monkeypatch.setattr("lerobot_recorder.cameras.container.av.open", ffmpeg.open)
    monkeypatch.setattr("lerobot_recorder.cameras.device.set_controls", lambda *_: None)
    return ffmpeg


def device(**settings) -> Device:
    return Device(CameraSettings("top", "0", **settings))


def test_size_and_rate_are_requested(ffmpeg):
    device(width=800, height=600, fps=25)
    assert ffmpeg.opened[0]["video_size"] == "800x600"
    assert ffmpeg.opened[0]["framerate"] == "25"


def test_a_truncated_frame_is_skipped(ffmpeg, jpegs):
    ffmpeg.coming = [Packet(jpegs[0][:1000], time.time())]
    assert device().read(want_rgb=True) is None


def test_nothing_in_time_is_no_image(ffmpeg, monkeypatch):
    monkeypatch.setattr("lerobot_recorder.cameras.device._READ_TIMEOUT_S", 0.01)
    assert device().read(want_rgb=True) is None


def test_silence_is_noticed_as_soon_as_it_is_too_long(ffmpeg, monkeypatch):
    time = FakeTime()
    monkeypatch.setattr("lerobot_recorder.cameras.device.time", time)
    silent, watch = device(), CameraMonitor(30, time.monotonic)
    with pytest.raises(CameraError, match=r"no image for 0\.8 s"):
        while silent.read(want_rgb=False) is None:
            watch.check_silence(CameraSettings("top", "0"))


@pytest.mark.parametrize(
    ("pixel_format", "tried"), [("auto", ["mjpeg", None]), ("mjpeg", ["mjpeg"]), ("raw", [None])]
)
def test_the_pixel_format_chooses_what_is_tried(ffmpeg, pixel_format, tried):
    ffmpeg.offers = ()
    with pytest.raises(CameraError):
        device(pixel_format=pixel_format)
    assert [options.get("input_format") for options in ffmpeg.opened] == tried


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.EBUSY, "another program"),
        (errno.EACCES, "usermod -aG video"),
        (errno.ENOENT, "plugged in"),
        (errno.ENOSPC, "USB bus has no bandwidth left: use pixel_format mjpeg"),
        (errno.EINVAL, "offers"),
    ],
)
def test_the_error_of_a_refused_device_explains_what_to_do(ffmpeg, monkeypatch, number, way_out):
    monkeypatch.setattr("lerobot_recorder.cameras.device.list_cameras", list)
    ffmpeg.offers, ffmpeg.refusal = (), number
    with pytest.raises(CameraError, match=way_out):
        device()

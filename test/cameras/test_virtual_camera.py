"""V4L2 through FFmpeg and the kernel's interface, against a webcam that stands below both."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from lerobot_recorder.images import decode_rgb
from lerobot_recorder.video.colour import yuv_to_rgb

HERE = Path(__file__).parent
PATIENCE_S = 20
PERIOD_NS = 1e9 / 30
OK, WARN, ERROR = 0, 1, 2
EXPOSURE_AUTO, EXPOSURE, FOCUS, FOCUS_AUTO, BRIGHTNESS = 0x9A0901, 0x9A0902, 0x9A090A, 0x9A090C, 0x980900


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not Path("/usr/include/linux/videodev2.h").exists():
        pytest.skip("needs a C compiler and the kernel's headers")
    library = tmp_path_factory.mktemp("virtual_camera") / "virtual_camera.so"
    source = HERE / "virtual_camera.c"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


class Webcam:
    """The webcam /dev/video0 of the processes that it starts."""

    def __init__(self, library: Path, directory: Path, jpegs: list[bytes]) -> None:
        self.environment = {**os.environ, "LD_PRELOAD": str(library), "VIRTUAL_CAMERAS": str(directory)}
        self.directory = directory / "video0"
        self.jpegs = jpegs
        self.heard: list[dict] = []
        for pixel_format in ("MJPG", "YUYV"):
            (self.directory / pixel_format).mkdir(parents=True)
        for number, jpeg in enumerate(jpegs):
            (self.directory / "MJPG" / str(number)).write_bytes(jpeg)
            yuv = cv2.cvtColor(cv2.cvtColor(decode_rgb(jpeg), cv2.COLOR_RGB2BGR), cv2.COLOR_BGR2YUV_YUYV)
            (self.directory / "YUYV" / str(number)).write_bytes(yuv.tobytes())

    def be(self, state: str) -> None:
        (self.directory / state).touch()

    def no_longer(self, state: str) -> None:
        (self.directory / state).unlink()

    def controls(self) -> list[tuple[int, ...]]:
        return [
            tuple(map(int, line.split())) for line in (self.directory / "controls").read_text().splitlines()
        ]

    def run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def watch(self, **settings) -> None:
        """Read the camera in another process; what it says is in `heard`."""
        settings = {"source": "/dev/video0", "width": 176, "height": 144, **settings}
        words = [sys.executable, str(HERE / "camera_printer.py"), json.dumps(settings)]
        self.process = subprocess.Popen(
            words, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.heard.append({"heard_s": time.monotonic(), **json.loads(line)})

    def images(self) -> list[dict]:
        return [each for each in self.heard if "stamp_ns" in each]

    def status(self) -> dict:
        return next((each["status"] for each in reversed(self.heard) if "status" in each), {"level": None})

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.status()
            time.sleep(0.01)

    def close(self) -> None:
        with suppress(AttributeError):
            self.process.stdin.close()
            self.thread.join()
            self.process.wait()
            self.process.stdout.close()


@pytest.fixture
def webcam(library, tmp_path, jpegs) -> Iterator[Webcam]:
    webcam = Webcam(library, tmp_path, jpegs)
    yield webcam
    webcam.close()


def number_of(webcam: Webcam, image: dict) -> int:
    return webcam.jpegs.index(base64.b64decode(image["jpeg"]))


def test_jpeg_passes_byte_for_byte_with_the_capture_times(webcam):
    webcam.watch()
    webcam.wait(lambda: len(webcam.images()) > 30)
    images = webcam.images()
    assert "rgb" not in images[0]
    for one, other in itertools.pairwise(images):
        periods = round((other["stamp_ns"] - one["stamp_ns"]) / PERIOD_NS)
        assert other["stamp_ns"] - one["stamp_ns"] == pytest.approx(periods * PERIOD_NS, abs=2e6)
        assert (number_of(webcam, other) - number_of(webcam, one)) % len(webcam.jpegs) == periods % len(
            webcam.jpegs
        )
    assert abs(time.time_ns() - images[-1]["stamp_ns"]) < 2e9


def test_uncompressed_images_are_decoded(webcam):
    webcam.watch(pixel_format="raw", want_rgb=True)
    webcam.wait(webcam.images)
    image = webcam.images()[0]
    rgb = np.frombuffer(base64.b64decode(image["rgb"]), np.uint8).reshape(144, 176, 3).astype(int)
    sent = (
        np.fromfile(file, np.uint8).reshape(144, 176, 2) for file in (webcam.directory / "YUYV").iterdir()
    )
    assert any(np.array_equal(rgb, yuv_to_rgb(yuyv, "yuyv")) for yuyv in sent)
    assert "jpeg" not in image


def test_an_unplugged_camera_is_reported_and_reopened(webcam):
    webcam.watch()
    webcam.wait(webcam.images)
    webcam.be("unplugged")
    webcam.wait(lambda: webcam.status()["level"] == ERROR)
    assert "No such device" in webcam.status()["message"] or "No such file" in webcam.status()["message"]
    seen = len(webcam.images())
    webcam.no_longer("unplugged")
    webcam.wait(lambda: len(webcam.images()) > seen + 5)
    webcam.wait(lambda: webcam.status()["level"] == OK)


def test_a_frozen_camera_is_reported_and_reopened(webcam):
    webcam.watch()
    webcam.wait(webcam.images)
    webcam.be("frozen")
    webcam.wait(lambda: webcam.status()["level"] == ERROR)
    assert "frozen" in webcam.status()["message"]
    webcam.no_longer("frozen")
    webcam.wait(lambda: webcam.status()["level"] == OK)


def test_a_camera_that_another_program_uses_is_refused(webcam):
    webcam.be("busy")
    webcam.watch()
    webcam.wait(lambda: webcam.heard)
    assert "another program uses it" in webcam.heard[0]["error"]


def test_a_camera_without_usb_bandwidth_is_refused(webcam):
    webcam.be("full")
    webcam.watch()
    webcam.wait(lambda: webcam.heard)
    assert "the USB bus has no bandwidth left: use pixel_format mjpeg" in webcam.heard[0]["error"]


def test_a_camera_slower_than_requested_is_reported(webcam):
    webcam.watch(fps=60)
    webcam.wait(lambda: webcam.status()["level"] == WARN)
    assert "expected 60" in webcam.status()["message"]


def test_a_size_that_is_not_offered_is_an_error(webcam):
    webcam.watch(width=800, height=600)
    webcam.wait(lambda: webcam.status()["level"] == WARN)
    assert "176x144" in webcam.status()["message"]
    assert "800x600" in webcam.status()["message"]


def test_exposure_focus_and_other_controls_are_set(webcam):
    webcam.watch(exposure="12.5", focus="30", controls={"brightness": -5})
    webcam.wait(webcam.images)
    assert webcam.controls() == [
        (EXPOSURE_AUTO, 1), (EXPOSURE, 125), (FOCUS_AUTO, 0), (FOCUS, 30), (BRIGHTNESS, -5)
    ]  # fmt: skip


def test_formats_and_controls_are_listed(webcam):
    ask = "from lerobot_recorder.cameras.v4l2 import describe; print(describe('/dev/video0'))"
    said = webcam.run("-c", ask).stdout
    assert "name='Virtual Webcam'" in said
    assert "Mode(pixel_format='MJPG', width=1280, height=720, rates_hz=(30.0, 15.0))" in said
    assert "Mode(pixel_format='YUYV', width=176, height=144, rates_hz=(30.0, 15.0))" in said
    assert "'focus_absolute': (0, 250)" in said


def test_a_snapshot_is_the_cameras_own_image(webcam, tmp_path):
    output = tmp_path / "snapshots"
    done = webcam.run(
        "-m", "lerobot_recorder.cli.app", "cameras", "/dev/video0",
        "--width", "176", "--height", "144", "--output", str(output), "--warm-up-s", "0.1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (output / "video0.jpg").read_bytes() in webcam.jpegs

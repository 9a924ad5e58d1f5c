"""Takes one image after the camera has adapted to the light."""

from __future__ import annotations

import contextlib
import queue
import time

from lerobot_recorder.cameras.camera import Camera, OpenSource
from lerobot_recorder.cameras.settings import CameraSettings, Picture
from lerobot_recorder.errors import CameraError

_TIMEOUT_S = 5.0


def take_snapshot(
    settings: CameraSettings, warm_up_s: float = 1.0, opener: OpenSource | None = None
) -> Picture:
    """Open a camera, let it adapt, and return an image with its pixels.

    Args:
        settings: settings of the camera
        warm_up_s: time during which images are discarded
        opener: opens the source; by default ``open_source``

    Raises:
        CameraError: the camera cannot be opened or delivers no image.
    """
    pictures: queue.SimpleQueue[Picture] = queue.SimpleQueue()
    camera = Camera(settings, pictures.put, opener=opener)
    camera.start()
    try:
        time.sleep(warm_up_s)
        with contextlib.suppress(queue.Empty):
            while True:
                pictures.get_nowait()
        return pictures.get(timeout=_TIMEOUT_S)
    except queue.Empty:
        raise CameraError(f"camera {settings.name}: {camera.status().message}") from None
    finally:
        camera.stop()

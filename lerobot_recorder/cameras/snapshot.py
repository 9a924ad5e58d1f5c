"""Take one picture, as soon as the camera has got used to the light."""

from __future__ import annotations

import contextlib
import queue
import time

from lerobot_recorder.cameras.camera import Camera, OpenSource
from lerobot_recorder.cameras.settings import CameraSettings, Picture
from lerobot_recorder.errors import CameraError

_PATIENCE_S = 5.0


def take_snapshot(
    settings: CameraSettings, warm_up_s: float = 1.0, opener: OpenSource | None = None
) -> Picture:
    """Open a camera, let it adapt, and return a picture with its pixels.

    Args:
        settings: The camera's.
        warm_up_s: How long its first pictures are passed over.
        opener: Opens the source; by default that of a device, stream or file.

    Raises:
        CameraError: It cannot be opened, or gives no picture.
    """
    pictures: queue.SimpleQueue[Picture] = queue.SimpleQueue()
    camera = Camera(settings, pictures.put, opener=opener)
    camera.start()
    try:
        time.sleep(warm_up_s)
        with contextlib.suppress(queue.Empty):
            while True:
                pictures.get_nowait()
        return pictures.get(timeout=_PATIENCE_S)
    except queue.Empty:
        raise CameraError(f"camera {settings.name}: {camera.status().message}") from None
    finally:
        camera.stop()

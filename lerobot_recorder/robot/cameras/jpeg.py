"""JPEG pictures as cameras send them: whether they are whole, how large, and to pixels and back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.errors import ImageError
from lerobot_recorder.images import EncodedImage
from lerobot_recorder.robot.cameras.settings import Picture


def jpeg_picture(data: bytes, stamp_ns: int, want_rgb: bool) -> Picture | None:
    """Make a picture of JPEG data, decoded only if wanted; nothing when the data is broken.

    A USB camera at its limits cuts pictures short, and some cameras append bytes to them, which are cut off.
    """
    try:
        image = EncodedImage.parse(data)
        if image.format != "jpeg":
            return None
        rgb = image.decode() if want_rgb else None
    except ImageError:
        return None
    return Picture(stamp_ns, image.width, image.height, rgb, image.data)


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Compress a picture: RGB, uint8, (height, width, 3)."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1])

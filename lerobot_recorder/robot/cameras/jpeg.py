"""JPEG pictures as cameras send them: whether they are whole, how large, and to pixels and back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.errors import SpoolError
from lerobot_recorder.robot.cameras.settings import Picture
from lerobot_recorder.spool import EncodedImage
from lerobot_recorder.spool.images import decode_rgb


def jpeg_picture(jpeg: bytes, stamp_ns: int, want_rgb: bool) -> Picture | None:
    """Make a picture of JPEG data, decoded only if wanted; nothing when the data is broken."""
    size = jpeg_size(jpeg)
    if size is None:
        return None
    rgb = decode_jpeg(jpeg) if want_rgb else None
    if want_rgb and rgb is None:
        return None
    return Picture(stamp_ns, *size, rgb, jpeg)


def jpeg_size(jpeg: bytes) -> tuple[int, int] | None:
    """Return width and height, or nothing when the data is not a JPEG from its start to its end.

    A USB camera at its limits cuts pictures short.
    """
    try:
        image = EncodedImage.parse(jpeg)
    except SpoolError:
        return None
    return (image.width, image.height) if image.format == "jpeg" and image.width and image.height else None


def decode_jpeg(jpeg: bytes) -> NDArray[np.uint8] | None:
    """Return the picture: RGB, uint8, (height, width, 3); nothing when the data is not one."""
    try:
        return decode_rgb(jpeg)
    except SpoolError:
        return None


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Compress a picture: RGB, uint8, (height, width, 3)."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1])

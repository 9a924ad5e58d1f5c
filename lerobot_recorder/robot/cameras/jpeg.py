"""JPEG pictures to pixels and back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_START, _END = b"\xff\xd8", b"\xff\xd9"
_PADDING = 64  # bytes that some cameras append to a picture's end


def is_whole(jpeg: bytes) -> bool:
    """Tell whether the data has a JPEG's start and end; a USB camera at its limits cuts pictures short."""
    return jpeg.startswith(_START) and _END in jpeg[-_PADDING:]


def decode_jpeg(jpeg: bytes) -> NDArray[np.uint8] | None:
    """Return the picture: RGB, uint8, (height, width, 3); nothing when the data is not one."""
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Compress a picture: RGB, uint8, (height, width, 3)."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()

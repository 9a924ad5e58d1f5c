"""JPEG pictures as cameras send them: whether they are whole, how large, and to pixels and back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.robot.cameras.settings import Picture

_START, _END = b"\xff\xd8", b"\xff\xd9"
_PADDING = 64  # bytes that some cameras append to a picture's end
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers SOF0 to SOF15
_WITHOUT_LENGTH = {0x01, 0xFF, *range(0xD0, 0xDA)}


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
    if not jpeg.startswith(_START) or _END not in jpeg[-_PADDING:]:
        return None
    position = len(_START)
    while position + 9 <= len(jpeg) and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        if marker in _FRAME_HEADERS:
            height, width = (int.from_bytes(jpeg[position + at : position + at + 2], "big") for at in (5, 7))
            return (width, height) if width and height else None
        length = int.from_bytes(jpeg[position + 2 : position + 4], "big")
        position += 1 if marker == 0xFF else 2 if marker in _WITHOUT_LENGTH else 2 + length
    return None


def decode_jpeg(jpeg: bytes) -> NDArray[np.uint8] | None:
    """Return the picture: RGB, uint8, (height, width, 3); nothing when the data is not one."""
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Compress a picture: RGB, uint8, (height, width, 3)."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1])

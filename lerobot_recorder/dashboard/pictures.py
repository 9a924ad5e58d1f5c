"""Makes small JPEGs of images."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

_QUALITY = 75


def shrunk(image: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """Return an image whose width is about `width` at most, reduced by a whole factor.

    Args:
        image: (height, width) or (height, width, 3).
        width: in pixels; 0: as it is.
    """
    factor = round(image.shape[1] / width) if width else 1
    if factor < 2:
        return image
    size = image.shape[1] // factor, max(1, image.shape[0] // factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def to_jpeg(rgb: npt.NDArray[np.uint8], width: int = 0) -> bytes:
    """Compress a color image, RGB, uint8, (height, width, 3).

    Args:
        rgb: the image.
        width: its approximate width in the JPEG; 0: as it is.
    """
    return _encoded(cv2.cvtColor(shrunk(rgb, width), cv2.COLOR_RGB2BGR))


def depth_to_jpeg(depth: npt.NDArray[Any], width: int = 0) -> bytes:
    """Compress a depth map, (height, width): near is dark, far is bright, unknown is black."""
    small = np.nan_to_num(np.asarray(depth[:: _step(depth, width), :: _step(depth, width)], np.float32))
    farthest = float(np.percentile(small, 99)) or 1.0
    return _encoded(np.clip(small * (255 / farthest), 0, 255).astype(np.uint8))


def _step(image: npt.NDArray[Any], width: int) -> int:
    return max(1, round(image.shape[1] / width)) if width else 1


def _encoded(image: npt.NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))[1])

"""Thinning and colour conversion until dataset.statistics and video provide them."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt


def thinning(height: int, width: int) -> int:
    """Return k of "every k-th pixel"."""
    longer = max(height, width)
    return 1 if longer < 300 else int(longer / 150)


def rgb_to_i420(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Convert RGB to planar I420."""
    frame: Any = av.VideoFrame.from_ndarray(image, "rgb24")
    converted: npt.NDArray[np.uint8] = frame.reformat(format="yuv420p").to_ndarray()
    return converted

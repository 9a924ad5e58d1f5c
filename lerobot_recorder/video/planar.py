"""Conversion of RGB to the planar I420 that encoders take."""

from __future__ import annotations

import threading

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

_local = threading.local()
# If PyAV can spread a conversion over threads, waking them costs more CPU time than they save.
_OPTIONS = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}


def rgb_to_i420(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Convert as PyAV does when it encodes RGB: swscale's default interpolation, limited range.

    Args:
        image: RGB, uint8, (height, width, 3), height and width even.

    Returns:
        The planes Y, U and V below each other: uint8, (height * 3 / 2, width).
    """
    if not hasattr(_local, "reformatter"):
        _local.reformatter = VideoReformatter()
    # A view of the array: a copy costs an eighth of the conversion.
    frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
    planes: npt.NDArray[np.uint8] = _local.reformatter.reformat(
        frame, format="yuv420p", **_OPTIONS
    ).to_ndarray()
    return planes

"""RGB out of the YUV formats that cameras send: one conversion for topics and for devices.

OpenCV's, as it is exact: limited range by BT.601, which UVC and V4L2 cameras send. swscale makes most formats
up to two levels darker, white 253 instead of 255; not yuv444p, nor yuv420p and yuv422p if not scaled.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.uint8]

_PACKED = {"yuyv": cv2.COLOR_YUV2RGB_YUY2, "uyvy": cv2.COLOR_YUV2RGB_UYVY, "yvyu": cv2.COLOR_YUV2RGB_YVYU}
_PLANAR = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
_OF_FFMPEG = {"yuyv422": "yuyv", "uyvy422": "uyvy", "yvyu422": "yvyu", "nv12": "nv12", "nv21": "nv21"}
_EXACT_UNSCALED = ("yuv420p", "yuv422p")
_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG


def yuv_to_rgb(pixels: Array, layout: str) -> Array:
    """Convert to RGB, uint8, (height, width, 3).

    Args:
        pixels: uint8; of ``yuyv``, ``uyvy`` and ``yvyu`` (height, width, 2), of ``nv12`` and ``nv21`` Y and
            below it UV, (height * 3 / 2, width).
        layout: one of these.

    Raises:
        cv2.error: width or height is odd.
    """
    code = _PACKED[layout] if layout in _PACKED else _PLANAR[layout]
    return cast(Array, cv2.cvtColor(np.ascontiguousarray(pixels), code))


def frame_to_rgb(frame: Any, width: int, height: int) -> Array:
    """Return the pixels of an ``av.VideoFrame`` in a size: RGB, uint8, (height, width, 3)."""
    name, limited = frame.format.name, frame.color_range != _FULL_RANGE
    scaled = (frame.width, frame.height) != (width, height)
    if limited and name in _OF_FFMPEG and not (frame.width % 2 or frame.height % 2):
        rgb = yuv_to_rgb(_pixels(frame), _OF_FFMPEG[name])
        return cast(Array, cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)) if scaled else rgb
    if limited and name.startswith("yuv4") and (scaled or name not in _EXACT_UNSCALED):
        frame = frame.reformat(width=width, height=height, format="yuv444p", interpolation="AREA")
    rgb_frame = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    return np.ascontiguousarray(rgb_frame.to_ndarray())


def _pixels(frame: Any) -> Array:
    """View the planes of a frame as `yuv_to_rgb` takes them."""
    if _OF_FFMPEG[frame.format.name] in _PACKED:
        return _plane(frame.planes[0], frame.height, 2 * frame.width).reshape(frame.height, frame.width, 2)
    luma = _plane(frame.planes[0], frame.height, frame.width)
    return np.concatenate([luma, _plane(frame.planes[1], frame.height // 2, frame.width)])


def _plane(plane: Any, lines: int, line_bytes: int) -> Array:
    return np.frombuffer(plane, np.uint8)[: lines * plane.line_size].reshape(lines, plane.line_size)[
        :, :line_bytes
    ]

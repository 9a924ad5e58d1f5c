"""Conversions from the YUV formats of cameras to RGB.

Images of cameras, from topics and devices alike, are converted by OpenCV, which is exact for BT.601 with
limited range, the format of UVC and V4L2 cameras. swscale makes most formats up to two levels darker (white
becomes 253); exceptions are yuv444p, and yuv420p and yuv422p without scaling.
"""

from __future__ import annotations

from typing import Any, cast

import av
import cv2
import numpy as np
import numpy.typing as npt

from lerobot_recorder.errors import ImageError

Array = npt.NDArray[np.uint8]

_PACKED = {"yuyv": cv2.COLOR_YUV2RGB_YUY2, "uyvy": cv2.COLOR_YUV2RGB_UYVY, "yvyu": cv2.COLOR_YUV2RGB_YVYU}
_PLANAR = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
_FULL_CHROMA = "yuv444"
_OF_FFMPEG = {"yuyv422": "yuyv", "uyvy422": "uyvy", "yvyu422": "yvyu", "nv12": "nv12", "nv21": "nv21"}
_EXACT_UNSCALED = ("yuv420p", "yuv422p")
_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG


def yuv_to_rgb(pixels: Array, layout: str) -> Array:
    """Convert to RGB, uint8, (height, width, 3).

    Args:
        pixels: uint8; (height, width, 2) for ``yuyv``, ``uyvy`` and ``yvyu``; Y above UV,
            (height * 3 / 2, width), for ``nv12`` and ``nv21``; Y, U and V of each pixel,
            (height, width, 3), for ``yuv444``.
        layout: one of these names.

    Raises:
        ImageError: a side of a planar layout is odd.
    """
    lines, width = pixels.shape[:2]
    if layout == _FULL_CHROMA:
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        frame = av.VideoFrame.from_ndarray(planes, format="yuv444p")
        return cast(Array, frame.to_ndarray(format="rgb24"))
    if layout in _PLANAR:
        if width % 2 or lines % 3:
            raise ImageError(
                f"an image of {width}x{(2 * lines + 2) // 3} {layout} cannot be turned into RGB, which needs "
                "an even width and height; let the camera send another size or encoding"
            )
        return cast(Array, cv2.cvtColor(np.ascontiguousarray(pixels), _PLANAR[layout]))
    if width % 2:  # OpenCV 4.6 turns these into noise, later versions refuse them
        pixels = _with_whole_pairs(pixels)
    return cast(Array, cv2.cvtColor(np.ascontiguousarray(pixels), _PACKED[layout]))[:, :width]


def _with_whole_pairs(pixels: Array) -> Array:
    """Give the last pixel of an odd line, which has one value of chroma, the other one of the pair before."""
    before = pixels[:, -2:-1] if pixels.shape[1] > 1 else np.full_like(pixels, 128)
    return np.concatenate([pixels, before], axis=1)


def frame_to_rgb(frame: Any, width: int, height: int) -> Array:
    """Convert an ``av.VideoFrame``, and scale it: RGB, uint8, (height, width, 3)."""
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
    """Return the planes of a frame in the form that `yuv_to_rgb` takes."""
    if _OF_FFMPEG[frame.format.name] in _PACKED:
        return _plane(frame.planes[0], frame.height, 2 * frame.width).reshape(frame.height, frame.width, 2)
    luma = _plane(frame.planes[0], frame.height, frame.width)
    return np.concatenate([luma, _plane(frame.planes[1], frame.height // 2, frame.width)])


def _plane(plane: Any, lines: int, line_bytes: int) -> Array:
    return np.frombuffer(plane, np.uint8)[: lines * plane.line_size].reshape(lines, plane.line_size)[
        :, :line_bytes
    ]

"""Converts image messages to arrays; cv_bridge, if installed, handles unusual encodings."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from lerobot_recorder.errors import ImageError, StreamError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.images import EncodedImage, Png, check_size, parse_png
from lerobot_recorder.video import yuv_to_rgb

_COLOUR = {
    "rgb8": (3, None),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
}
_PACKED = {"yuv422_yuy2": "yuyv", "yuyv": "yuyv", "yuv422": "uyvy", "uyvy": "uyvy"}
_PLANAR = {"nv12": "nv12", "nv21": "nv21"}
_SUPPORTED = ", ".join((*_COLOUR, *_PACKED, *_PLANAR))
_DEPTH = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}
_DEPTH_HEADER = 12  # bytes of image_transport's compressedDepth before its PNG


def image_to_rgb(message: Any) -> np.ndarray:
    """Return the pixels of a color image, a ``sensor_msgs/msg/Image``: RGB, uint8, (height, width, 3).

    Raises:
        StreamError: the encoding is unknown and cv_bridge is not installed, or the data is too short.
        ImageError: the encoding does not allow this size.
    """
    if message.encoding in _PACKED:
        return yuv_to_rgb(_pixels(message, np.uint8, 2), _PACKED[message.encoding])
    if message.encoding in _PLANAR:
        lines = message.height * 3 // 2
        return yuv_to_rgb(_pixels(message, np.uint8, 1, lines)[:, :, 0], _PLANAR[message.encoding])
    if message.encoding not in _COLOUR:
        return _through_cv_bridge(message, "rgb8")
    channels, code = _COLOUR[message.encoding]
    pixels = _pixels(message, np.uint8, channels)
    pixels = np.ascontiguousarray(pixels)
    return pixels if code is None else cv2.cvtColor(pixels, code)


def image_to_depth(message: Any) -> np.ndarray:
    """Return a depth map: uint16 in mm or float32 in m, (height, width).

    Raises:
        StreamError: the encoding is not one of depth, or the data is too short.
    """
    if message.encoding not in _DEPTH:
        raise StreamError(
            f"expected a depth image of {', '.join(_DEPTH)}, found {excerpt(repr(message.encoding))}"
        )
    dtype = np.dtype(_DEPTH[message.encoding]).newbyteorder(">" if message.is_bigendian else "<")
    depth = _pixels(message, dtype, 1).reshape(message.height, message.width)
    return np.ascontiguousarray(depth.astype(dtype.newbyteorder("="), copy=False))


def compressed_to_encoded(message: Any) -> EncodedImage:
    """Return the file in a CompressedImage, undecoded.

    Raises:
        ImageError: the file is neither JPEG nor PNG, is truncated, or does not have 8 bits per value.
    """
    return EncodedImage.parse(bytes(message.data))


def compressed_to_png(message: Any) -> Png:
    """Return the 16-bit PNG of a depth map from ``compressed`` or ``compressedDepth``, undecoded.

    Raises:
        StreamError: the message has no such PNG, or a damaged one.
    """
    content = bytes(message.data)
    if "compressedDepth" in message.format:
        content = content[_DEPTH_HEADER:]
    try:
        png = parse_png(content)
        if png.is_depth and "32FC1" not in message.format:
            return png
        found = f"a PNG with {png.values} values of {png.bits} bits"
    except ImageError as error:
        found = str(error)
    raise StreamError(
        f"expected depth as a PNG with 16 bits of grey, found {excerpt(repr(message.format), 60)}: {found}; "
        "record the topic without compression"
    )


def _pixels(message: Any, dtype: Any, channels: int, lines: int | None = None) -> np.ndarray:
    """View the data as (lines, width, channels), without the padding of lines."""
    check_size("an image", message.width, message.height)
    lines = lines or message.height
    value = np.dtype(dtype)
    line_bytes = message.width * channels * value.itemsize
    step, data = message.step or line_bytes, np.frombuffer(message.data, np.uint8)
    if step < line_bytes or data.size < step * (lines - 1) + line_bytes:
        raise StreamError(
            f"an image of {message.width}x{message.height} {message.encoding} with step {message.step} "
            f"has only {data.size} bytes"
        )
    shape, strides = (lines, message.width, channels), (step, channels * value.itemsize, value.itemsize)
    return np.ndarray(shape, value, data, 0, strides)


def _through_cv_bridge(message: Any, wanted: str) -> np.ndarray:
    try:
        from cv_bridge import CvBridge
    except ImportError:
        raise StreamError(
            f"images of encoding {excerpt(repr(message.encoding))} are not supported: expected {_SUPPORTED}; "
            "others can be recorded where cv_bridge is installed"
        ) from None
    try:
        return CvBridge().imgmsg_to_cv2(message, wanted)
    except Exception as error:
        raise StreamError(
            f"cv_bridge cannot convert {excerpt(repr(message.encoding))} to {wanted}: {excerpt(str(error))}"
        ) from error

"""Between messages and arrays: plain image encodings in place, others through cv_bridge where it is."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from lerobot_recorder.errors import StreamError
from lerobot_recorder.spool import EncodedImage

_COLOUR = {
    "rgb8": (3, None),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
}
_DEPTH = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}
_DEPTH_HEADER = 12  # bytes of image_transport's compressedDepth before its PNG


def image_to_rgb(message: Image) -> np.ndarray:
    """Return the pixels of a colour image: RGB, uint8, (height, width, 3).

    Raises:
        StreamError: the encoding is not known here and cv_bridge is not installed, the data is too short, or
            the size is one that the encoding cannot have.
    """
    if message.encoding not in _COLOUR:
        return _through_cv_bridge(message, "rgb8")
    channels, code = _COLOUR[message.encoding]
    pixels = _pixels(message, np.uint8, channels)
    if code is None:
        return pixels
    try:
        return cv2.cvtColor(np.ascontiguousarray(pixels), code)
    except cv2.error as error:
        raise StreamError(
            f"an image of {message.width}x{message.height} {message.encoding} cannot be turned into RGB; let "
            "the camera send another size or encoding"
        ) from error


def image_to_depth(message: Image) -> np.ndarray:
    """Return a depth map: uint16 in mm or float32 in m, (height, width).

    Raises:
        StreamError: the encoding is not one of depth, or the data is too short.
    """
    if message.encoding not in _DEPTH:
        raise StreamError(f"expected a depth image of {', '.join(_DEPTH)}, found {message.encoding!r}")
    dtype = np.dtype(_DEPTH[message.encoding]).newbyteorder(">" if message.is_bigendian else "<")
    depth = _pixels(message, dtype, 1).reshape(message.height, message.width)
    return np.ascontiguousarray(depth.astype(dtype.newbyteorder("="), copy=False))


def compressed_to_encoded(message: CompressedImage) -> EncodedImage:
    """Return the file that a CompressedImage holds, undecoded.

    Raises:
        SpoolError: it is neither JPEG nor PNG, or cut short.
    """
    return EncodedImage.parse(
        message.data.tobytes() if hasattr(message.data, "tobytes") else bytes(message.data)
    )


def compressed_to_depth(message: CompressedImage) -> np.ndarray:
    """Decode a depth map that was compressed as a 16-bit PNG, by `compressed` or `compressedDepth`.

    Returns:
        uint16 in mm, (height, width).

    Raises:
        StreamError: it is something else.
    """
    content = np.frombuffer(message.data, np.uint8)
    if "compressedDepth" in message.format:
        content = content[_DEPTH_HEADER:]
    depth = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if depth is None or depth.dtype != np.uint16 or depth.ndim != 2 or "32FC1" in message.format:
        raise StreamError(
            f"expected depth as a PNG of 16 bits, found {message.format!r}; "
            "record the topic without compression"
        )
    return depth


def rgb_to_image(rgb: np.ndarray, frame_id: str = "") -> Image:
    """Make an image message of RGB pixels, uint8, (height, width, 3); its stamp is left to the caller."""
    height, width = rgb.shape[:2]
    message = Image(height=height, width=width, encoding="rgb8", step=width * 3)
    message.header.frame_id = frame_id
    message.data = filled(rgb)
    return message


def jpeg_to_compressed(jpeg: bytes, frame_id: str = "") -> CompressedImage:
    """Make a compressed image message of a JPEG file."""
    message = CompressedImage(format="jpeg", data=filled(jpeg))
    message.header.frame_id = frame_id
    return message


def filled(content: Any) -> array.array:
    """Copy bytes into the one type that messages take without looking at each."""
    data = array.array("B")
    data.frombytes(content)
    return data


def _pixels(message: Image, dtype: Any, channels: int) -> np.ndarray:
    """View the data as (height, width, channels) whatever follows the pixels of a line."""
    if not message.width or not message.height:
        raise StreamError(f"an image of {message.width}x{message.height} has no pixels")
    size = np.dtype(dtype).itemsize * channels
    step = message.step or message.width * size
    data = np.frombuffer(message.data, np.uint8)
    if step < message.width * size or data.size < step * (message.height - 1) + message.width * size:
        raise StreamError(
            f"an image of {message.width}x{message.height} {message.encoding} with step {message.step} "
            f"has only {data.size} bytes"
        )
    padded = (
        data if data.size >= step * message.height else np.pad(data, (0, step * message.height - data.size))
    )
    lines = padded[: step * message.height].reshape(message.height, step)[:, : message.width * size]
    if lines.shape[1] != step:
        lines = np.ascontiguousarray(lines)
    return lines.view(dtype).reshape(message.height, message.width, channels)


def _through_cv_bridge(message: Image, wanted: str) -> np.ndarray:
    try:
        from cv_bridge import CvBridge
    except ImportError:
        raise StreamError(
            f"images of encoding {message.encoding!r} need cv_bridge, which is not installed; without it "
            f"{', '.join(_COLOUR)} can be recorded"
        ) from None
    try:
        return CvBridge().imgmsg_to_cv2(message, wanted)
    except Exception as error:
        raise StreamError(f"cv_bridge cannot convert {message.encoding!r} to {wanted}: {error}") from error


Decode = Callable[[Any], Any]
"""Turns a message into an image, as the spool takes it."""

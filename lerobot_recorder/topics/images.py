"""Converts image messages to arrays; cv_bridge, if installed, handles unusual encodings."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lerobot_recorder.errors import ImageError, StreamError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.images import EncodedImage, Png, check_size, is_png, parse_png
from lerobot_recorder.video import PacketDecoder, yuv_to_rgb

Levels = tuple[int, int]

_COLOUR = {
    "rgb8": (3, None),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "8UC4": (4, cv2.COLOR_BGRA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    # OpenCV names the four patterns by their second row.
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2RGB),
}
_DEEP_COLOUR = {
    form[:-1] + "16": conversion for form, conversion in _COLOUR.items() if form.endswith("8")
} | {"16UC1": _COLOUR["8UC1"], "16UC3": _COLOUR["8UC3"], "16UC4": _COLOUR["8UC4"]}
"""The same with 16 bits per value."""

_MAYBE_DEPTH = "16UC1"
_PACKED = {"yuv422_yuy2": "yuyv", "yuyv": "yuyv", "yuv422": "uyvy", "uyvy": "uyvy"}
_PLANAR = {"nv12": "nv12", "nv21": "nv21"}
_FULL_PLANES = "nv24"
_SUPPORTED = (
    "rgb, bgr, rgba, bgra, mono and bayer with 8 or 16 bits, 8UC1, 8UC3, 8UC4, 16UC1, 16UC3, 16UC4, "
    + ", ".join((*_PACKED, *_PLANAR, _FULL_PLANES))
)
_METRES = "32FC1"
_DEPTH = {"16UC1": np.uint16, "mono16": np.uint16, _METRES: np.float32}
_DEPTH_HEADER = 12  # bytes of image_transport's compressedDepth before its PNG
_ALL_LEVELS = (0, 65535)


def image_to_rgb(message: Any, levels: Levels = (0, 0)) -> np.ndarray:
    """Return the pixels of a color image, a ``sensor_msgs/msg/Image``: RGB, uint8, (height, width, 3).

    Args:
        message: the image
        levels: 16-bit values that become black and white; both 0: 0 and 65535

    Raises:
        StreamError: the encoding is unknown and cv_bridge is not installed, or the data is too short; or the
            image may be a depth map, and no levels are given.
        ImageError: it has no pixels, or too many.
    """
    encoding = message.encoding
    if encoding in _PACKED:
        return yuv_to_rgb(_pixels(message, np.uint8, 2), _PACKED[encoding])
    if encoding in _PLANAR:
        return _planar_to_rgb(message)
    if encoding == _FULL_PLANES:
        return _full_planes_to_rgb(message)
    if encoding == _METRES:
        raise StreamError(f"images of {_METRES} are depth maps: set depth to true")
    if encoding in _DEEP_COLOUR:
        channels, code = _DEEP_COLOUR[encoding]
        _require_levels(encoding == _MAYBE_DEPTH, encoding, levels)
        pixels = to_8_bits(_pixels(message, _ordered(message, np.uint16), channels), levels)
    elif encoding in _COLOUR:
        channels, code = _COLOUR[encoding]
        pixels = np.ascontiguousarray(_pixels(message, np.uint8, channels))
    else:
        return _through_cv_bridge(message, "rgb8")
    return pixels if code is None else cv2.cvtColor(pixels, code)


def png_to_rgb(png: Png, levels: Levels = (0, 0)) -> np.ndarray:
    """Return the pixels of a PNG with 16 bits per value: RGB, uint8, (height, width, 3).

    Args:
        png: the file
        levels: values that become black and white; both 0: 0 and 65535

    Raises:
        ImageError: it is damaged.
    """
    pixels = cv2.imdecode(np.frombuffer(png.data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.shape[:2] != (png.height, png.width):
        raise ImageError(f"a PNG of {len(png.data)} bytes cannot be decoded")
    values = 1 if pixels.ndim == 2 else pixels.shape[2]
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    return cv2.cvtColor(to_8_bits(pixels, levels), codes[values])


def to_8_bits(pixels: npt.NDArray[Any], levels: Levels) -> npt.NDArray[np.uint8]:
    """Map 16-bit values to 8 bits, the first level to 0 and the second to 255; the nearest value."""
    values: npt.NDArray[np.uint8] = _table(levels if any(levels) else _ALL_LEVELS)[pixels]
    return values


@lru_cache(maxsize=16)
def _table(levels: Levels) -> npt.NDArray[np.uint8]:
    black, white = levels
    shares = (np.arange(1 << 16, dtype=np.float64) - black) / (white - black)
    return np.rint(shares.clip(0, 1) * 255).astype(np.uint8)


def _require_levels(may_be_depth: bool, what: str, levels: Levels) -> None:
    if may_be_depth and not any(levels):
        raise StreamError(
            f"images of {what} may be depth maps: set depth to true to record depth, or levels to the values "
            "that become black and white, such as [0, 65535]"
        )


def image_to_depth(message: Any) -> np.ndarray:
    """Return a depth map: uint16 in mm or float32 in m, (height, width).

    Raises:
        StreamError: the encoding is not one of depth, or the data is too short.
    """
    if message.encoding not in _DEPTH:
        raise StreamError(
            f"expected a depth image of {', '.join(_DEPTH)}, found {excerpt(repr(message.encoding))}"
        )
    dtype = _DEPTH[message.encoding]
    depth = _pixels(message, _ordered(message, dtype), 1).reshape(message.height, message.width)
    return np.ascontiguousarray(depth.astype(dtype, copy=False))


def compressed_to_encoded(message: Any, levels: Levels = (0, 0)) -> EncodedImage | Png:
    """Return the file in a CompressedImage, undecoded; ``Png`` if it has 16 bits per value.

    Args:
        message: the image
        levels: 16-bit values that become black and white; both 0: not given

    Raises:
        ImageError: the file is neither JPEG nor PNG, or truncated.
        StreamError: the image may be a depth map, and no levels are given.
    """
    content = bytes(message.data)
    if is_png(content) and (png := parse_png(content)).bits > 8:
        is_named = message.format.startswith(("mono16", "bayer"))
        _require_levels(png.is_depth and not is_named, "16-bit grey", levels)
        return png
    return EncodedImage.parse(content)


@dataclass(frozen=True)
class Picture:
    """Decoded pixels: RGB, uint8, (height, width, 3)."""

    pixels: np.ndarray

    @property
    def width(self) -> int:
        """Number of its columns."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Number of its lines."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class VideoTopic:
    """Decodes the messages of a topic, ``foxglove_msgs/msg/CompressedVideo``, all in their order."""

    decoder: PacketDecoder = field(default_factory=PacketDecoder)

    def picture(self, message: Any) -> Picture:
        """Return the picture of a message.

        Raises:
            VideoError: it is damaged, or needs one that did not arrive.
        """
        return Picture(self.decoder.decode(bytes(message.data), message.format))


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


def _planar_to_rgb(message: Any) -> np.ndarray:
    """Convert Y above UV; with odd sizes, lines of UV have one byte more, the last serves one of Y."""
    width, height = message.width + message.width % 2, message.height + message.height % 2
    planes = _pixels(message, np.uint8, 1, message.height + height // 2, width)[:, :, 0]
    if height != message.height:
        planes = np.insert(planes, message.height, planes[message.height - 1], axis=0)
    return yuv_to_rgb(planes, _PLANAR[message.encoding])[: message.height, : message.width]


def _full_planes_to_rgb(message: Any) -> np.ndarray:
    """Convert Y above UV, which has two bytes for each pixel.

    ROS does not define ``step`` here: drivers give the bytes of a line of Y, of UV, or of all.
    """
    width, height, size = message.width, message.height, len(message.data)
    check_size("an image", width, height)
    step = message.step if message.step >= width and size >= 3 * height * message.step else width
    if size < 3 * height * step:
        raise StreamError(f"an image of {width}x{height} {_FULL_PLANES} has only {size} bytes")
    data = np.frombuffer(message.data, np.uint8)[: 3 * height * step]
    luma = data[: height * step].reshape(height, step, 1)[:, :width]
    chroma = data[height * step :].reshape(height, step, 2)[:, :width]
    return yuv_to_rgb(np.concatenate([luma, chroma], axis=2), "yuv444")


def _ordered(message: Any, dtype: Any) -> Any:
    """Return a dtype in the byte order of a message."""
    return np.dtype(dtype).newbyteorder(">" if message.is_bigendian else "<")


def _pixels(
    message: Any, dtype: Any, channels: int, lines: int | None = None, width: int | None = None
) -> np.ndarray:
    """View the data as (lines, width, channels), without the padding of lines."""
    check_size("an image", message.width, message.height)
    lines, width = lines or message.height, width or message.width
    value = np.dtype(dtype)
    line_bytes = width * channels * value.itemsize
    step, data = message.step or line_bytes, np.frombuffer(message.data, np.uint8)
    if step < line_bytes or data.size < step * (lines - 1) + line_bytes:
        raise StreamError(
            f"an image of {message.width}x{message.height} {message.encoding} with step {message.step} "
            f"has only {data.size} bytes"
        )
    shape, strides = (lines, width, channels), (step, channels * value.itemsize, value.itemsize)
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

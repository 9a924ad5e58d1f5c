"""Parses, checks and decodes JPEG and PNG images.

The declared size is checked before anything is decoded: a few bytes may declare gigabytes of pixels.
OpenCV is loaded when it is needed: an encoder, which decodes no image, takes 15 MB less without it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from lerobot_recorder.errors import ImageError

Rgb = npt.NDArray[np.uint8]

LONGEST_SIDE = 8192
"""Longest side of an image in pixels: cameras send less, and the software encoders accept no more."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = 33  # bytes of the signature and the first chunk
_PNG_VALUES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # per pixel, by color type
_DEFLATE_RATIO = 1032
"""Largest ratio of pixel bytes to PNG bytes."""

_JPEG_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_JPEG_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
_JPEG_BLOCK = 64
"""Number of pixels for which a JPEG needs at least one bit."""

_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""In a scan, only 0, a restart number or 0xFF follow 0xFF."""


@dataclass(frozen=True)
class EncodedImage:
    """A color image as a JPEG or PNG file.

    Attributes:
        format: ``jpeg`` or ``png``
        data: the bytes of the file, without anything that followed it
        width: in pixels
        height: in pixels
    """

    format: str
    data: bytes
    width: int
    height: int

    @classmethod
    def parse(cls, data: bytes) -> EncodedImage:
        """Read format and size of a JPEG or PNG, without decoding it.

        Bytes after the image are cut off; some cameras append them.

        Raises:
            ImageError: the bytes are neither JPEG nor PNG, are cut short, declare more pixels than they can
                hold, or have more than 8 bits per value.
        """
        if is_png(data):
            png = parse_png(data)
            if png.bits > 8:
                raise ImageError(
                    "a PNG of 16 bits per value would lose half of them: convert it to 8 bits per value, or "
                    "declare it as depth if it is a depth map"
                )
            return cls("png", png.data, png.width, png.height)
        if data.startswith(b"\xff\xd8"):
            return cls("jpeg", *_parse_jpeg(data))
        start = data[:4].hex(" ") or "nothing"
        raise ImageError(f"neither a JPEG nor a PNG image: it starts with {start}")

    def decode(self) -> Rgb:
        """Decode to RGB, uint8, (height, width, 3).

        Raises:
            ImageError: the bytes cannot be decoded, or decode to another size.
        """
        image = decode_rgb(self.data)
        if image.shape[:2] != (self.height, self.width):
            raise ImageError(
                f"a {self.format} image declared as {self.width}x{self.height} "
                f"decodes to {image.shape[1]}x{image.shape[0]}"
            )
        return image


@dataclass(frozen=True)
class Png:
    """A PNG file and its header.

    Attributes:
        data: the bytes of the file, without anything that followed it
        width: in pixels
        height: in pixels
        bits: number of bits per value
        values: number of values per pixel; 1 for grey
    """

    data: bytes
    width: int
    height: int
    bits: int
    values: int

    @property
    def is_depth(self) -> bool:
        """Whether it can hold a depth map: grey with 16 bits."""
        return (self.bits, self.values) == (16, 1)


def is_png(data: bytes) -> bool:
    """Return whether bytes begin as those of a PNG do."""
    return data.startswith(_PNG_SIGNATURE)


def parse_png(data: bytes) -> Png:
    """Read the header of a PNG and find its end.

    Raises:
        ImageError: it is not a PNG, is cut short, or declares more pixels than its bytes can hold.
    """
    if not is_png(data):
        raise ImageError(f"not a PNG image: it starts with {data[:4].hex(' ') or 'nothing'}")
    end = _png_end(data)
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits, color = data[24], data[25]
    if bits not in (1, 2, 4, 8, 16) or color not in _PNG_VALUES:
        raise ImageError(
            f"a PNG declares {bits} bits and color type {color}, which do not exist: it is damaged"
        )
    values = _PNG_VALUES[color]
    check_size("a PNG", width, height)
    if width * height * bits * values // 8 > end * _DEFLATE_RATIO:
        raise ImageError(f"a PNG of {end} bytes cannot hold the {width}x{height} pixels that it declares")
    return Png(data[:end], width, height, bits, values)


def decode_depth(png: Png) -> npt.NDArray[np.uint16]:
    """Decode a depth map: uint16, (height, width).

    Raises:
        ImageError: it is not grey with 16 bits, or damaged.
    """
    if not png.is_depth:
        raise ImageError(f"expected a PNG with 16 bits of grey, found {png.values} values of {png.bits} bits")
    import cv2

    depth = cv2.imdecode(np.frombuffer(png.data, np.uint8), cv2.IMREAD_UNCHANGED)
    if depth is None or depth.dtype != np.uint16 or depth.shape != (png.height, png.width):
        raise ImageError(f"a PNG of {len(png.data)} bytes cannot be decoded")
    return cast("npt.NDArray[np.uint16]", depth)


def check_size(what: str, width: int, height: int) -> None:
    """Refuse images without pixels, and images larger than ``LONGEST_SIDE``.

    Raises:
        ImageError: the image has no pixels or is too large; ``what`` names it.
    """
    if not width or not height:
        raise ImageError(f"{what} of {width}x{height} has no pixels")
    if max(width, height) > LONGEST_SIDE:
        raise ImageError(f"{what} of {width}x{height} is too large: at most {LONGEST_SIDE} pixels a side")


def decode_rgb(data: bytes | npt.NDArray[np.uint8]) -> Rgb:
    """Decode JPEG or PNG bytes to RGB, uint8, (height, width, 3); ignore the Exif orientation.

    Raises:
        ImageError: the bytes cannot be decoded.
    """
    import cv2

    buffer = np.frombuffer(data, np.uint8)
    read_rgb = getattr(cv2, "IMREAD_COLOR_RGB", 0)  # OpenCV has it since 4.11
    flags = (read_rgb or cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(buffer, flags) if buffer.size else None
    except cv2.error:  # it declares more pixels than OpenCV accepts
        image = None
    if image is None:
        raise ImageError(f"an image of {buffer.size} bytes cannot be decoded")
    return cast(Rgb, image if read_rgb else cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def encode_png(image: Rgb) -> bytes:
    """Encode RGB, uint8, (height, width, 3) as PNG, fast rather than small.

    Raises:
        ImageError: the image cannot be encoded.
    """
    import cv2

    done, data = cv2.imencode(
        ".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    if not done:
        raise ImageError(f"an image of shape {image.shape} cannot be encoded as PNG")
    return data.tobytes()


def _png_end(data: bytes) -> int:
    """Return the offset at which the last chunk ends."""
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        kind = data[position + 4 : position + 8]
        position += 12 + int.from_bytes(data[position : position + 4], "big")
        if kind == b"IEND" and _PNG_HEADER <= position <= len(data):
            return position
    raise _cut("PNG")


def _parse_jpeg(data: bytes) -> tuple[bytes, int, int]:
    """Walk through the segments of a JPEG to its end mark; return its bytes, width and height."""
    size, position = None, 2
    while position + 4 <= len(data) or data[position : position + 2] == bytes((0xFF, _JPEG_END)):
        if data[position] != 0xFF:
            raise ImageError("a JPEG image is damaged: a segment is missing")
        marker = data[position + 1]
        if marker == _JPEG_END:
            return _sized_jpeg(data[: position + 2], size)
        if marker == 0xFF or marker in _JPEG_STANDALONE:
            position += 1 if marker == 0xFF else 2
            continue
        if marker in _JPEG_FRAME_HEADERS:
            size = _jpeg_size(data, position)
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == _JPEG_SCAN:
            position = _scan_end(data, position)
    raise _cut("JPEG")


def _scan_end(data: bytes, start: int) -> int:
    """Return the offset of the marker that ends a scan, or the length of the data if there is none."""
    found = _SCAN_END.search(data, start)
    return found.start() if found else len(data)


def _jpeg_size(data: bytes, position: int) -> tuple[int, int]:
    """Read width and height of a frame header."""
    header = data[position + 4 : position + 9]
    if len(header) < 5:
        raise _cut("JPEG")
    if header[0] != 8:
        raise ImageError(f"a JPEG of {header[0]} bits per value cannot be recorded: let the camera send 8")
    return int.from_bytes(header[3:5], "big"), int.from_bytes(header[1:3], "big")


def _sized_jpeg(data: bytes, size: tuple[int, int] | None) -> tuple[bytes, int, int]:
    if size is None:
        raise ImageError("a JPEG image without a readable size: it is damaged")
    check_size("a JPEG", *size)
    if size[0] * size[1] > len(data) * 8 * _JPEG_BLOCK:
        raise ImageError(
            f"a JPEG of {len(data)} bytes cannot hold the {size[0]}x{size[1]} pixels that it declares"
        )
    return data, *size


def _cut(kind: str) -> ImageError:
    # A decoder would fill the missing part with grey, or fail only after the episode.
    return ImageError(
        f"a {kind} was cut short: check the camera's cable and its bandwidth, or choose smaller images"
    )

"""How each image format is laid down and read back: append-only files, or one file per PNG.

=========  ===========================================  ==========================================
format     files                                        read back as
=========  ===========================================  ==========================================
raw        `<key>.i420`, `<key>.thumbs`                 I420, uint8, (height * 3 / 2, width)
jpeg       `<key>.jpeg` (offsets are in the rows)       RGB, uint8, (height, width, 3)
png        `<key>/frame-000000.png` ...                 RGB, uint8, (height, width, 3)
depth16    `<key>.depth16`                              uint16, (height, width)
depth32    `<key>.depth32`                              float32, (height, width)
=========  ===========================================  ==========================================

`<key>.thumbs` holds the RGB pixels that the dataset's statistics look at, so that they are those of the
camera's images and not of their conversion.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset.statistics import thinning
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool.manifest import CameraSpool

Image = npt.NDArray[np.uint8]
Depth = npt.NDArray[np.generic]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ENDS = {"jpeg": b"\xff\xd9", "png": b"IEND"}
_PADDING = 64  # bytes that some cameras append to an image's end; zeros do not count
_LONGEST_PADDING = 4096
_JPEG_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_JPEG_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_DEPTH_DTYPES = {"depth16": "<u2", "depth32": "<f4"}


@dataclass(frozen=True)
class EncodedImage:
    """An image in the bytes that it came in.

    Attributes:
        format: `jpeg` or `png`.
        data: the whole file.
        width: pixels.
        height: pixels.
    """

    format: str
    data: bytes
    width: int
    height: int

    @classmethod
    def parse(cls, data: bytes) -> EncodedImage:
        """Read format and size off the first bytes of a JPEG or PNG, without decoding it.

        Raises:
            SpoolError: the bytes are neither, or cut short.
        """
        if data.startswith(_PNG_SIGNATURE) and len(data) >= 24:
            _refuse_cut("png", data)
            return cls("png", data, int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
        if data.startswith(b"\xff\xd8"):
            _refuse_cut("jpeg", data)
            width, height = _jpeg_size(data)
            return cls("jpeg", data, width, height)
        raise SpoolError(f"neither a JPEG nor a PNG image: it starts with {data[:4].hex(' ') or 'nothing'}")

    def decode(self) -> Image:
        """Decode to RGB, uint8, (height, width, 3).

        Raises:
            SpoolError: the bytes cannot be decoded, or to another size.
        """
        image = decode_rgb(self.data)
        if image.shape[:2] != (self.height, self.width):
            raise SpoolError(
                f"a {self.format} image declared as {self.width}x{self.height} "
                f"decodes to {image.shape[1]}x{image.shape[0]}"
            )
        return image


def _refuse_cut(image_format: str, data: bytes) -> None:
    # What decodes it fills up with grey what is missing, or fails once the episode is over.
    if _ENDS[image_format] not in data[-_LONGEST_PADDING:].rstrip(b"\0")[-_PADDING:]:
        raise SpoolError(
            f"a {image_format.upper()} was cut short: see to the camera's cable, or let it send smaller ones"
        )


def _jpeg_size(data: bytes) -> tuple[int, int]:
    position = 2
    while position + 9 <= len(data):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0xFF or marker in _JPEG_STANDALONE:
            position += 1 if marker == 0xFF else 2
        elif marker in _JPEG_FRAME_HEADERS:
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            return int.from_bytes(data[position + 7 : position + 9], "big"), height
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    raise SpoolError("a JPEG image without a readable size: it is damaged")


def decode_rgb(data: bytes | npt.NDArray[np.uint8]) -> Image:
    """Decode JPEG or PNG bytes to RGB, uint8, (height, width, 3), as they lie, whatever Exif says is upright.

    Raises:
        SpoolError: the bytes cannot be decoded.
    """
    buffer = np.frombuffer(data, np.uint8)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(buffer, flags) if buffer.size else None
    if image is None:
        raise SpoolError(f"an image of {buffer.size} bytes cannot be decoded")
    return cast(Image, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def encode_png(image: Image) -> bytes:
    """Encode RGB, uint8, (height, width, 3) as PNG, fast rather than small.

    Raises:
        SpoolError: the image cannot be encoded.
    """
    done, data = cv2.imencode(
        ".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    if not done:
        raise SpoolError(f"an image of shape {image.shape} cannot be encoded as PNG")
    return data.tobytes()


def thin(image: npt.NDArray[np.generic], step: int) -> npt.NDArray[np.generic]:
    """Copy every `step`-th pixel both ways."""
    thinned: npt.NDArray[np.generic] = image[::step, ::step].copy()
    return thinned


def depth_dtype(image_format: str) -> np.dtype[np.generic]:
    """Return the little-endian dtype of a depth format."""
    return np.dtype(_DEPTH_DTYPES[image_format])


@dataclass(frozen=True)
class ImageArray:
    """A file of images of one size, one after the other.

    Attributes:
        path: the file.
        dtype: of a value.
        shape: of an image.
    """

    path: Path
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def image_bytes(self) -> int:
        """Size of one image."""
        return prod(self.shape) * self.dtype.itemsize


def images_array(directory: Path, key: str, camera: CameraSpool) -> ImageArray:
    """Describe the file with the images of a `raw` or depth camera."""
    path = image_file(directory, key, camera.format)
    if camera.format == "raw":
        return ImageArray(path, np.dtype("u1"), (camera.height * 3 // 2, camera.width))
    return ImageArray(path, depth_dtype(camera.format), (camera.height, camera.width))


def thumbs_array(directory: Path, key: str, camera: CameraSpool) -> ImageArray:
    """Describe the file with the thinned images of a `raw` camera."""
    step = thinning(camera.height, camera.width)
    shape = (-(-camera.height // step), -(-camera.width // step), 3)
    return ImageArray(directory / f"{key}.thumbs", np.dtype("u1"), shape)


def image_arrays(directory: Path, key: str, camera: CameraSpool) -> list[ImageArray]:
    """Describe the files of a camera whose images are all of one size; none for `jpeg` and `png`."""
    if camera.format in ("jpeg", "png"):
        return []
    images = images_array(directory, key, camera)
    return [images, thumbs_array(directory, key, camera)] if camera.format == "raw" else [images]


def image_file(directory: Path, key: str, image_format: str) -> Path:
    """Name the file with all the images of a camera (for `png` the directory)."""
    if image_format == "png":
        return directory / key
    return directory / f"{key}.{'i420' if image_format == 'raw' else image_format}"


def png_file(directory: Path, key: str, index: int) -> Path:
    """Name the file of image `index` of a PNG camera."""
    return directory / key / f"frame-{index:06d}.png"

"""Appends the images of one camera to its files; one class per image format."""

from __future__ import annotations

import contextlib
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset import thinning
from lerobot_recorder.durable import sync
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.images import EncodedImage, encode_png
from lerobot_recorder.spool.files import AppendFile, Content, create_files
from lerobot_recorder.spool.images import depth_dtype, image_arrays, image_file, png_file, thin
from lerobot_recorder.spool.manifest import CameraSpool
from lerobot_recorder.spool.records import end_field, image_field, thumb_field
from lerobot_recorder.video import rgb_to_i420

Array = npt.NDArray[Any]
Fields = dict[str, int]


class ImageSink(ABC):
    """The files of one camera in one episode.

    Attributes:
        key: the camera's feature
        camera: how its images are stored
        files: the files that grow
        directory: the directory of all files; it may be renamed while they are open
    """

    def __init__(self, directory: Path, key: str, camera: CameraSpool) -> None:
        self.key = key
        self.camera = camera
        self.files: list[AppendFile] = []
        self.directory = directory

    @abstractmethod
    def prepare(self, image: Array | EncodedImage) -> tuple[list[Content], Fields]:
        """Return what to write to each file for an image, and the image's fields in the row's record.

        The caller may change the image afterwards.

        Raises:
            SpoolError: the image has the wrong size or kind.
        """

    @abstractmethod
    def cut(self, length: int) -> None:
        """Cut the files to the first ``length`` images."""

    def write(self, index: int, parts: list[Content]) -> Fields:  # noqa: ARG002 - other sinks need it
        """Append what ``prepare`` returned for image ``index``; return the fields that are known only now."""
        for file, part in zip(self.files, parts, strict=True):
            file.write(part)
        return {}

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return sum(file.size for file in self.files)

    def flushes(self) -> list[Callable[[], None]]:
        """Return what syncs the content of the files so far; each may run in a thread of its own."""
        return [file.flush for file in self.files]

    def syncs(self) -> list[Callable[[], None]]:
        """Return what syncs the files at the end; each may run in a thread of its own."""
        return [file.sync for file in self.files]

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            file.close()

    def _rgb(self, image: Array | EncodedImage) -> Array:
        pixels = image.decode() if isinstance(image, EncodedImage) else image
        expected = (self.camera.height, self.camera.width, 3)
        if pixels.shape != expected or pixels.dtype != np.uint8:
            raise SpoolError(
                f"{self.key}: expected RGB uint8 {expected}, found {pixels.dtype} {pixels.shape}"
            )
        return np.ascontiguousarray(pixels)


class ArraySink(ImageSink):
    """Files of images of one size, stored back to back."""

    def __init__(self, directory: Path, key: str, camera: CameraSpool) -> None:
        super().__init__(directory, key, camera)
        self._arrays = image_arrays(directory, key, camera)
        self.files = create_files(array.path for array in self._arrays)

    def cut(self, length: int) -> None:
        """Cut all files."""
        for file, array in zip(self.files, self._arrays, strict=True):
            file.cut(length * array.image_bytes)


class RawSink(ArraySink):
    """Stores planar I420, and the thinned RGB pixels for the statistics."""

    def prepare(self, image: Array | EncodedImage) -> tuple[list[Content], Fields]:
        """Convert to I420, and thin."""
        rgb = self._rgb(image)
        planes = np.ascontiguousarray(rgb_to_i420(rgb)).data
        thumb = thin(rgb, thinning(self.camera.height, self.camera.width)).data
        fields = {
            image_field(self.key): zlib.crc32(planes),
            thumb_field(self.key): zlib.crc32(thumb),
        }
        return [planes, thumb], fields


class DepthSink(ArraySink):
    """Stores depth maps unchanged, little-endian."""

    def prepare(self, image: Array | EncodedImage) -> tuple[list[Content], Fields]:
        """Check the image's kind and size."""
        if isinstance(image, EncodedImage):
            raise SpoolError(f"{self.key}: expected a depth map, found a {image.format} image")
        size, dtype = (self.camera.height, self.camera.width), depth_dtype(self.camera.format)
        if image.shape not in (size, (*size, 1)) or image.dtype != dtype:
            raise SpoolError(
                f"{self.key}: expected depth {dtype.name} {size}, found {image.dtype} {image.shape}"
            )
        depth = image.astype(dtype, order="C").data
        return [depth], {image_field(self.key): zlib.crc32(depth)}


class JpegSink(ImageSink):
    """Stores JPEG bytes unchanged, back to back; each row holds the offset where its image ends."""

    def __init__(self, directory: Path, key: str, camera: CameraSpool) -> None:
        super().__init__(directory, key, camera)
        self.files = create_files([image_file(directory, key, "jpeg")])
        self._written = 0
        self._ends: deque[int] = deque([0], maxlen=2)  # only the last append can be undone

    def prepare(self, image: Array | EncodedImage) -> tuple[list[Content], Fields]:
        """Check the image's kind and size."""
        _require(image, "jpeg", self.key, self.camera)
        return [image.data], {image_field(self.key): zlib.crc32(image.data)}

    def write(self, index: int, parts: list[Content]) -> Fields:
        """Append an image and note its end."""
        super().write(index, parts)
        self._ends.append(self.files[0].size)
        self._written = index + 1
        return {end_field(self.key): self.files[0].size}

    def cut(self, length: int) -> None:
        """Cut the file."""
        end = self._ends[length - self._written - 1]
        self.files[0].cut(end)
        self._written, self._ends = length, deque([end], maxlen=2)


class PngSink(ImageSink):
    """Stores one PNG file per image, which any image viewer opens."""

    def __init__(self, directory: Path, key: str, camera: CameraSpool) -> None:
        super().__init__(directory, key, camera)
        image_file(directory, key, "png").mkdir()
        self._size = 0
        self._unsynced: deque[Path] = deque()

    def prepare(self, image: Array | EncodedImage) -> tuple[list[Content], Fields]:
        """Encode the image, unless it is a PNG already."""
        if isinstance(image, EncodedImage) and image.format == "png":
            _require(image, "png", self.key, self.camera)
            data = image.data
        else:
            data = encode_png(self._rgb(image))
        return [data], {image_field(self.key): zlib.crc32(data)}

    def write(self, index: int, parts: list[Content]) -> Fields:
        """Write the file of image ``index``."""
        path = png_file(self.directory, self.key, index)
        path.write_bytes(parts[0])
        self._unsynced.append(path)
        self._size += len(parts[0])
        return {}

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    def cut(self, length: int) -> None:
        """Remove the file of a failed write."""
        png_file(self.directory, self.key, length).unlink(missing_ok=True)

    def flushes(self) -> list[Callable[[], None]]:
        """Return what syncs the files that are new since the last call, and their directory."""
        return [self._flush]

    def syncs(self) -> list[Callable[[], None]]:
        """Return what syncs all files and their directory."""
        return [self._flush]

    def _flush(self) -> None:
        while self._unsynced:
            with contextlib.suppress(FileNotFoundError):  # it was cut
                sync(self._unsynced[0])
            self._unsynced.popleft()
        sync(image_file(self.directory, self.key, "png"))


def _require(image: Array | EncodedImage, image_format: str, key: str, camera: CameraSpool) -> None:
    if not isinstance(image, EncodedImage) or image.format != image_format:
        found = image.format if isinstance(image, EncodedImage) else "raw pixels"
        raise SpoolError(f"{key}: expected {image_format} images, found {found}")
    if (image.width, image.height) != (camera.width, camera.height):
        raise SpoolError(
            f"{key}: expected {camera.width}x{camera.height}, found {image.width}x{image.height}"
        )


_SINKS: dict[str, type[ImageSink]] = {
    "raw": RawSink,
    "jpeg": JpegSink,
    "png": PngSink,
    "depth16": DepthSink,
    "depth32": DepthSink,
}


def open_sink(directory: Path, key: str, camera: CameraSpool) -> ImageSink:
    """Create the files of a camera.

    Raises:
        OSError: they cannot be created.
    """
    return _SINKS[camera.format](directory, key, camera)

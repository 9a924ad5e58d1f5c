"""Finds, checks and decodes the images of one camera of an episode."""

from __future__ import annotations

import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset.statistics import thinning
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.images import decode_rgb
from lerobot_recorder.spool.images import (
    ImageArray,
    image_file,
    images_array,
    png_file,
    thin,
    thumbs_array,
)
from lerobot_recorder.spool.manifest import CameraSpool
from lerobot_recorder.spool.records import end_field, image_field, read_content, thumb_field

Array = npt.NDArray[np.generic]


class FrameReader:
    """The images of one camera, in any order.

    Args:
        directory: the episode's.
        key: the camera feature.
        camera: how its images are kept.
        records: of all rows; the files must hold as many images.
        exact: whether they must hold no more than that.
    """

    def __init__(
        self,
        directory: Path,
        key: str,
        camera: CameraSpool,
        records: npt.NDArray[Any],
        *,
        exact: bool = True,
    ) -> None:
        self._exact = exact
        self._directory = directory
        self._key = key
        self._camera = camera
        self._records = records

    def frame(self, index: int) -> Array:
        """Return one image, decoded where it is a JPEG or PNG.

        Raises:
            SpoolError: it is missing or damaged.
        """
        stored = self.stored(index)
        return self._decoded(stored, index) if self._camera.format in ("jpeg", "png") else stored

    def stored(self, index: int) -> Array:
        """Return one image as it is stored.

        Raises:
            SpoolError: it is missing or damaged.
        """
        return self._checked(self._read(index), image_field(self._key), index)

    def thumb(self, index: int) -> Array:
        """Return one thinned image.

        Raises:
            SpoolError: it is missing or damaged.
        """
        if self._camera.format == "raw":
            return self._checked(self._image(self._thumbs, index), thumb_field(self._key), index)
        return thin(self.frame(index), thinning(self._camera.height, self._camera.width))

    def check(self, index: int) -> None:
        """Compare all that is stored of one image with its row's checksums.

        Raises:
            SpoolError: it is missing or damaged.
        """
        self.stored(index)
        if self._camera.format == "raw":
            self.thumb(index)

    def _checked(self, stored: Array, field: str, index: int) -> Array:
        if zlib.crc32(stored.data) != int(self._records[field][index]):
            raise SpoolError(f"image {index} of {self._key} in {self._directory} is damaged")
        return stored

    def _read(self, index: int) -> Array:
        if self._camera.format == "png":
            return np.frombuffer(read_content(png_file(self._directory, self._key, index)), np.uint8)
        if self._camera.format == "jpeg":
            ends = self._records[end_field(self._key)]
            start = int(ends[index - 1]) if index else 0
            return _mapped(self._jpegs, np.dtype(np.uint8), start, (int(ends[index]) - start,))
        return self._image(self._images, index)

    @staticmethod
    def _image(array: ImageArray, index: int) -> Array:
        return _mapped(array.path, array.dtype, index * array.image_bytes, array.shape)

    @cached_property
    def _jpegs(self) -> Path:
        ends = self._records[end_field(self._key)]
        path = image_file(self._directory, self._key, "jpeg")
        return self._sized(path, int(ends[-1]) if len(ends) else 0)

    @cached_property
    def _images(self) -> ImageArray:
        return self._whole(images_array(self._directory, self._key, self._camera))

    @cached_property
    def _thumbs(self) -> ImageArray:
        return self._whole(thumbs_array(self._directory, self._key, self._camera))

    def _whole(self, array: ImageArray) -> ImageArray:
        self._sized(array.path, len(self._records) * array.image_bytes)
        return array

    def _sized(self, path: Path, size: int) -> Path:
        """Return the path of a file that holds what all rows need."""
        try:
            found = path.stat().st_size
        except OSError as error:
            raise SpoolError(f"{path} cannot be read: {error.strerror}") from error
        if found < size or (self._exact and found > size):
            raise SpoolError(f"{path} has {found} bytes, {size} were expected for {len(self._records)} rows")
        return path

    def _decoded(self, stored: Array, index: int) -> Array:
        image = decode_rgb(stored.astype(np.uint8, copy=False))
        if image.shape[:2] != (self._camera.height, self._camera.width):
            raise SpoolError(
                f"image {index} of {self._key} in {self._directory} is {image.shape[1]}x{image.shape[0]}, "
                f"expected {self._camera.width}x{self._camera.height}"
            )
        return image


def _mapped(path: Path, dtype: np.dtype[np.generic], offset: int, shape: tuple[int, ...]) -> Array:
    """Look at a part of a file without copying it; only as long as it is looked at does it take memory."""
    try:
        return np.memmap(path, dtype, "r", offset, shape)
    except (OSError, ValueError) as error:
        raise SpoolError(f"{path} cannot be read: {error}") from error

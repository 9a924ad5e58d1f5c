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
from lerobot_recorder.spool.images import (
    ImageArray,
    decode_rgb,
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
            return self._checked(self._thumbs[index], thumb_field(self._key), index)
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
            jpeg: Array = self._jpegs[int(ends[index - 1]) if index else 0 : int(ends[index])]
            return jpeg
        image: Array = self._images[index]
        return image

    @cached_property
    def _jpegs(self) -> npt.NDArray[np.uint8]:
        ends = self._records[end_field(self._key)]
        return self._map(image_file(self._directory, self._key, "jpeg"), int(ends[-1]) if len(ends) else 0)

    @cached_property
    def _images(self) -> npt.NDArray[Any]:
        return self._map_array(images_array(self._directory, self._key, self._camera))

    @cached_property
    def _thumbs(self) -> npt.NDArray[Any]:
        return self._map_array(thumbs_array(self._directory, self._key, self._camera))

    def _map_array(self, array: ImageArray) -> npt.NDArray[Any]:
        count = len(self._records)
        content = self._map(array.path, count * array.image_bytes)
        return content.view(array.dtype).reshape(count, *array.shape)

    def _map(self, path: Path, size: int) -> npt.NDArray[np.uint8]:
        try:
            found = path.stat().st_size
            if found < size or (self._exact and found > size):
                raise SpoolError(
                    f"{path} has {found} bytes, {size} were expected for {len(self._records)} rows"
                )
            return np.memmap(path, np.uint8, "r", shape=(size,)) if size else np.zeros(0, np.uint8)
        except OSError as error:
            raise SpoolError(f"{path} cannot be read: {error.strerror}") from error

    def _decoded(self, stored: Array, index: int) -> Array:
        image = decode_rgb(stored.astype(np.uint8, copy=False))
        if image.shape[:2] != (self._camera.height, self._camera.width):
            raise SpoolError(
                f"image {index} of {self._key} in {self._directory} is {image.shape[1]}x{image.shape[0]}, "
                f"expected {self._camera.width}x{self._camera.height}"
            )
        return image

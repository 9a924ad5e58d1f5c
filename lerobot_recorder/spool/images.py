"""The files of each image format: append-only files, or one file per PNG.

=========  ===============================================  ======================================
format     files                                            read back as
=========  ===============================================  ======================================
raw        ``<key>.i420``, ``<key>.thumbs``                 I420, uint8, (height * 3 / 2, width)
jpeg       ``<key>.jpeg`` (the rows hold the offsets)       RGB, uint8, (height, width, 3)
png        ``<key>/frame-000000.png`` ...                   RGB, uint8, (height, width, 3)
depth16    ``<key>.depth16``                                uint16, (height, width)
depth32    ``<key>.depth32``                                float32, (height, width)
=========  ===============================================  ======================================

``<key>.thumbs`` holds the RGB pixels that the dataset's statistics use, so that they describe the camera's
images and not the I420 conversion.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset import thinning
from lerobot_recorder.spool.manifest import CameraSpool

_DEPTH_DTYPES = {"depth16": "<u2", "depth32": "<f4"}


def thin(image: npt.NDArray[np.generic], step: int) -> npt.NDArray[np.generic]:
    """Copy every ``step``-th pixel in both directions."""
    thinned: npt.NDArray[np.generic] = image[::step, ::step].copy()
    return thinned


def depth_dtype(image_format: str) -> np.dtype[np.generic]:
    """Return the little-endian dtype of a depth format."""
    return np.dtype(_DEPTH_DTYPES[image_format])


@dataclass(frozen=True)
class ImageArray:
    """A file of images of one size, stored back to back.

    Attributes:
        path: the file
        dtype: a value's dtype
        shape: an image's shape
    """

    path: Path
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def image_bytes(self) -> int:
        """Size of one image in bytes."""
        return prod(self.shape) * self.dtype.itemsize


def images_array(directory: Path, key: str, camera: CameraSpool) -> ImageArray:
    """Describe the file with the images of a ``raw`` or depth camera."""
    path = image_file(directory, key, camera.format)
    if camera.format == "raw":
        return ImageArray(path, np.dtype("u1"), (camera.height * 3 // 2, camera.width))
    return ImageArray(path, depth_dtype(camera.format), (camera.height, camera.width))


def thumbs_array(directory: Path, key: str, camera: CameraSpool) -> ImageArray:
    """Describe the file with the thinned images of a ``raw`` camera."""
    step = thinning(camera.height, camera.width)
    shape = (-(-camera.height // step), -(-camera.width // step), 3)
    return ImageArray(directory / f"{key}.thumbs", np.dtype("u1"), shape)


def image_arrays(directory: Path, key: str, camera: CameraSpool) -> list[ImageArray]:
    """Describe the files of a camera whose images all have one size; none for ``jpeg`` and ``png``."""
    if camera.format in ("jpeg", "png"):
        return []
    images = images_array(directory, key, camera)
    return [images, thumbs_array(directory, key, camera)] if camera.format == "raw" else [images]


def image_file(directory: Path, key: str, image_format: str) -> Path:
    """Return the path of the file with all images of a camera (for ``png`` the directory)."""
    if image_format == "png":
        return directory / key
    return directory / f"{key}.{'i420' if image_format == 'raw' else image_format}"


def png_file(directory: Path, key: str, index: int) -> Path:
    """Return the path of image ``index`` of a PNG camera."""
    return directory / key / f"frame-{index:06d}.png"

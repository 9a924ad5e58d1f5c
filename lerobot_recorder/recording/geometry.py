"""Crops, rotates and resizes camera images before they are recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from lerobot_recorder.errors import ConfigError, ImageError
from lerobot_recorder.images import LONGEST_SIDE
from lerobot_recorder.settings import check_settings, setting

OddSize = Literal["crop", "pad", "keep"]
Array = npt.NDArray[Any]

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True)
class ImageGeometry:
    """What becomes of the pixels of a camera, in this order: crop, rotation, size, even sides."""

    crop: tuple[int, int, int, int] = setting(
        (0, 0, 0, 0),
        "Part of each image that is recorded: x, y, width and height, from the upper left corner of the "
        "image that arrives; all 0: the whole image",
        unit="pixels",
        low=0,
    )
    rotate: int = setting(
        0,
        "Clockwise rotation of the images, after the crop: 0, 90, 180 or 270",
        unit="degrees",
        low=0,
        high=270,
    )
    resize: tuple[int, int] = setting(
        (0, 0),
        "Width and height of the recorded images, after crop and rotation. Colors are averaged over the area "
        "of each new pixel, depth is taken from the nearest pixel; both 0: no change",
        unit="pixels",
        low=0,
        high=LONGEST_SIDE,
    )
    odd_size: OddSize = setting(
        "crop",
        "What to do with images of odd width or height, which most video encoders refuse; crop: cut off the "
        "last column or row, pad: repeat it (depth: add one without values), keep: only libsvtav1 encodes "
        "them, and raw topics need the image format png",
        choices=get_args(OddSize),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.rotate not in (0, *_ROTATIONS):
            raise ConfigError(f"rotate: expected 0, 90, 180 or 270 degrees, found {self.rotate}")
        if any(self.crop) and not all(self.crop[2:]):
            raise ConfigError(f"crop: expected x, y, width and height in pixels, found {list(self.crop)}")
        if any(self.resize) and not all(self.resize):
            raise ConfigError(f"resize: expected a width and a height in pixels, found {list(self.resize)}")

    @property
    def is_plain(self) -> bool:
        """Whether images of even sizes stay as they are."""
        return not (any(self.crop) or self.rotate or any(self.resize))

    def changes(self, width: int, height: int) -> bool:
        """Return whether images of a size need any work."""
        return not self.is_plain or (self.odd_size != "keep" and bool(width % 2 or height % 2))

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the result for images of a size.

        Raises:
            ImageError: the crop does not fit into them.
        """
        width, height = self.cropped(width, height)[2:]
        if self.rotate in (90, 270):
            width, height = height, width
        if any(self.resize):
            width, height = self.resize
        change = {"crop": -1, "pad": 1, "keep": 0}[self.odd_size]
        return width + width % 2 * change, height + height % 2 * change

    def cropped(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return x, y, width and height of the part of images of a size that is used.

        Raises:
            ImageError: the crop does not fit into them.
        """
        if not any(self.crop):
            return 0, 0, width, height
        x, y, wide, high = self.crop
        if x + wide > width or y + high > height:
            raise ImageError(
                f"crop {list(self.crop)} needs images of at least {x + wide}x{y + high}, "
                f"found {width}x{height}"
            )
        return self.crop

    def apply(self, image: Array, *, is_depth: bool = False) -> Array:
        """Return an image as it is recorded.

        Args:
            image: RGB, uint8, (height, width, 3), or depth, (height, width). Pixels of depth are never mixed.
            is_depth: whether it is a depth map

        Raises:
            ImageError: the crop does not fit into it.
        """
        height, width = image.shape[:2]
        if not self.changes(width, height):
            return image
        x, y, wide, high = self.cropped(width, height)
        image = image[y : y + high, x : x + wide]
        if self.rotate:
            image = cv2.rotate(image, _ROTATIONS[self.rotate])
        if any(self.resize):
            image = (_nearest if is_depth else _averaged)(image, self.resize)
        return np.ascontiguousarray(self._even(image, is_depth=is_depth))

    def _even(self, image: Array, *, is_depth: bool) -> Array:
        below, right = image.shape[0] % 2, image.shape[1] % 2
        if self.odd_size == "keep" or not (below or right):
            return image
        if self.odd_size == "crop":
            return image[: image.shape[0] - below, : image.shape[1] - right]
        if not is_depth:
            return cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
        nothing = np.nan if image.dtype.kind == "f" else 0
        return cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=nothing)


def _averaged(image: Array, size: tuple[int, int]) -> Array:
    """Resize by averaging over the area of each new pixel; interpolate where there are more of them.

    OpenCV averages exactly, swscale does not, and libjpeg's reduced decoding of JPEGs does not either.
    """
    smaller = min(image.shape[1], size[0]), min(image.shape[0], size[1])
    if smaller != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    if smaller != size:
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return image


def _nearest(image: Array, size: tuple[int, int]) -> Array:
    """Resize by taking the pixel nearest to the center of each new one.

    Averages of depth would invent surfaces between near and far ones, and mix in what was not measured.
    """
    return cv2.resize(image, size, interpolation=cv2.INTER_NEAREST_EXACT)

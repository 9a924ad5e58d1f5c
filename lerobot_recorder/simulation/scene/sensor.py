"""What lens and sensor do to an image: darker corners, and noise that is new in every one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_NOISE = 2.6  # standard deviation, grey levels: an ordinary webcam in room light
_OFFSET = 9  # keeps the noise positive, so that saturating 8-bit arithmetic can add it
_OFFSETS = np.array((_OFFSET, _OFFSET, _OFFSET, 0), float)  # OpenCV takes four doubles as a value per channel
_SPARE = 96  # the noise is larger than the image, and lies differently on each one
_DARK_CORNERS = 0.16


class Sensor:
    """The sensor of one camera."""

    def __init__(self, width: int, height: int) -> None:
        self._random = np.random.default_rng()
        self._shape = (height, width)
        self._vignette = _vignette(width, height)
        self._noise = _noise(self._random, height + _SPARE, width + _SPARE)

    def expose(self, image: Image) -> None:
        """Change an image in place: RGB, uint8, (height, width, 3)."""
        row, column = self._random.integers(0, _SPARE, 2)
        noise = self._noise[row : row + self._shape[0], column : column + self._shape[1]]
        cv2.multiply(image, self._vignette, dst=image, scale=1 / 255)
        cv2.add(image, noise, dst=image)
        cv2.subtract(image, _OFFSETS, dst=image)


def _vignette(width: int, height: int) -> Image:
    x = np.linspace(-1, 1, width)[None, :]
    y = np.linspace(-1, 1, height)[:, None] * height / width
    mask = 255 * (1 - _DARK_CORNERS * (x**2 + y**2))
    return np.repeat(np.asarray(np.clip(mask, 0, 255), np.uint8)[..., None], 3, axis=2)


def _noise(random: np.random.Generator, rows: int, columns: int) -> Image:
    """Noise of a colour sensor: part of it common to the colours, as interpolating its mosaic makes it."""
    common = random.normal(0, 0.6 * _NOISE, (rows, columns, 1))
    own = random.normal(0, 0.8 * _NOISE, (rows, columns, 3))
    return np.asarray(np.clip(np.rint(common + own) + _OFFSET, 0, 2 * _OFFSET), np.uint8)

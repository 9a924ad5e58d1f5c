"""Draws the scene from a viewpoint: the table, shadows, solids, and the noise of a sensor.

Painter's algorithm: convex solids from far to near; of each solid, the faces that face the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.arms import Frame
from lerobot_recorder.simulation.scene.arm import build
from lerobot_recorder.simulation.scene.ground import LIGHT, MOVING, STILL, cast_shadows, draw_table
from lerobot_recorder.simulation.scene.solids import Array, Assembly, Placed
from lerobot_recorder.simulation.scene.table import Image
from lerobot_recorder.simulation.scene.viewpoint import NEAREST_M, View, Viewpoint, look

_SUBPIXEL_BITS = 4
_AMBIENT, _SKY, _DIFFUSE = 0.42, 0.14, 0.58
_GLOSS, _SHINE = 0.2, 24

_NOISE = 2.6  # standard deviation, gray levels: an ordinary webcam in room light
_OFFSET = 9  # keeps the noise positive, so that saturating 8-bit arithmetic can add it
_OFFSETS = np.array((_OFFSET, _OFFSET, _OFFSET, 0), float)  # OpenCV takes four doubles as a value per channel
_SPARE = 96  # the noise is larger than the image and is shifted at random for each image
_DARK_CORNERS = 0.16


@lru_cache(maxsize=1)
def _scene() -> Assembly:
    return build()


class Renderer:
    """Draws images of one size from one viewpoint; for one thread.

    Args:
        viewpoint: where the camera is
        width: pixels
        height: pixels
    """

    def __init__(self, viewpoint: Viewpoint, width: int, height: int) -> None:
        self._viewpoint = viewpoint
        self._size = (width, height)
        self._scene = _scene()
        self._sensor = _Sensor(width, height)
        self._background: Image | None = None
        if viewpoint.link == "base":
            view = look(viewpoint, {"base": np.eye(4)}, width, height)
            self._background = draw_table(view, width, height, STILL)

    def draw(self, frames: dict[str, Frame]) -> Image:
        """Return an image: RGB, uint8, (height, width, 3).

        Args:
            frames: of the links and of ``cube``
        """
        view = look(self._viewpoint, frames, *self._size)
        placed = self._scene.place(frames)
        image = self._draw_background(view)
        cast_shadows(image, view, placed.vertices, self._scene.vertex_spans)
        self._draw_solids(image, view, placed)
        self._sensor.expose(image)
        return image

    def _draw_background(self, view: View) -> Image:
        if self._background is None:
            return draw_table(view, *self._size, MOVING)
        return np.array(self._background)

    def _draw_solids(self, image: Image, view: View, placed: Placed) -> None:
        scene = self._scene
        pixels, depth = view.project(placed.vertices)
        points = np.rint(pixels * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        towards = view.position - placed.points
        facing = (np.einsum("fi,fi->f", placed.normals, towards) > 0).tolist()
        colors = _shade(scene.colors, placed.normals, towards).tolist()
        for solid in np.argsort(-np.linalg.norm(placed.centers - view.position, axis=1)):
            first, last = scene.vertex_spans[solid]
            seen = [face for face in range(*scene.face_spans[solid]) if facing[face]]
            if seen and depth[first:last].min() > NEAREST_M:
                # Under the faces, so that nothing behind shines through between their smoothed edges.
                hull = cv2.convexHull(points[first:last]).astype(np.int32, copy=False)
                _fill(image, hull, colors[seen[0]])
                for face in seen:
                    _fill(image, points[scene.faces[face]], colors[face])


def _fill(image: Image, corners: NDArray[np.int32], color: Sequence[float]) -> None:
    cv2.fillConvexPoly(image, corners, color, cv2.LINE_AA, _SUBPIXEL_BITS)


def _shade(colors: Array, normals: Array, towards: Array) -> Array:
    """Return the faces' colors, (faces, 3), in the light of the room and the lamp, with its reflection."""
    lit = np.maximum(normals @ LIGHT, 0)
    half_way = towards / np.linalg.norm(towards, axis=1, keepdims=True) + LIGHT
    half_way /= np.linalg.norm(half_way, axis=1, keepdims=True)
    shine = _GLOSS * np.maximum(np.einsum("fi,fi->f", normals, half_way), 0) ** _SHINE
    brightness = _AMBIENT + _SKY * normals[:, 2] + _DIFFUSE * lit
    return np.asarray(np.minimum(colors * brightness[:, None] + 255 * shine[:, None], 255))


class _Sensor:
    """Lens and sensor of a camera: darker corners, and noise that differs in every image."""

    def __init__(self, width: int, height: int) -> None:
        self._random = np.random.default_rng()
        self._shape = (height, width)
        self._vignette = _vignette(width, height)
        self._noise = _noise(self._random, height + _SPARE, width + _SPARE)

    def expose(self, image: Image) -> None:
        """Change an image, RGB, uint8, (height, width, 3), in place."""
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
    """Return the noise of a color sensor; its interpolated mosaic makes a part common to all colors."""
    common = random.normal(0, 0.6 * _NOISE, (rows, columns, 1))
    own = random.normal(0, 0.8 * _NOISE, (rows, columns, 3))
    return np.asarray(np.clip(np.rint(common + own) + _OFFSET, 0, 2 * _OFFSET), np.uint8)

"""Draw the scene from a viewpoint: the table, the shadows on it, the solids on top, as a sensor sees them.

Painter's algorithm: convex solids from far to near, and of each the faces that look at the camera. They are
drawn at twice the size and averaged down, which smooths their edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.robot.cameras.simulated.arm import build
from lerobot_recorder.robot.cameras.simulated.ground import LIGHT, MOVING, STILL, cast_shadows, draw_table
from lerobot_recorder.robot.cameras.simulated.sensor import Sensor
from lerobot_recorder.robot.cameras.simulated.solids import Assembly, Placed
from lerobot_recorder.robot.cameras.simulated.viewpoint import NEAREST_M, View, Viewpoint, look
from lerobot_recorder.robot.kinematics import Frame

Image = NDArray[np.uint8]
Array = NDArray[np.float64]

_SCALE = 2
_SUBPIXEL_BITS = 4
_AMBIENT, _SKY, _DIFFUSE = 0.42, 0.14, 0.58
_GLOSS, _SHINE = 0.2, 24


@lru_cache(maxsize=1)
def _scene() -> Assembly:
    return build()


class Renderer:
    """Draws pictures of one size from one viewpoint; for one thread.

    Args:
        viewpoint: Where the camera is.
        width: Pixels.
        height: Pixels.
    """

    def __init__(self, viewpoint: Viewpoint, width: int, height: int) -> None:
        self._viewpoint = viewpoint
        self._size = (width, height)
        self._scene = _scene()
        self._sensor = Sensor(width, height)
        self._background: Image | None = None
        if viewpoint.link == "base":
            view = look(viewpoint, {"base": np.eye(4)}, width, height)
            self._background = draw_table(view, width, height, STILL)

    def draw(self, frames: dict[str, Frame]) -> Image:
        """Return a picture: RGB, uint8, (height, width, 3).

        Args:
            frames: Of the links and of ``cube``.
        """
        view = look(self._viewpoint, frames, *self._size)
        placed = self._scene.place(frames)
        picture = self._draw_background(view)
        cast_shadows(picture, view, placed.vertices, self._scene.vertex_spans)
        self._draw_solids(picture, view, placed)
        self._sensor.expose(picture)
        return picture

    def _draw_background(self, view: View) -> Image:
        if self._background is None:
            return draw_table(view, *self._size, MOVING)
        return np.array(self._background)

    def _draw_solids(self, picture: Image, view: View, placed: Placed) -> None:
        """Draw them on an enlarged copy of the part of the picture that they cover."""
        pixels, depth = view.project(placed.vertices)
        corner, end = _covered(pixels[depth > NEAREST_M], self._size)
        part = picture[corner[1] : end[1], corner[0] : end[0]]
        if part.size == 0:
            return
        canvas = cv2.resize(part, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_NEAREST)
        points = np.rint((pixels - corner) * (_SCALE << _SUBPIXEL_BITS)).astype(np.int32)
        towards = view.position - placed.points
        facing = np.einsum("fi,fi->f", placed.normals, towards) > 0
        colours = _shade(self._scene.colours, placed.normals, towards).tolist()
        for face in self._far_to_near(view, placed, depth):
            if facing[face]:
                corners = points[self._scene.faces[face]]
                cv2.fillConvexPoly(canvas, corners, colours[face], cv2.LINE_8, _SUBPIXEL_BITS)
        cv2.resize(canvas, part.shape[1::-1], dst=part, interpolation=cv2.INTER_AREA)

    def _far_to_near(self, view: View, placed: Placed, depth: Array) -> Iterator[int]:
        """Yield the faces, solid by solid, of those that are wholly in front of the camera."""
        for solid in np.argsort(-np.linalg.norm(placed.centres - view.position, axis=1)):
            first, last = self._scene.vertex_spans[solid]
            if depth[first:last].min() > NEAREST_M:
                yield from range(*self._scene.face_spans[solid])


def _covered(pixels: Array, size: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the end corner of the part of a picture that has these points in it."""
    if len(pixels) == 0:
        return np.zeros(2, int), np.zeros(2, int)
    corner = np.clip(np.floor(pixels.min(axis=0)) - 1, 0, size).astype(int)
    return corner, np.clip(np.ceil(pixels.max(axis=0)) + 1, corner, size).astype(int)


def _shade(colours: Array, normals: Array, towards: Array) -> Array:
    """Return the faces' colours, (faces, 3), in the light of the room and the lamp, with its reflection."""
    lit = np.maximum(normals @ LIGHT, 0)
    half_way = towards / np.linalg.norm(towards, axis=1, keepdims=True) + LIGHT
    half_way /= np.linalg.norm(half_way, axis=1, keepdims=True)
    shine = _GLOSS * np.maximum(np.einsum("fi,fi->f", normals, half_way), 0) ** _SHINE
    brightness = _AMBIENT + _SKY * normals[:, 2] + _DIFFUSE * lit
    return np.asarray(np.minimum(colours * brightness[:, None] + 255 * shine[:, None], 255))

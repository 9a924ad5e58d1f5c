"""Draw the scene from a viewpoint: the table, the shadows on it, the solids on top, as a sensor sees them.

Painter's algorithm: convex solids from far to near, and of each the faces that look at the camera.
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
from lerobot_recorder.simulation.scene.sensor import Sensor
from lerobot_recorder.simulation.scene.solids import Assembly, Placed
from lerobot_recorder.simulation.scene.viewpoint import NEAREST_M, View, Viewpoint, look

Image = NDArray[np.uint8]
Array = NDArray[np.float64]

_SUBPIXEL_BITS = 4
_AMBIENT, _SKY, _DIFFUSE = 0.42, 0.14, 0.58
_GLOSS, _SHINE = 0.2, 24


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
        self._sensor = Sensor(width, height)
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
        colours = _shade(scene.colours, placed.normals, towards).tolist()
        for solid in np.argsort(-np.linalg.norm(placed.centres - view.position, axis=1)):
            first, last = scene.vertex_spans[solid]
            seen = [face for face in range(*scene.face_spans[solid]) if facing[face]]
            if seen and depth[first:last].min() > NEAREST_M:
                # Under the faces, so that nothing behind shines through between their smoothed edges.
                hull = cv2.convexHull(points[first:last]).astype(np.int32, copy=False)
                _fill(image, hull, colours[seen[0]])
                for face in seen:
                    _fill(image, points[scene.faces[face]], colours[face])


def _fill(image: Image, corners: NDArray[np.int32], colour: Sequence[float]) -> None:
    cv2.fillConvexPoly(image, corners, colour, cv2.LINE_AA, _SUBPIXEL_BITS)


def _shade(colours: Array, normals: Array, towards: Array) -> Array:
    """Return the faces' colours, (faces, 3), in the light of the room and the lamp, with its reflection."""
    lit = np.maximum(normals @ LIGHT, 0)
    half_way = towards / np.linalg.norm(towards, axis=1, keepdims=True) + LIGHT
    half_way /= np.linalg.norm(half_way, axis=1, keepdims=True)
    shine = _GLOSS * np.maximum(np.einsum("fi,fi->f", normals, half_way), 0) ** _SHINE
    brightness = _AMBIENT + _SKY * normals[:, 2] + _DIFFUSE * lit
    return np.asarray(np.minimum(colours * brightness[:, None] + 255 * shine[:, None], 255))

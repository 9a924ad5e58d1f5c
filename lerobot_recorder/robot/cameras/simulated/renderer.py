"""Draw the scene from a viewpoint: the table, the shadows on it, the solids on top, as a sensor sees them.

Painter's algorithm: convex solids from far to near, and of each the faces that look at the camera. They are
drawn at twice the size and averaged down, which smooths their edges.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.robot.cameras.simulated.arm import build
from lerobot_recorder.robot.cameras.simulated.sensor import Sensor
from lerobot_recorder.robot.cameras.simulated.solids import Assembly, Placed
from lerobot_recorder.robot.cameras.simulated.table import table_texture, world_to_texture
from lerobot_recorder.robot.cameras.simulated.viewpoint import NEAREST_M, View, Viewpoint, look
from lerobot_recorder.robot.kinematics import Frame

Image = NDArray[np.uint8]
Array = NDArray[np.float64]

_SCALE = 2
_SUBPIXEL_BITS = 4
_LIGHT = np.array((0.34, 0.42, 0.84))  # towards the lamp
_AMBIENT, _SKY, _DIFFUSE = 0.42, 0.14, 0.58
_GLOSS, _SHINE = 0.2, 24
_SHADOW_DARKNESS = 0.52
_SHADOW_SHRINK = 2
_ROOM = (96, 98, 102)


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
        self._still = viewpoint.link == "base"
        self._background: Image | None = None

    def draw(self, frames: dict[str, Frame]) -> Image:
        """Return a picture: RGB, uint8, (height, width, 3).

        Args:
            frames: Of the links and of ``cube``.
        """
        view = look(self._viewpoint, frames, *self._size)
        placed = self._scene.place(frames)
        picture = self._draw_background(view)
        self._cast_shadows(picture, view, placed)
        picture = self._draw_solids(picture, view, placed)
        self._sensor.expose(picture)
        return picture

    def _draw_background(self, view: View) -> Image:
        if not self._still:
            return draw_table(view, *self._size, fine=False)
        if self._background is None:
            self._background = draw_table(view, *self._size, fine=True)
        return np.array(self._background)

    def _cast_shadows(self, picture: Image, view: View, placed: Placed) -> None:
        """Darken the table where the solids keep the lamp's light from it."""
        ground = placed.vertices - placed.vertices[:, 2:] / _LIGHT[2] * _LIGHT
        pixels, depth = view.project(ground)
        points = (pixels / _SHADOW_SHRINK).astype(np.float32)
        mask = np.zeros((self._size[1] // _SHADOW_SHRINK, self._size[0] // _SHADOW_SHRINK), np.uint8)
        for first, last in self._scene.vertex_spans:
            if depth[first:last].min() > NEAREST_M:
                cv2.fillConvexPoly(mask, cv2.convexHull(points[first:last]).astype(np.int32), 255)
        softness = max(self._size[0] // 80, 1) | 1
        mask = cv2.blur(cv2.blur(mask, (softness, softness)), (softness, softness))
        light = cv2.convertScaleAbs(mask, alpha=-_SHADOW_DARKNESS, beta=255)
        light = cv2.resize(light, self._size, interpolation=cv2.INTER_LINEAR)
        cv2.multiply(picture, cv2.merge((light, light, light)), dst=picture, scale=1 / 255)

    def _draw_solids(self, picture: Image, view: View, placed: Placed) -> Image:
        scene = self._scene
        pixels, depth = view.project(placed.vertices)
        points = np.rint(pixels * (_SCALE << _SUBPIXEL_BITS)).astype(np.int32)
        towards = view.position - placed.points
        facing = np.einsum("fi,fi->f", placed.normals, towards) > 0
        colours = _shade(scene, placed.normals, towards).tolist()
        canvas = cv2.resize(picture, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_NEAREST)
        far_to_near = np.argsort(-np.linalg.norm(placed.centres - view.position, axis=1))
        for solid in far_to_near:
            first, last = scene.vertex_spans[solid]
            if depth[first:last].min() < NEAREST_M:
                continue
            for face in range(*scene.face_spans[solid]):
                if facing[face]:
                    cv2.fillConvexPoly(
                        canvas, points[scene.faces[face]], colours[face], cv2.LINE_8, _SUBPIXEL_BITS
                    )
        return np.asarray(cv2.resize(canvas, self._size, interpolation=cv2.INTER_AREA))


def draw_table(view: View, width: int, height: int, fine: bool) -> Image:
    """Return the table as seen, without anything on it: RGB, uint8, (height, width, 3).

    Args:
        view: The camera.
        width: Pixels.
        height: Pixels.
        fine: Take several samples a pixel, where it may take its time.
    """
    factor = 3 if fine else 1
    enlarge = np.diag((factor, factor, 1.0))
    to_picture = enlarge @ view.table_to_picture() @ np.linalg.inv(world_to_texture())
    picture = cv2.warpPerspective(
        table_texture(), to_picture, (factor * width, factor * height), borderValue=_ROOM
    )
    if fine:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    _hide_above_horizon(picture, view)
    return np.asarray(picture)


def _hide_above_horizon(picture: Image, view: View) -> None:
    """Paint over what the table's plane shows behind the camera: its mirror image above the horizon."""
    height, width = picture.shape[:2]
    corners = np.array(((0, 0), (width, 0), (width, height), (0, height)), float)
    rays = np.column_stack([(corners - view.centre) / view.focal, np.ones(4)])
    rise = rays @ view.world_to_camera[:, 2] + 0.03
    if (rise <= 0).all():
        return
    polygon = _part_above(corners, rise)
    cv2.fillConvexPoly(picture, np.rint(polygon).astype(np.int32), _ROOM)


def _part_above(corners: Array, rise: Array) -> Array:
    """Cut a polygon where a value that is linear over it is zero, and keep the positive part."""
    kept = []
    for here in range(len(corners)):
        there = (here + 1) % len(corners)
        if rise[here] > 0:
            kept.append(corners[here])
        if rise[here] * rise[there] < 0:
            part = rise[here] / (rise[here] - rise[there])
            kept.append(corners[here] + part * (corners[there] - corners[here]))
    return np.array(kept)


def _shade(scene: Assembly, normals: Array, towards: Array) -> Array:
    """Return the faces' colours, (faces, 3), in the light of the room and the lamp, with its reflection."""
    lit = np.maximum(normals @ _LIGHT, 0)
    half_way = towards / np.linalg.norm(towards, axis=1, keepdims=True) + _LIGHT
    half_way /= np.linalg.norm(half_way, axis=1, keepdims=True)
    shine = _GLOSS * np.maximum(np.einsum("fi,fi->f", normals, half_way), 0) ** _SHINE
    brightness = _AMBIENT + _SKY * normals[:, 2] + _DIFFUSE * lit
    return np.asarray(np.minimum(scene.colours * brightness[:, None] + 255 * shine[:, None], 255))

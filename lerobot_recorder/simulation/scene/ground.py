"""Draws the empty table from a camera's view, and the shadows on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from lerobot_recorder.simulation.scene.solids import Array
from lerobot_recorder.simulation.scene.table import FINEST, Image, table_texture, world_to_texture
from lerobot_recorder.simulation.scene.viewpoint import NEAREST_M, View

LIGHT = np.array((0.34, 0.42, 0.84))
"""Direction towards the lamp."""

_ROOM = (96, 98, 102)
_SHADOW_DARKNESS = 0.52
_SHADOW_SHRINK = 2  # a soft shadow needs no more pixels
_SHADOW_SOFTNESS = 1 / 80  # of the image's width


@dataclass(frozen=True)
class Detail:
    """Resolution at which the table is drawn.

    Attributes:
        pixels_per_m: resolution of the table's texture
        samples: samples of the texture per column and per row of the image
    """

    pixels_per_m: int
    samples: float


STILL = Detail(FINEST, 3)
"""For a background that is drawn once."""
MOVING = Detail(900, 0.75)
"""For an image that is drawn each time, by a camera close to the table."""


def draw_table(view: View, width: int, height: int, detail: Detail) -> Image:
    """Return the empty table as the camera sees it: RGB, uint8, (height, width, 3).

    Args:
        view: the camera
        width: pixels
        height: pixels
        detail: resolution
    """
    columns, rows = round(width * detail.samples), round(height * detail.samples)
    # The middle of the first pixel is at 0 for OpenCV, and half a pixel from the image's edge.
    scale = np.array(
        (
            (columns / width, 0, (columns / width - 1) / 2),
            (0, rows / height, (rows / height - 1) / 2),
            (0, 0, 1),
        )
    )
    to_image = scale @ view.table_to_image() @ np.linalg.inv(world_to_texture(detail.pixels_per_m))
    image = cv2.warpPerspective(
        table_texture(detail.pixels_per_m), to_image, (columns, rows), borderValue=_ROOM
    )
    averaging = cv2.INTER_AREA if detail.samples > 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=averaging).astype(np.uint8, copy=False)
    _hide_above_horizon(resized, view)
    return resized


def cast_shadows(image: Image, view: View, vertices: Array, spans: Iterable[tuple[int, int]]) -> None:
    """Darken an image of the table where convex solids block the lamp's light.

    Args:
        image: RGB, uint8, (height, width, 3), changed in place
        view: the camera
        vertices: of the solids, (n, 3), m
        spans: for each solid, the range of its vertices
    """
    ground = vertices - vertices[:, 2:] / LIGHT[2] * LIGHT
    pixels, depth = view.project(ground)
    points = (pixels / _SHADOW_SHRINK).astype(np.float32)
    mask = np.zeros((-(-image.shape[0] // _SHADOW_SHRINK), -(-image.shape[1] // _SHADOW_SHRINK)), np.uint8)
    for first, last in spans:
        if depth[first:last].min() > NEAREST_M:
            cv2.fillConvexPoly(mask, cv2.convexHull(points[first:last]).astype(np.int32), 255)
    softness = max(round(image.shape[1] * _SHADOW_SOFTNESS), 1)
    soft = cv2.blur(cv2.blur(mask, (softness, softness)), (softness, softness))
    _darken(image, soft.astype(np.uint8, copy=False))


def _darken(image: Image, mask: Image) -> None:
    """Darken by a mask of half the size, where it is not zero."""
    column, row, columns, rows = cv2.boundingRect(mask)
    if not columns:
        return
    part = image[row * _SHADOW_SHRINK : (row + rows) * _SHADOW_SHRINK,
                   column * _SHADOW_SHRINK : (column + columns) * _SHADOW_SHRINK]  # fmt: skip
    light = cv2.convertScaleAbs(
        mask[row : row + rows, column : column + columns], None, -_SHADOW_DARKNESS, 255
    )
    light = cv2.resize(light, (columns * _SHADOW_SHRINK, rows * _SHADOW_SHRINK))
    light = light[: part.shape[0], : part.shape[1]]
    cv2.multiply(part, cv2.merge((light, light, light)), dst=part, scale=1 / 255)


def _hide_above_horizon(image: Image, view: View) -> None:
    """Paint over the part above the horizon, where the table's plane behind the camera would appear."""
    height, width = image.shape[:2]
    corners = np.array(((0, 0), (width, 0), (width, height), (0, height)), float)
    rays = np.column_stack([(corners - view.center) / view.focal, np.ones(4)])
    rise = rays @ view.world_to_camera[:, 2] + 0.03
    if (rise <= 0).all():
        return
    polygon = _part_above(corners, rise)
    cv2.fillConvexPoly(image, np.rint(polygon).astype(np.int32), _ROOM)


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

"""Convex solids, and arrays that hold several of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.arms import Frame

Color = tuple[int, int, int]
Point = tuple[float, float, float]
Span = tuple[float, float]
Array = NDArray[np.float64]

_AXES = {"x": (1, 2, 0), "y": (0, 2, 1), "z": (0, 1, 2)}  # the plane's two axes, then the one along


@dataclass(frozen=True)
class Solid:
    """A convex solid.

    Attributes:
        link: name of the link that it is part of
        color: RGB
        vertices: (n, 3), m, in the link's frame
        faces: indices of each face's vertices, in order around it
    """

    link: str
    color: Color
    vertices: Array
    faces: tuple[tuple[int, ...], ...]


def box(link: str, color: Color, low: Point, high: Point) -> Solid:
    """Return a box between two corners."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    return prism(link, color, "z", [(x0, y0), (x1, y0), (x1, y1), (x0, y1)], (z0, z1))


def cylinder(link: str, color: Color, axis: str, circle: Point, span: Span) -> Solid:
    """Return a cylinder along an axis.

    Args:
        link: name of the link
        color: RGB
        axis: see ``prism``
        circle: its middle in the plane, two coordinates, and its radius, m
        span: see ``prism``
    """
    first, second, radius = circle
    turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    rim = [(first + radius * np.cos(turn), second + radius * np.sin(turn)) for turn in turns]
    return prism(link, color, axis, rim, span)


def prism(link: str, color: Color, axis: str, outline: Sequence[Span], span: Span) -> Solid:
    """Return the solid that the convex hull of an outline sweeps along an axis.

    Args:
        link: name of the link
        color: RGB
        axis: ``x`` (the outline is in y, z), ``y`` (x, z) or ``z`` (x, y)
        outline: points of the plane, m
        span: where the sweep begins and ends on the axis, m
    """
    rim = cv2.convexHull(np.array(outline, np.float32))[:, 0].astype(float)
    count = len(rim)
    vertices = np.empty((2 * count, 3))
    first, second, along = _AXES[axis]
    vertices[:, first], vertices[:, second] = np.tile(rim, (2, 1)).T
    vertices[:count, along], vertices[count:, along] = span
    sides = tuple((i, (i + 1) % count, count + (i + 1) % count, count + i) for i in range(count))
    caps = (tuple(range(count)), tuple(range(count, 2 * count)))
    return Solid(link, color, vertices, sides + caps)


class Assembly:
    """Several solids as arrays, so that numpy moves, rotates and lights them together.

    Attributes:
        links: names of the links
        face_spans: for each solid, the range of its faces
        vertex_spans: for each solid, the range of its vertices
        faces: for each face, the indices of its vertices
        colors: for each face, RGB, (faces, 3)
    """

    def __init__(self, solids: Sequence[Solid]) -> None:
        self.links = sorted({solid.link for solid in solids})
        self.face_spans = _spans([len(solid.faces) for solid in solids])
        self.vertex_spans = _spans([len(solid.vertices) for solid in solids])
        self.faces = [
            np.array(face) + first
            for solid, (first, _) in zip(solids, self.vertex_spans, strict=True)
            for face in solid.faces
        ]
        owner = np.repeat(np.arange(len(solids)), [len(solid.faces) for solid in solids])
        self.colors = np.array([solid.color for solid in solids], float)[owner]
        self._vertices = np.concatenate([solid.vertices for solid in solids])
        link = np.array([self.links.index(solid.link) for solid in solids])
        self._vertex_link = np.repeat(link, [len(solid.vertices) for solid in solids])
        self._face_link = link[owner]
        centers = np.array([solid.vertices.mean(axis=0) for solid in solids])
        self._normals = _outward_normals(self._vertices, self.faces, centers[owner])
        self._first = np.array([face[0] for face in self.faces])
        self._centers, self._center_link = centers, link

    def place(self, frames: dict[str, Frame]) -> Placed:
        """Move each solid to the frame of its link."""
        stack = np.stack([frames[link] for link in self.links])
        turns, offsets = stack[:, :3, :3], stack[:, :3, 3]
        vertices = _transform(turns, offsets, self._vertex_link, self._vertices)
        centers = _transform(turns, offsets, self._center_link, self._centers)
        normals = np.einsum("fij,fj->fi", turns[self._face_link], self._normals)
        return Placed(vertices, centers, normals, vertices[self._first])


@dataclass(frozen=True)
class Placed:
    """Solids in the world.

    Attributes:
        vertices: (vertices, 3), m
        centers: of the solids, (solids, 3)
        normals: of the faces, outward, (faces, 3)
        points: one point on each face, (faces, 3)
    """

    vertices: Array
    centers: Array
    normals: Array
    points: Array


def _spans(counts: Sequence[int]) -> list[tuple[int, int]]:
    ends = np.cumsum(counts).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _transform(turns: Array, offsets: Array, link: NDArray[np.int64], points: Array) -> Array:
    return np.asarray(np.einsum("nij,nj->ni", turns[link], points) + offsets[link])


def _outward_normals(vertices: Array, faces: Sequence[NDArray[np.int64]], centers: Array) -> Array:
    corners = np.array([vertices[face[:3]] for face in faces])
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    outward = np.sign(np.einsum("fi,fi->f", normals, corners[:, 0] - centers))
    return np.asarray(normals * outward[:, None])

"""Positions of the simulated cameras, by name, and the projection of points to their images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lerobot_recorder.arms import Frame
from lerobot_recorder.simulation.scene.solids import Array, Point

NEAREST_M = 0.01


@dataclass(frozen=True)
class Viewpoint:
    """A camera's place.

    Attributes:
        link: the link that it is mounted on; ``base`` does not move
        position: in the link's frame, m
        target: what it looks at, in the link's frame
        up: direction that is up in its image, roughly
        view_deg: angle of view across the image's width
    """

    link: str
    position: Point
    target: Point
    up: Point = (0.0, 0.0, 1.0)
    view_deg: float = 58.0

    def mount(self) -> Frame:
        """Return the transform of the camera's coordinates (right, down, forward) to the link's."""
        forward = _unit(np.subtract(self.target, self.position))
        right = _unit(np.cross(forward, self.up))
        mount = np.eye(4)
        mount[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        mount[:3, 3] = self.position
        return mount


TOP = Viewpoint("base", (0.42, 0.27, 0.43), (0.12, 0.0, 0.085), view_deg=56.0)
VIEWPOINTS = {
    "wrist": Viewpoint("gripper", (0.006, 0.062, 0.012), (0.105, 0.0, 0.010), (0.0, 1.0, 0.0), 72.0),
    "top": TOP,
    "front": Viewpoint("base", (0.62, 0.0, 0.22), (0.10, 0.0, 0.09)),
    "side": Viewpoint("base", (0.16, 0.62, 0.20), (0.13, 0.0, 0.09)),
    "overhead": Viewpoint("base", (0.16, 0.0, 0.66), (0.155, 0.0, 0.0)),
}
"""By a word in the camera's name; any other camera is at ``top``."""


def viewpoint_of(camera: str) -> Viewpoint:
    """Return the place of a camera with this name."""
    return next((place for word, place in VIEWPOINTS.items() if word in camera.lower()), TOP)


@dataclass(frozen=True)
class View:
    """A camera at one instant.

    Attributes:
        world_to_camera: (3, 4); the camera's axes are right, down, forward
        position: in the world, m
        focal: focal length, pixels
        center: of the image, pixels
    """

    world_to_camera: Array
    position: Array
    focal: float
    center: tuple[float, float]

    def project(self, points: Array) -> tuple[Array, Array]:
        """Return the pixels, (n, 2), and the depths, (n,), of points of the world, (n, 3).

        Points behind the camera have a depth below ``NEAREST_M`` and meaningless pixels.
        """
        seen = points @ self.world_to_camera[:, :3].T + self.world_to_camera[:, 3]
        depth = seen[:, 2]
        scale = self.focal / np.maximum(depth, NEAREST_M)
        return seen[:, :2] * scale[:, None] + self.center, depth

    def table_to_image(self) -> Array:
        """Return the homography of x, y on the table to pixels, (3, 3)."""
        intrinsics = np.array(((self.focal, 0, self.center[0]), (0, self.focal, self.center[1]), (0, 0, 1)))
        return np.asarray(intrinsics @ self.world_to_camera[:, (0, 1, 3)])


def look(viewpoint: Viewpoint, frames: dict[str, Frame], width: int, height: int) -> View:
    """Return a camera as it is mounted on a link, with the links at these frames."""
    camera = frames[viewpoint.link] @ viewpoint.mount()
    turn = camera[:3, :3].T
    focal = width / 2 / np.tan(np.radians(viewpoint.view_deg) / 2)
    return View(
        np.column_stack([turn, -turn @ camera[:3, 3]]), camera[:3, 3], float(focal), (width / 2, height / 2)
    )


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector))

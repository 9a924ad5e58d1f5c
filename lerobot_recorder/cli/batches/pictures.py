"""Draws the simulated robot's images before the trials, so that drawing is not measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.arms import JOINTS, forward
from lerobot_recorder.simulation import PickAndPlace, Renderer, Tabletop, viewpoint_of

WIDTH, HEIGHT = 640, 480
CAMERAS = ("top", "wrist")
DRAWN_S = 3.0
"""Seconds that are drawn; they are played forwards and backwards."""

_NAMES = [f"{joint}.pos" for joint in JOINTS]
_VECTOR = {"dtype": "float32", "shape": (len(JOINTS),), "names": _NAMES}
_VIDEO = {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}
FEATURES: dict[str, dict[str, Any]] = {
    "observation.state": _VECTOR,
    "action": _VECTOR,
    **{f"observation.images.{name}": _VIDEO for name in CAMERAS},
}

Frame = dict[str, npt.NDArray[Any]]


def draw(fps: int) -> list[Frame]:
    """Draw the first seconds of picking up a cube: one value per feature of ``FEATURES`` and frame."""
    hand, table = PickAndPlace(), Tabletop()
    renderers = {name: Renderer(viewpoint_of(name), WIDTH, HEIGHT) for name in CAMERAS}
    frames = []
    for number in range(round(DRAWN_S * fps)):
        position_rad = hand(number / fps)
        pose = dict(zip(JOINTS, position_rad.tolist(), strict=True))
        links = forward(pose) | {"cube": table.update(pose, number / fps).frame}
        vector = np.asarray(position_rad, np.float32)
        frame: Frame = {"observation.state": vector, "action": vector}
        frame |= {f"observation.images.{name}": each.draw(links) for name, each in renderers.items()}
        frames.append(frame)
    return frames


def played(frames: list[Frame]) -> Iterator[Frame]:
    """Yield the frames forwards, then backwards, forever."""
    return itertools.cycle(frames + frames[-2:0:-1])

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from lerobot_recorder.arms import RESTING, forward
from lerobot_recorder.cameras import DeviceIdentity
from lerobot_recorder.preflight import Reference
from lerobot_recorder.simulation import Renderer, Tabletop, viewpoint_of


@cache
def drawn(camera: str, turned: float) -> np.ndarray:
    pose = {joint: angle + turned for joint, angle in RESTING.items()}
    cube = Tabletop().update(pose, 0.0)
    picture = Renderer(viewpoint_of(camera), 320, 240).draw(forward(pose) | {"cube": cube.frame})
    picture.setflags(write=False)
    return picture


@pytest.fixture
def draw() -> Callable[..., np.ndarray]:
    """Return what a simulated camera sees, (240, 320, 3), with all joints turned by an angle in rad."""
    return lambda camera, turned=0.0: drawn(camera, turned)


@pytest.fixture
def references(draw) -> dict[str, Reference]:
    return {
        name: Reference(DeviceIdentity(f"Maker_{name}_01", "usb-1"), draw(name)) for name in ("top", "wrist")
    }

"""The simulated camera: draws the simulated arm in its current pose at a steady rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache

from lerobot_recorder.arms import RESTING, forward
from lerobot_recorder.cameras import (
    CameraCalibration,
    CameraImage,
    CameraSettings,
    Pace,
    encode_jpeg,
    ideal_calibration,
)
from lerobot_recorder.simulation.scene import Renderer, viewpoint_of
from lerobot_recorder.simulation.tabletop import Tabletop

Pose = Callable[[], Mapping[str, float]]

_OWN_SIZE = (640, 480)


def resting() -> Mapping[str, float]:
    """Return the pose of an arm at rest."""
    return RESTING


def simulated_calibration(settings: CameraSettings) -> CameraCalibration:
    """Return the calibration of a simulated camera, which has no distortion."""
    return ideal_calibration(*(settings.size or _OWN_SIZE), viewpoint_of(settings.name).view_deg)


@lru_cache(maxsize=8)
def tabletop_of(pose: Pose) -> Tabletop:  # noqa: ARG001 - the key of the cache
    """Return the table in front of an arm; all cameras of the same arm share it."""
    return Tabletop()


class SimulatedCamera:
    """Draws the arm each time an image is due."""

    is_live = False

    def __init__(self, settings: CameraSettings, pose: Pose | None = None) -> None:
        self.rate_hz = float(settings.fps)
        self._size = settings.size or _OWN_SIZE
        self.sends_jpeg = settings.pixel_format == "mjpeg"
        self._pose = pose or resting
        self._tabletop = tabletop_of(self._pose)
        self._renderer = Renderer(viewpoint_of(settings.name), *self._size)
        self._pace = Pace()
        self._count = 0

    def read(self, want_rgb: bool) -> CameraImage | None:
        """See ``Source.read``."""
        self._pace.wait_until(int(self._count * 1e9 / self.rate_hz))
        self._count += 1
        stamp_ns = time.time_ns()
        pose = self._pose()
        cube = self._tabletop.update(pose, time.monotonic())
        if not (want_rgb or self.sends_jpeg):
            return CameraImage(stamp_ns, *self._size, None, None)
        rgb = self._renderer.draw(forward(pose) | {"cube": cube.frame})
        jpeg = encode_jpeg(rgb) if self.sends_jpeg else None
        return CameraImage(stamp_ns, *self._size, rgb if want_rgb else None, jpeg)

    def close(self) -> None:
        """See ``Source.close``."""

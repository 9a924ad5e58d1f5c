"""The simulated camera: draws the simulated arm as it stands, at a steady rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from lerobot_recorder.robot.cameras.pace import Pace
from lerobot_recorder.robot.cameras.settings import CameraSettings, Picture

_OWN_SIZE = (640, 480)


class SimulatedCamera:
    """Draws the arm each time that a picture is due."""

    def __init__(self, settings: CameraSettings, pose: Callable[[], Mapping[str, float]] | None) -> None:
        self.rate_hz = float(settings.fps)
        self._width, self._height = settings.size or _OWN_SIZE
        self._pose = pose
        self._pace = Pace()
        self._count = 0

    def read(self, want_rgb: bool) -> Picture | None:
        """See `Source.read`."""
        stamp_ns = self._pace.wait_until(int(self._count * 1e9 / self.rate_hz))
        self._count += 1
        rgb = np.full((self._height, self._width, 3), self._count % 256, np.uint8) if want_rgb else None
        return Picture(stamp_ns, self._width, self._height, rgb, None)

    def close(self) -> None:
        """See `Source.close`."""

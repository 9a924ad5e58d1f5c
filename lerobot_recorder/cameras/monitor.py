"""Monitors a camera: whether its images arrive, at the expected rate and in the requested size."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from lerobot_recorder.cameras.settings import ERROR, OK, WARN, CameraSettings, CameraStatus, Picture
from lerobot_recorder.errors import CameraError

SILENCE_S = 0.8
"""A camera without an image for this time is frozen, and is reopened."""
SLOW = 0.8
"""A camera below this fraction of its rate is slow."""
_WINDOW_S = 1.0
_THINNING = 16


class CameraMonitor:
    """Counts a camera's images and derives its status."""

    def __init__(self, rate_hz: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate_hz = rate_hz
        self._lock = threading.Lock()
        self._arrivals: deque[float] = deque()
        self._last: Picture | None = None
        self._opened_s = self._last_s = self._changed_s = clock()
        self._is_live = True
        self._pictures = 0
        self._openings = 0
        self._why_lost = "not started"

    def opened(self, rate_hz: float, is_live: bool = True) -> None:
        """Note that the camera is open.

        Args:
            rate_hz: expected images per second
            is_live: whether it has a sensor, so that no two images are identical
        """
        with self._lock:
            self._rate_hz = rate_hz
            self._is_live = is_live
            self._openings += 1
            self._why_lost = ""
            self._arrivals.clear()
            self._opened_s = self._last_s = self._changed_s = self._clock()

    def note(self, picture: Picture) -> None:
        """Note an image that has arrived."""
        with self._lock:
            self._last_s = self._clock()
            if not (self._is_live and _are_same(picture, self._last)):
                self._changed_s = self._last_s
            self._last = picture
            self._pictures += 1
            self._arrivals.append(self._last_s)
            self._forget_old()

    def lost(self, why: str) -> None:
        """Note that the camera is lost."""
        with self._lock:
            self._why_lost = why

    def check_silence(self, settings: CameraSettings) -> None:
        """Check that an image has arrived recently.

        Raises:
            CameraError: the camera is frozen.
        """
        silent_s = self._clock() - self._last_s
        if silent_s >= self._silence_limit_s():
            raise CameraError(f"{settings.place} is frozen: no image for {silent_s:.1f} s")

    def status(self, settings: CameraSettings) -> CameraStatus:
        """Return the camera's current status."""
        with self._lock:
            self._forget_old()
            level, message = self._judge(settings)
            return CameraStatus(level, message, self._values(settings))

    def _window_s(self) -> float:
        return max(_WINDOW_S, 4 / self._rate_hz)

    def _silence_limit_s(self) -> float:
        return max(SILENCE_S, 2.5 / self._rate_hz)

    def _forget_old(self) -> None:
        while self._arrivals and self._arrivals[0] < self._clock() - self._window_s():
            self._arrivals.popleft()

    def _measured_hz(self) -> float:
        if len(self._arrivals) < 2:
            return float(len(self._arrivals))
        return (len(self._arrivals) - 1) / max(self._arrivals[-1] - self._arrivals[0], 1e-9)

    def _judge(self, settings: CameraSettings) -> tuple[int, str]:
        now_s = self._clock()
        if self._why_lost:
            return ERROR, self._why_lost
        if now_s - self._last_s >= self._silence_limit_s():
            return ERROR, f"frozen: no image for {now_s - self._last_s:.1f} s"
        if self._last_s - self._changed_s >= self._silence_limit_s():
            return ERROR, f"frozen: the same image for {now_s - self._changed_s:.1f} s"
        if now_s - self._opened_s >= self._window_s() and self._measured_hz() < SLOW * self._rate_hz:
            return WARN, f"slow: {self._measured_hz():.1f} images per second, expected {self._rate_hz:g}"
        last = self._last
        if last and settings.size and settings.size != (last.width, last.height):
            return WARN, f"wrong size {last.width}x{last.height}, expected {settings.width}x{settings.height}"
        return OK, "ok"

    def _values(self, settings: CameraSettings) -> dict[str, str]:
        values = {
            "source": settings.place,
            "rate_hz": f"{self._measured_hz():.1f}",
            "expected_hz": f"{self._rate_hz:g}",
            "pictures": str(self._pictures),
            "reopened": str(max(self._openings - 1, 0)),
        }
        if self._last is not None:
            values["age_s"] = f"{self._clock() - self._last_s:.2f}"
            values["size"] = f"{self._last.width}x{self._last.height}"
            values["format"] = "jpeg" if self._last.jpeg is not None else "raw"
        return values


def _are_same(picture: Picture, other: Picture | None) -> bool:
    """Compare images by a subset of their pixels; unknown content counts as different."""
    if other is None:
        return False
    if picture.jpeg is not None:
        return picture.jpeg == other.jpeg
    if picture.rgb is None or other.rgb is None:
        return False
    return np.array_equal(picture.rgb[::_THINNING, ::_THINNING], other.rgb[::_THINNING, ::_THINNING])

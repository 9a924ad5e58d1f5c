"""Interface of all image sources, and their clocks."""

from __future__ import annotations

import time
from typing import Protocol

from lerobot_recorder.cameras.settings import CameraImage


class Source(Protocol):
    """An open source of images.

    Attributes:
        rate_hz: expected images per second
        is_live: whether it has a sensor, so that no two images are identical
        sends_jpeg: whether its images are JPEG; otherwise they are pixels only
    """

    rate_hz: float
    is_live: bool
    sends_jpeg: bool

    def read(self, want_rgb: bool) -> CameraImage | None:
        """Wait for the next image, at most about half a second or one period.

        Args:
            want_rgb: whether pixels are needed; otherwise a JPEG is not decoded, and nothing is drawn

        Returns:
            The image; None if none arrived in that time.

        Raises:
            CameraError: the source is lost.
        """

    def close(self) -> None:
        """Close the source; never raises."""


_LONGEST_DELAY_NS = 1_000_000_000
_LEAK = 0.0005


class SourceClock:
    """Maps a camera's own clock to that of ``time.time_ns`` by the shortest delay seen.

    Images may arrive late but never early: the fastest one gives the difference between the clocks. All other
    times follow from the camera's clock, without the jitter of the network. As clocks drift, the difference
    moves slowly towards recent measurements. After a jump of the clock it is determined again.
    """

    def __init__(self) -> None:
        self._difference_ns: float | None = None

    def stamp_ns(self, time_s: float | None, arrived_ns: int) -> int:
        """Return the capture time of an image.

        Args:
            time_s: time on the camera's clock; None if it has none
            arrived_ns: arrival time, as ``time.time_ns``
        """
        if time_s is None:
            return arrived_ns
        seen_ns = arrived_ns - time_s * 1e9
        known_ns = self._difference_ns
        if known_ns is None or not 0 <= seen_ns - known_ns < _LONGEST_DELAY_NS:
            self._difference_ns = seen_ns
            return arrived_ns
        self._difference_ns = known_ns + _LEAK * (seen_ns - known_ns)
        return arrived_ns - int(seen_ns - self._difference_ns)


def driver_time_ns(time_s: float | None, now_ns: int) -> int:
    """Return a driver's capture time; the present time if it is not on the clock of ``time.time_ns``."""
    if time_s is None or not 0 <= now_ns - int(time_s * 1e9) < _LONGEST_DELAY_NS:
        return now_ns
    return int(time_s * 1e9)


_RESTART_BEHIND_NS = 500_000_000


class Pace:
    """Waits for due times relative to a start.

    If it falls far behind, the start is moved, so that no burst follows.
    """

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()

    def wait_until(self, due_ns: int) -> None:
        """Sleep until a time after the start, in ns."""
        late_ns = time.monotonic_ns() - self._start_ns - due_ns
        if late_ns > _RESTART_BEHIND_NS:
            self._start_ns += late_ns
        elif late_ns < 0:
            time.sleep(-late_ns / 1e9)

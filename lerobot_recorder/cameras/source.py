"""What a camera reads its pictures from: the interface of all kinds of sources."""

from __future__ import annotations

import time
from typing import Protocol

from lerobot_recorder.cameras.settings import Picture


class Source(Protocol):
    """Something that is open and gives one picture after another.

    Attributes:
        rate_hz: Pictures a second that are to be expected of it.
        is_live: Whether it has a sensor, so that no two of its pictures are the same.
        sends_jpeg: Whether its pictures come as JPEG; else as pixels only.
    """

    rate_hz: float
    is_live: bool
    sends_jpeg: bool

    def read(self, want_rgb: bool) -> Picture | None:
        """Wait for the next picture, at most about half a second or one period.

        Args:
            want_rgb: Whether a picture that comes compressed is decoded, and an expensive one drawn at all.

        Returns:
            The picture, or nothing when none came in that time.

        Raises:
            CameraError: The source is gone.
        """

    def close(self) -> None:
        """Let go of the device; never raises."""


_LONGEST_DELAY_NS = 1_000_000_000
_LEAK = 0.0005


class SourceClock:
    """Maps a camera's own clock to that of ``time.time_ns`` by the shortest delay seen.

    Pictures come late now and then, never early: the one that came fastest tells how the clocks differ, and
    the times of the others follow from the camera's clock, free of the network's stutter. The difference
    leaks slowly towards what is seen, as clocks drift. A jump starts anew.
    """

    def __init__(self) -> None:
        self._difference_ns: float | None = None

    def stamp_ns(self, time_s: float | None, arrived_ns: int) -> int:
        """Return when a picture was taken.

        Args:
            time_s: By the camera's clock; nothing where it has none.
            arrived_ns: When it came, by ``time.time_ns``.
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
    """Take a driver's capture time, unless it is not on the clock of ``time.time_ns``: then now."""
    if time_s is None or not 0 <= now_ns - int(time_s * 1e9) < _LONGEST_DELAY_NS:
        return now_ns
    return int(time_s * 1e9)


_RESTART_BEHIND_NS = 500_000_000


class Pace:
    """A start, and instants measured from it.

    One that falls far behind starts anew instead of catching up in a burst.
    """

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()

    def wait_until(self, due_ns: int) -> None:
        """Sleep until so long after the start."""
        late_ns = time.monotonic_ns() - self._start_ns - due_ns
        if late_ns > _RESTART_BEHIND_NS:
            self._start_ns += late_ns
        elif late_ns < 0:
            time.sleep(-late_ns / 1e9)

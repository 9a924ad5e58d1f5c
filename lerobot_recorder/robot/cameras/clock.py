"""When a picture was taken, from when it came and what the camera's own clock said."""

from __future__ import annotations

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

"""Waits for the regular instants at which pictures are due that no device paces."""

from __future__ import annotations

import time

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

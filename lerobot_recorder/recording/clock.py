"""The time that ticks and samples are measured in."""

from __future__ import annotations

import threading
import time
from typing import Protocol

_LONGEST_SLEEP_S = 0.5  # so that a step of the system's time is noticed


class Clock(Protocol):
    """A source of time that can be waited for.

    Attributes:
        name: `system` or `sim`, as kept with each episode.
    """

    name: str

    def now_ns(self) -> int:
        """Return the time in nanoseconds."""

    def wait_until(self, time_ns: int, stop: threading.Event) -> bool:
        """Wait for a time; return False as soon as `stop` is set instead."""


class SystemClock:
    """The system's time, in nanoseconds since 1970."""

    name = "system"

    def now_ns(self) -> int:
        """Return the time in nanoseconds."""
        return time.time_ns()

    def wait_until(self, time_ns: int, stop: threading.Event) -> bool:
        """Wait for a time; return False as soon as `stop` is set instead."""
        while (remaining := (time_ns - time.time_ns()) / 1e9) > 0:
            if stop.wait(min(remaining, _LONGEST_SLEEP_S)):
                return False
        return not stop.is_set()

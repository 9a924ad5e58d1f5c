"""The time that ticks and samples are measured in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from itertools import pairwise
from typing import Protocol


def grid_start_ns(from_ns: int, period_ns: int, arrivals_ns: Iterable[int]) -> int:
    """Find a time for the first tick, such that ticks are as far as can be from when samples arrive.

    A camera's pictures come a little early or late. Where they come about when a tick is due, one tick takes
    the same picture as the tick before, and the next one leaves a picture out.

    Args:
        from_ns: The first time that can be.
        period_ns: From tick to tick.
        arrivals_ns: When samples have come lately.

    Returns:
        A time less than a period after `from_ns`: in the middle of the longest part of a period in which
        nothing came.
    """
    phases = sorted((arrival - from_ns) % period_ns for arrival in arrivals_ns)
    if not phases:
        return from_ns
    gaps = pairwise([*phases, phases[0] + period_ns])
    begin, end = max(gaps, key=lambda gap: gap[1] - gap[0])
    return from_ns + (begin + end) // 2 % period_ns


_LONGEST_SLEEP_S = 0.5  # so that a step of the system's time is noticed

_LEAST_STEP_S = 0.1
_FASTEST_SLEW = 0.1
"""Of the time passed: a clock that is put right without a step runs up to a twelfth faster or slower."""

_HELD_UP_S = 0.02


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


class ClockSteps:
    """Notices when the system's clock is set, by the time that only ever runs forward."""

    def __init__(self, clock: Clock) -> None:
        """Begin to look; only where `clock` is the system's."""
        self._by_system = clock.name == "system"
        self._system_s, self._steady_s = _both_times()

    def since_last_s(self) -> float:
        """Return by how much the clock was set since the last call, positive where forward; else 0."""
        if not self._by_system:
            return 0.0
        before_s, steady_before_s = self._system_s, self._steady_s
        self._system_s, self._steady_s = _both_times()
        passed_s = self._steady_s - steady_before_s
        step_s = self._system_s - before_s - passed_s
        return step_s if abs(step_s) > _LEAST_STEP_S + _FASTEST_SLEW * passed_s else 0.0


def _both_times() -> tuple[float, float]:
    """Read the system's time and the steady one, anew where other work came in between."""
    while True:
        steady_s, system_s = time.monotonic(), time.time()
        if time.monotonic() - steady_s < _HELD_UP_S:
            return system_s, steady_s

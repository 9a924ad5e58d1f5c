"""Clocks for ticks and samples, and where the ticks of an episode start."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from itertools import pairwise
from typing import Protocol


def grid_start_ns(from_ns: int, period_ns: int, arrivals_ns: Iterable[int]) -> int:
    """Choose the first tick so that all ticks are as far as possible from the arrival of samples.

    A camera's images arrive a little early or late. If they arrive close to the ticks, one tick repeats the
    image of the tick before, and the next one skips an image.

    Args:
        from_ns: earliest time of the first tick
        period_ns: time between ticks
        arrivals_ns: times at which recent samples arrived

    Returns:
        A time less than a period after ``from_ns``: the middle of the longest part of a period without
        arrivals.
    """
    phases = sorted((arrival - from_ns) % period_ns for arrival in arrivals_ns)
    if not phases:
        return from_ns
    gaps = pairwise([*phases, phases[0] + period_ns])
    begin, end = max(gaps, key=lambda gap: gap[1] - gap[0])
    return from_ns + (begin + end) // 2 % period_ns


_LONGEST_SLEEP_S = 0.5  # short enough to notice a step of the system's time

_LEAST_STEP_S = 0.1
_FASTEST_SLEW = 0.1
"""Fraction of the time passed; a clock that is corrected without a step runs up to 1/12 faster or slower."""

_HELD_UP_S = 0.02


class Clock(Protocol):
    """A source of time that a thread can wait for.

    Attributes:
        name: ``system`` or ``sim``; kept with each episode
    """

    name: str

    def now_ns(self) -> int:
        """Return the time in nanoseconds."""

    def wait_until(self, time_ns: int, stop: threading.Event) -> bool:
        """Wait until a time; return False as soon as ``stop`` is set."""


class SystemClock:
    """The system's time, in nanoseconds since 1970."""

    name = "system"

    def now_ns(self) -> int:
        """Return the time in nanoseconds."""
        return time.time_ns()

    def wait_until(self, time_ns: int, stop: threading.Event) -> bool:
        """Wait until a time; return False as soon as ``stop`` is set."""
        while (remaining := (time_ns - time.time_ns()) / 1e9) > 0:
            if stop.wait(min(remaining, _LONGEST_SLEEP_S)):
                return False
        return not stop.is_set()


class ClockSteps:
    """Detects that the system's clock was set, by comparing it with the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        """Start comparing, if ``clock`` is the system's."""
        self._by_system = clock.name == "system"
        self._system_s, self._steady_s = _both_times()

    def since_last_s(self) -> float:
        """Return by how much the clock was set since the last call, positive if forward; 0 if not set."""
        if not self._by_system:
            return 0.0
        before_s, steady_before_s = self._system_s, self._steady_s
        self._system_s, self._steady_s = _both_times()
        passed_s = self._steady_s - steady_before_s
        step_s = self._system_s - before_s - passed_s
        return step_s if abs(step_s) > _LEAST_STEP_S + _FASTEST_SLEW * passed_s else 0.0


def _both_times() -> tuple[float, float]:
    """Read both clocks; again if the thread was interrupted in between."""
    while True:
        steady_s, system_s = time.monotonic(), time.time()
        if time.monotonic() - steady_s < _HELD_UP_S:
            return system_s, steady_s

"""When to tick, so that cameras at the rate of the ticks give each tick a picture of its own."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise


def calm_time_ns(from_ns: int, period_ns: int, arrivals_ns: Iterable[int]) -> int:
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

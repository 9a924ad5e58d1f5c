"""Paces a loop: ticks at a rate, without drift."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import count

logger = logging.getLogger(__name__)

_LATE_PERIODS = 1.0


def ticks(
    fps: float,
    seconds: float | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Yield 0, 1, 2, ..., number k at k / fps seconds after the first.

    A tick that is late is followed by the next one without a pause, until the loop has caught up. The first
    one that is more than a period late is logged: the loop is too slow for its rate.

    Args:
        fps: ticks per second
        seconds: how long; None: without end
        clock: returns seconds
        sleep: waits for some seconds
    """
    start_s, is_late = clock(), False
    for number in range(round(seconds * fps)) if seconds is not None else count():
        wait_s = start_s + number / fps - clock()
        if wait_s > 0:
            sleep(wait_s)
        elif -wait_s * fps > _LATE_PERIODS and not is_late:
            is_late = True
            logger.warning("tick %d is %.3f s late: the loop is too slow for %g fps", number, -wait_s, fps)
        yield number

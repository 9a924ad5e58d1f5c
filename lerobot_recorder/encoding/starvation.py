"""Notices encoding processes that are ready to run but get hardly any CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WINDOW_S = 10.0
"""Seconds over which CPU time is measured."""

LEAST_SHARE = 0.1
"""Share of one core below which processes are starved, if they are ready to run for half of the time."""

_PROCESSES = Path("/proc")


@dataclass(frozen=True)
class CpuTime:
    """What the threads of some processes got so far.

    Attributes:
        run_s: seconds for which they ran
        ready_s: seconds for which they were ready to run, but others ran
    """

    run_s: float = 0.0
    ready_s: float = 0.0


def cpu_time(processes: Iterable[int]) -> CpuTime:
    """Return the CPU time of processes, without threads that have ended; zero if Linux does not count it."""
    run_ns = ready_ns = 0
    for process in processes:
        for counters in (_PROCESSES / str(process)).glob("task/*/schedstat"):
            with suppress(OSError, ValueError):  # the thread has ended
                run, ready, _ = map(int, counters.read_text(encoding="ascii").split())
                run_ns, ready_ns = run_ns + run, ready_ns + ready
    return CpuTime(run_ns / 1e9, ready_ns / 1e9)


class Starvation:
    """Compares the CPU time of processes over windows of `WINDOW_S`.

    Attributes:
        share: share of one core that they got in the last window if that is too little, otherwise None
    """

    def __init__(
        self,
        measure: Callable[[Iterable[int]], CpuTime] = cpu_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.share: float | None = None
        self._measure = measure
        self._clock = clock
        self._since_s = clock()
        self._before = CpuTime()

    def look(self, processes: Iterable[int]) -> None:
        """Measure again."""
        now_s = self._clock()
        length_s = now_s - self._since_s
        if length_s < WINDOW_S:
            return
        now, before = self._measure(processes), self._before
        run_s, ready_s = now.run_s - before.run_s, now.ready_s - before.ready_s
        is_comparable = run_s >= 0 and ready_s >= 0 and length_s < 2 * WINDOW_S
        is_starved = run_s < LEAST_SHARE * length_s and ready_s > length_s / 2
        self.share = run_s / length_s if is_comparable and is_starved else None
        self._since_s, self._before = now_s, now

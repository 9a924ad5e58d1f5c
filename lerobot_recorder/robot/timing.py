"""Recent durations, for percentiles."""

from __future__ import annotations

import numpy as np

_KEPT = 1000


class Durations:
    """The last thousand durations; written by one thread, read by any."""

    def __init__(self) -> None:
        self._values_s = np.zeros(_KEPT)
        self._count = 0

    def add(self, seconds: float) -> None:
        """Add one, in s."""
        self._values_s[self._count % _KEPT] = seconds
        self._count += 1

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile in ms, NaN while there are none."""
        values = self._values_s[: min(self._count, _KEPT)].copy()
        return float(np.percentile(values, percent)) * 1000 if len(values) else float("nan")

    def rate_hz(self) -> float:
        """Return how many of them fit in a second, NaN while there are none."""
        total = float(self._values_s.sum())
        return min(self._count, _KEPT) / total if total > 0 else float("nan")

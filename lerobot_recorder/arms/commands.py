"""Filters commands from a topic: implausible ones are refused, counted, and logged once per kind."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from lerobot_recorder.arms.calibration import JOINTS, Calibration, Vector
from lerobot_recorder.arms.motion import Target
from lerobot_recorder.arms.settings import TeleopSettings
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import excerpt

logger = logging.getLogger(__name__)


class CommandFilter:
    """Accepts commands from any thread and keeps the latest valid one.

    Attributes:
        accepted: number of accepted commands
        refused: number of refused commands, by kind
        latest: the latest accepted command
    """

    def __init__(self, calibration: Calibration, clock: Callable[[], float] = time.monotonic) -> None:
        """Create a filter for an arm with this calibration."""
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self.latest: Target | None = None
        self._clock = clock
        self._limits = calibration.limits_rad

    def take(
        self, names: Sequence[str], position_rad: Sequence[float], age_s: float, settings: TeleopSettings
    ) -> None:
        """Accept a command for some joints by name, decided ``age_s`` ago, or refuse it."""
        try:
            position = self._check(names, position_rad, settings.limit_tolerance_rad)
        except _RefusedError as refusal:
            self.refuse(refusal.kind, str(refusal))
            return
        if not -settings.command_timeout_s <= age_s <= settings.command_timeout_s:
            self.refuse("stale", f"it is {age_s:.2f} s old, the limit is {settings.command_timeout_s:g} s")
            return
        self.accepted += 1
        age_s = max(age_s, 0.0)
        self.latest = Target(self._clock() - age_s, position, time.time_ns() - round(age_s * 1e9))

    def refuse(self, kind: str, reason: str) -> None:
        """Count a refused command, and log the first one of its kind."""
        self.refused[kind] += 1
        if self.refused[kind] == 1:
            logger.warning("Command refused: %s. Further ones of this kind are only counted.", reason)

    def _check(self, names: Sequence[str], position_rad: Sequence[float], tolerance: float) -> Vector:
        if len(names) != len(position_rad) or not names:
            raise _RefusedError("malformed", f"found {len(names)} names for {len(position_rad)} positions")
        position = np.full(len(JOINTS), math.nan)
        for name, value in zip(names, position_rad, strict=True):
            if name not in JOINTS:
                raise _RefusedError(
                    "unknown joint", f"unknown joint {excerpt(repr(name))}, expected {', '.join(JOINTS)}"
                )
            position[JOINTS.index(name)] = self._within(name, float(value), tolerance)
        return position

    def _within(self, name: str, value: float, tolerance: float) -> float:
        lowest, highest = self._limits[JOINTS.index(name)]
        if not math.isfinite(value):
            raise _RefusedError("not a number", f"{name} is {value}")
        if not lowest - tolerance <= value <= highest + tolerance:
            raise _RefusedError(
                "out of limits", f"{name} is {value:.3f} rad, its range is {lowest:.3f} to {highest:.3f} rad"
            )
        return float(np.clip(value, lowest, highest))


class _RefusedError(ConfigError):
    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind

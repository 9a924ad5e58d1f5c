"""How the arms are doing, as for the diagnostics, and how evenly their loop runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from lerobot_recorder.arms.connection import ArmConnection
from lerobot_recorder.arms.settings import RobotStatus

if TYPE_CHECKING:
    from lerobot_recorder.arms.follower import FollowerDriver, ServoMonitor

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


def status_of(
    driver: FollowerDriver | None,
    leader: ArmConnection | None,
    leader_watch: ServoMonitor,
    teleop: bool,
    values: dict[str, str],
) -> RobotStatus:
    """Put together how the arms are.

    Args:
        driver: The follower's, if there is one.
        leader: The link to the leader, if there is one.
        leader_watch: How its servos are.
        teleop: Whether the follower follows the leader.
        values: What else is known.
    """
    links = [link for link in (driver and driver.link, leader) if link]
    errors = [f"the {link.arm.role} is lost: {link.trouble}" for link in links if not link.up]
    warnings = [f"the leader's {complaint}" for complaint in leader_watch.complaints()]
    if driver:
        errors += [f"the follower is held: {driver.danger}"] if driver.danger else []
        warnings += _warnings(driver)
    level = 2 if errors else 1 if warnings else 0
    message = "; ".join(errors + warnings) or _activity(driver, teleop)
    return RobotStatus(
        level, message, {**values, **_link_values(links), **(_driver_values(driver) if driver else {})}
    )


def _warnings(driver: FollowerDriver) -> list[str]:
    warnings = [] if driver.danger else driver.watch.complaints()
    if driver.trouble:
        warnings.append(driver.trouble)
    if driver.motion and driver.motion.phase == "waiting":
        warnings.append(f"waiting for the leader and the follower to agree: {driver.motion.disagreement}")
    return warnings


def _activity(driver: FollowerDriver | None, teleop: bool) -> str:
    if driver is None:
        return "reading the leader"
    if not driver.torque:
        return "the follower's torque is off"
    phase = driver.motion.phase if driver.motion else "holding"
    return phase if phase == "holding" else f"{phase} {'the leader' if teleop else 'commands'}"


def _driver_values(driver: FollowerDriver) -> dict[str, str]:
    values = {"torque": str(driver.torque).lower()}
    if driver.motion:
        values |= {"phase": driver.motion.phase, "goals_limited": str(driver.motion.limited)}
    for name, health in driver.watch.health.items():
        values[f"follower.{name}.temperature_c"] = str(health.temperature_c)
        values[f"follower.{name}.voltage_v"] = f"{health.voltage_v:.1f}"
        values[f"follower.{name}.load"] = f"{health.load:.2f}"
    return values


def _link_values(links: Iterable[ArmConnection]) -> dict[str, str]:
    values = {}
    for link in links:
        role = link.arm.role
        values[f"{role}.port"] = link.arm.port
        values[f"{role}.connected"] = str(link.up).lower()
        values[f"{role}.connections"] = str(link.connections)
        values[f"{role}.readings_skipped"] = str(link.skipped)
        for name, errors in link.arm.errors.items():
            values[f"{role}.{name}.timeouts"] = str(errors.timeouts)
            values[f"{role}.{name}.corrupt"] = str(errors.corrupt)
    return values

"""Status of the arms for the diagnostics, and the timing of their loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from lerobot_recorder.arms.connection import ArmConnection
from lerobot_recorder.status import ERROR, OK, WARN, DeviceStatus

if TYPE_CHECKING:
    from lerobot_recorder.arms.follower import FollowerDriver, ServoMonitor

_KEPT = 1000


class Durations:
    """The last thousand durations; one thread writes, any thread reads."""

    def __init__(self) -> None:
        self._values_s = np.zeros(_KEPT)
        self._count = 0

    def add(self, seconds: float) -> None:
        """Add a duration, in s."""
        self._values_s[self._count % _KEPT] = seconds
        self._count += 1

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile in ms; NaN if there are no durations."""
        values = self._values_s[: min(self._count, _KEPT)].copy()
        return float(np.percentile(values, percent)) * 1000 if len(values) else float("nan")

    def rate_hz(self) -> float:
        """Return the rate that the durations correspond to; NaN if there are none."""
        total = float(self._values_s.sum())
        return min(self._count, _KEPT) / total if total > 0 else float("nan")


def status_of(
    driver: FollowerDriver | None,
    leader: ArmConnection | None,
    leader_monitor: ServoMonitor,
    teleop: bool,
    values: dict[str, str],
) -> DeviceStatus:
    """Return the status of the arms.

    Args:
        driver: the follower's driver, if there is a follower
        leader: the connection to the leader, if there is one
        leader_monitor: monitors the leader's servos
        teleop: whether the follower follows the leader
        values: further values to include
    """
    connections = [connection for connection in (driver and driver.connection, leader) if connection]
    errors = [
        f"the {connection.arm.role} is lost: {connection.trouble}"
        for connection in connections
        if not connection.is_connected
    ]
    warnings = [f"the leader's {complaint}" for complaint in leader_monitor.warnings()]
    if driver:
        errors += [f"the follower is held: {driver.danger}"] if driver.danger else []
        warnings += _warnings(driver)
    level = ERROR if errors else WARN if warnings else OK
    message = "; ".join(errors + warnings) or _activity(driver, teleop)
    return DeviceStatus(
        level,
        message,
        {**values, **_connection_values(connections), **(_driver_values(driver) if driver else {})},
    )


def _warnings(driver: FollowerDriver) -> list[str]:
    warnings = [] if driver.danger else driver.monitor.warnings()
    if driver.trouble:
        warnings.append(driver.trouble)
    if driver.motion and driver.motion.phase == "waiting":
        warnings.append(f"waiting for both arms to have the same pose: {driver.motion.disagreement}")
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
    for name, health in driver.monitor.health.items():
        values[f"follower.{name}.temperature_c"] = str(health.temperature_c)
        values[f"follower.{name}.voltage_v"] = f"{health.voltage_v:.1f}"
        values[f"follower.{name}.load"] = f"{health.load:.2f}"
    return values


def _connection_values(connections: Iterable[ArmConnection]) -> dict[str, str]:
    values = {}
    for connection in connections:
        role = connection.arm.role
        values[f"{role}.port"] = connection.arm.port
        values[f"{role}.connected"] = str(connection.is_connected).lower()
        values[f"{role}.connections"] = str(connection.connections)
        values[f"{role}.readings_skipped"] = str(connection.skipped)
        for name, errors in connection.arm.errors.items():
            values[f"{role}.{name}.timeouts"] = str(errors.timeouts)
            values[f"{role}.{name}.corrupt"] = str(errors.corrupt)
    return values

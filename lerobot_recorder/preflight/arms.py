"""Checks an arm without moving it: it only reads."""

from __future__ import annotations

from dataclasses import dataclass

from lerobot_recorder.arms import Calibration, Role, ServoReport, read_servos
from lerobot_recorder.errors import BusError, DeviceError
from lerobot_recorder.preflight.finding import FAULT, FINE, WARNING, Finding, combined

_SLOW = 0.9
_HOT_C = 55


@dataclass(frozen=True)
class ArmToCheck:
    """An arm and what is expected of it.

    Attributes:
        role: ``follower`` or ``leader``
        port: its serial port
        shown: how the port is named in the finding
        name: LeRobot's id of the arm, or its calibration file
        calibration: its calibration
        write_calibration: whether the hardware node would write the calibration to the servos
        rate_hz: how often the hardware node reads the arms
        timeout_s: response timeout of a servo; None: the usual one
    """

    role: Role
    port: str
    shown: str
    name: str
    calibration: Calibration
    write_calibration: bool
    rate_hz: float
    timeout_s: float | None = None


def check_arm(arm: ArmToCheck, seconds: float) -> Finding:
    """Return whether an arm answers, holds its calibration, and can be read as often as asked for.

    Args:
        arm: the arm
        seconds: how long it is read
    """
    try:
        report = read_servos(
            arm.role,
            arm.port,
            arm.calibration,
            rate_hz=arm.rate_hz,
            seconds=seconds,
            timeout_s=arm.timeout_s,
        )
    except (BusError, DeviceError) as error:
        return Finding(arm.role, FAULT, str(error))
    fine = f"{arm.shown}: calibrated as {arm.name}, {report.rate_hz:.0f} of {arm.rate_hz:g} reads per second"
    fine += f", {report.lowest_v:.1f} V, {report.hottest_c} °C"
    return combined(arm.role, _problems(arm, report), fine)


def _problems(arm: ArmToCheck, report: ServoReport) -> list[tuple[str, str]]:
    found = []
    if report.other_calibration:
        level = WARNING if arm.write_calibration else FAULT
        what = "will be written to the servos" if arm.write_calibration else "see write_calibration"
        found.append((level, f"the servos hold another calibration, {report.other_calibration}: {what}"))
    if report.failed:
        found.append(
            (WARNING, f"{report.failed} of {report.reads + report.failed} reads failed: check its cables")
        )
    if report.rate_hz < _SLOW * arm.rate_hz:
        found.append((WARNING, "slower than asked for: lower rate_hz, or stop other programs"))
    if report.hottest_c >= _HOT_C:
        found.append((WARNING, "a servo is hot: let the arm rest"))
    if report.alarms:
        found.append((FAULT, f"alarms: {report.alarms}"))
    return [each for each in found if each[0] != FINE]

"""Looks at an arm without changing anything: what its servos hold, and how fast they can be read."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.arm import check_servos, differing_calibration
from lerobot_recorder.arms.bus import TIMEOUT_S, ServoBus
from lerobot_recorder.arms.calibration import Calibration, Role
from lerobot_recorder.arms.protocol import Alarm
from lerobot_recorder.errors import BusError

_TRIES = 3


@dataclass(frozen=True)
class ServoReport:
    """What the servos of an arm answered.

    Attributes:
        rate_hz: reads of all positions per second
        reads: number of reads
        failed: number of reads that failed
        lowest_v: lowest supply voltage
        hottest_c: highest temperature of a motor, in degrees Celsius
        alarms: active alarms by joint, as a text; empty: none
        other_calibration: how the servos' calibration differs; empty if it is the same
    """

    rate_hz: float
    reads: int
    failed: int
    lowest_v: float
    hottest_c: int
    alarms: str
    other_calibration: str


def read_servos(
    role: Role,
    port: str,
    calibration: Calibration,
    *,
    rate_hz: float,
    seconds: float,
    timeout_s: float | None = None,
) -> ServoReport:
    """Read an arm for some seconds; writes nothing to its servos.

    Args:
        role: "follower" or "leader"
        port: path of its serial port
        calibration: the calibration that the servos should hold
        rate_hz: reads per second that are tried
        seconds: how long it is read
        timeout_s: response timeout of a servo; None: the usual one

    Raises:
        PortError: the port cannot be opened.
        BusError: a servo does not answer.
        DeviceError: the servos have the wrong model or different firmware.
    """
    names = {joint.id: name for name, joint in calibration.joints.items()}
    bus = ServoBus(port, names=names, timeout_s=timeout_s or TIMEOUT_S)
    try:
        memory = _first(bus, role, calibration)
        blocks = bus.sync_read(calibration.ids, r.CONDITION)
        alarms = {
            names[servo]: Alarm(r.STATUS.within(block, r.CONDITION.address))
            for servo, block in blocks.items()
        }
        reads, failed, took_s = _read_for(bus, calibration, rate_hz, seconds)
        return ServoReport(
            rate_hz=reads / took_s,
            reads=reads,
            failed=failed,
            lowest_v=min(r.PRESENT_VOLTAGE.within(each, r.CONDITION.address) for each in blocks.values())
            / 10,
            hottest_c=max(
                r.PRESENT_TEMPERATURE.within(each, r.CONDITION.address) for each in blocks.values()
            ),
            alarms=", ".join(f"{name} {_alarm_names(alarm)}" for name, alarm in alarms.items() if alarm),
            other_calibration="; ".join(differing_calibration(calibration, memory)),
        )
    finally:
        bus.close()


def _first(bus: ServoBus, role: Role, calibration: Calibration) -> dict[str, bytes]:
    """Read the servos' settings, with retries: servos that have just been powered need a moment."""
    for _ in range(_TRIES - 1):
        try:
            return check_servos(bus, role, calibration)
        except BusError:
            continue
    return check_servos(bus, role, calibration)


def _read_for(
    bus: ServoBus, calibration: Calibration, rate_hz: float, seconds: float
) -> tuple[int, int, float]:
    """Return how many reads succeeded and failed, and how long they took, with the wait after each."""
    start_s, tried, reads = time.monotonic(), 0, 0
    while (now_s := time.monotonic()) < start_s + seconds or not tried:
        time.sleep(max(0.0, start_s + tried / rate_hz - now_s))
        tried += 1
        try:
            bus.sync_read(calibration.ids, r.MOTION)
            reads += 1
        except BusError:
            continue
    return reads, tried - reads, max(time.monotonic() - start_s, tried / rate_hz)


def _alarm_names(alarm: Alarm) -> str:
    return " and ".join(str(flag.name).lower() for flag in Alarm if flag in alarm)

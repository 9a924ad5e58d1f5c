"""Setting an arm's servos up: who they are, how they are calibrated, and what LeRobot writes to them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lerobot_recorder.errors import BusTimeoutError, CalibrationError, DeviceError
from lerobot_recorder.robot import registers as r
from lerobot_recorder.robot.bus import ServoBus
from lerobot_recorder.robot.calibration import Calibration, JointCalibration, Role
from lerobot_recorder.robot.registers import Register

logger = logging.getLogger(__name__)

_MODELS = (777, 2825)
_MULTI_TURN_FEEDBACK = 0x10
_BOTH = {r.RETURN_DELAY_TIME: 0, r.MAXIMUM_ACCELERATION: 254, r.ACCELERATION: 254, r.OPERATING_MODE: 0}
_FOLLOWER = {r.P_COEFFICIENT: 16, r.I_COEFFICIENT: 0, r.D_COEFFICIENT: 32}
_FOLLOWER_GRIPPER = {r.MAX_TORQUE_LIMIT: 500, r.PROTECTION_CURRENT: 250, r.OVERLOAD_TORQUE: 25}
"""As LeRobot 0.6.1: quick answers, full acceleration, soft gains, a gripper that does not burn out."""


def set_up(bus: ServoBus, role: Role, calibration: Calibration, write_calibration: bool) -> None:
    """Set the servos of an arm up; what they exert stays as it is, if it can.

    Args:
        bus: The arm's.
        role: "follower" or "leader"; a leader is let go.
        calibration: What the servos should hold.
        write_calibration: Whether to write it to servos that hold another one.

    Raises:
        BusError: A servo does not answer.
        CalibrationError: The servos hold another calibration.
        DeviceError: They are not the right ones.
    """
    if not bus.answers(calibration.ids):
        raise BusTimeoutError(
            f"no servo of the {role} answers on {bus.port}: check that its power supply is on, and that the "
            "port is the right one"
        )
    memories = bus.sync_read(calibration.ids, r.SETTINGS)
    memory = {name: memories[joint.id] for name, joint in calibration.joints.items()}
    where = f"the {role} on {bus.port}"
    _check_models(memory, where)
    _check_firmware(memory, where)
    _check_calibration(calibration, memory, where, write_calibration)
    for name, joint in calibration.joints.items():
        _configure(bus, joint, memory[name], _settings(role, name, joint, memory[name]), f"{name} of {where}")


def _check_models(memory: Mapping[str, bytes], where: str) -> None:
    for name, block in memory.items():
        model = r.MODEL_NUMBER.within(block, 0)
        if model not in _MODELS:
            found = r.MODELS.get(model, f"model {model}")
            raise DeviceError(f"{name} of {where}: expected an STS3215 servo, found {found}")


def _check_firmware(memory: Mapping[str, bytes], where: str) -> None:
    """Check that all versions are the same, as LeRobot does: servos of different ones move differently."""
    versions = {
        name: f"{r.FIRMWARE_MAJOR.within(block, 0)}.{r.FIRMWARE_MINOR.within(block, 0)}"
        for name, block in memory.items()
    }
    if len(set(versions.values())) > 1:
        found = ", ".join(f"{name} {version}" for name, version in versions.items())
        raise DeviceError(
            f"the servos of {where} have different firmware: {found}. LeRobot refuses that, too: "
            "update them with Feetech's software"
        )


def _check_calibration(
    calibration: Calibration, memory: Mapping[str, bytes], where: str, write_calibration: bool
) -> None:
    differing = [
        f"{name} {_describe(held)} instead of {_describe(joint)}"
        for name, joint in calibration.joints.items()
        if (held := _held_calibration(joint, memory[name])) != joint
    ]
    if differing and not write_calibration:
        raise CalibrationError(
            f"the servos of {where} do not hold this calibration (homing offset, range): "
            f"{'; '.join(differing)}. Give the calibration that belongs to this arm, or set "
            "write_calibration to write this one to the servos"
        )
    if differing:
        logger.warning("Writing the calibration to %s: %s", where, "; ".join(differing))


def _settings(role: Role, name: str, joint: JointCalibration, memory: bytes) -> dict[Register, int]:
    settings = {
        **_BOTH,
        r.PHASE: r.PHASE.within(memory, 0) & ~_MULTI_TURN_FEEDBACK,
        r.HOMING_OFFSET: joint.homing_offset,
        r.MIN_POSITION_LIMIT: joint.range_min,
        r.MAX_POSITION_LIMIT: joint.range_max,
    }
    if role == "leader":
        return {**settings, r.TORQUE_ENABLE: 0}
    return {**settings, **_FOLLOWER, **(_FOLLOWER_GRIPPER if name == "gripper" else {})}


def _configure(
    bus: ServoBus, joint: JointCalibration, memory: bytes, settings: Mapping[Register, int], who: str
) -> None:
    """Write what differs, and only that: an EEPROM wears out."""
    changes = {
        register: value
        for register, value in settings.items()
        if _held(bus, joint.id, register, memory) != value
    }
    if not any(register.address < r.EEPROM_END for register in changes):
        _write_all(bus, joint.id, changes)
        return
    if r.TORQUE_ENABLE.within(memory, 0):
        logger.warning("%s is let go, to be set up", who)
    with _unlocked(bus, joint.id):
        _write_all(bus, joint.id, changes)


def _held(bus: ServoBus, servo: int, register: Register, memory: bytes) -> int:
    if register.address + register.size <= len(memory):
        return register.within(memory, 0)
    return bus.read(servo, register)


def _held_calibration(joint: JointCalibration, memory: bytes) -> JointCalibration:
    """Return the calibration that a servo holds; the id and the drive mode are not in it."""
    return JointCalibration(
        joint.id,
        joint.drive_mode,
        r.HOMING_OFFSET.within(memory, 0),
        r.MIN_POSITION_LIMIT.within(memory, 0),
        r.MAX_POSITION_LIMIT.within(memory, 0),
    )


@contextmanager
def _unlocked(bus: ServoBus, servo: int) -> Iterator[None]:
    """Let the servo go and open its EEPROM; it stays without torque."""
    bus.write(servo, r.TORQUE_ENABLE, 0)
    bus.write(servo, r.LOCK, 0)
    try:
        yield
    finally:
        bus.write(servo, r.LOCK, 1)


def _write_all(bus: ServoBus, servo: int, values: Mapping[Register, int]) -> None:
    for register, value in values.items():
        bus.write(servo, register, value)


def _describe(joint: JointCalibration) -> str:
    return f"{joint.homing_offset}, {joint.range_min} to {joint.range_max}"

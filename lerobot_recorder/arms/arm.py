"""An SO-100 or SO-101 arm on its bus: configured as in LeRobot, read and moved in rad."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.bus import TIMEOUT_S, ServoBus, ServoErrors
from lerobot_recorder.arms.calibration import JOINTS, Calibration, JointCalibration, Role, Vector
from lerobot_recorder.arms.protocol import Alarm
from lerobot_recorder.arms.registers import Block, Register
from lerobot_recorder.arms.settings import Effort
from lerobot_recorder.errors import BusError, BusTimeoutError, CalibrationError, DeviceError

logger = logging.getLogger(__name__)

_MODELS = (777, 2825)
_MULTI_TURN_FEEDBACK = 0x10
_BOTH = {r.RETURN_DELAY_TIME: 0, r.MAXIMUM_ACCELERATION: 254, r.ACCELERATION: 254, r.OPERATING_MODE: 0}
_FOLLOWER = {r.P_COEFFICIENT: 16, r.I_COEFFICIENT: 0, r.D_COEFFICIENT: 32}
_FOLLOWER_GRIPPER = {r.MAX_TORQUE_LIMIT: 500, r.PROTECTION_CURRENT: 250, r.OVERLOAD_TORQUE: 25}
"""As in LeRobot 0.6.1: fast replies, full acceleration, low gains, a gripper that does not overheat."""


def set_up(bus: ServoBus, role: Role, calibration: Calibration, write_calibration: bool) -> None:
    """Configure the servos of an arm. The torque stays as it is if no EEPROM value has to change.

    Args:
        bus: the arm's bus
        role: "follower" or "leader"; the torque of a leader is switched off
        calibration: the calibration that the servos should hold
        write_calibration: whether to write it to servos that hold a different one

    Raises:
        BusError: a servo does not answer.
        CalibrationError: the servos hold a different calibration.
        DeviceError: the servos have the wrong model or different firmware.
    """
    memory = check_servos(bus, role, calibration)
    where = f"the {role} on {bus.port}"
    _check_calibration(calibration, memory, where, write_calibration)
    for name, joint in calibration.joints.items():
        _configure(bus, joint, memory[name], _settings(role, name, joint, memory[name]), f"{name} of {where}")


def check_servos(bus: ServoBus, role: Role, calibration: Calibration) -> dict[str, bytes]:
    """Check that all servos of an arm answer and are of the right kind; return their settings by joint.

    Raises:
        BusError: a servo does not answer.
        DeviceError: the servos have the wrong model or different firmware.
    """
    if not bus.answers(calibration.ids):
        raise BusTimeoutError(
            f"no servo of the {role} answers on {bus.port}: check that its power supply is on and that the "
            "port is correct"
        )
    memories = bus.sync_read(calibration.ids, r.SETTINGS)
    memory = {name: memories[joint.id] for name, joint in calibration.joints.items()}
    where = f"the {role} on {bus.port}"
    _check_models(memory, where)
    _check_firmware(memory, where)
    return memory


def _check_models(memory: Mapping[str, bytes], where: str) -> None:
    for name, block in memory.items():
        model = r.MODEL_NUMBER.within(block, 0)
        if model not in _MODELS:
            found = r.MODELS.get(model, f"model {model}")
            raise DeviceError(f"{name} of {where}: expected an STS3215 servo, found {found}")


def _check_firmware(memory: Mapping[str, bytes], where: str) -> None:
    """Check that all servos have the same firmware, as LeRobot does: different versions move differently."""
    versions = {
        name: f"{r.FIRMWARE_MAJOR.within(block, 0)}.{r.FIRMWARE_MINOR.within(block, 0)}"
        for name, block in memory.items()
    }
    if len(set(versions.values())) > 1:
        found = ", ".join(f"{name} {version}" for name, version in versions.items())
        raise DeviceError(
            f"the servos of {where} have different firmware: {found}. LeRobot also refuses this: "
            "update them with Feetech's software"
        )


def differing_calibration(calibration: Calibration, memory: Mapping[str, bytes]) -> list[str]:
    """Describe how the calibration in the servos' settings differs, one entry per joint."""
    return [
        f"{name} {_describe(held)} instead of {_describe(joint)}"
        for name, joint in calibration.joints.items()
        if (held := _held_calibration(joint, memory[name])) != joint
    ]


def _check_calibration(
    calibration: Calibration, memory: Mapping[str, bytes], where: str, write_calibration: bool
) -> None:
    differing = differing_calibration(calibration, memory)
    if differing and not write_calibration:
        raise CalibrationError(
            f"the servos of {where} do not hold this calibration (homing offset, range): "
            f"{'; '.join(differing)}. Pass the calibration that belongs to this arm, or set "
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
    """Write only what differs: an EEPROM wears out."""
    changes = {
        register: value
        for register, value in settings.items()
        if _held(bus, joint.id, register, memory) != value
    }
    if not any(register.address < r.EEPROM_END for register in changes):
        _write_all(bus, joint.id, changes)
        return
    if r.TORQUE_ENABLE.within(memory, 0):
        logger.warning("Switching off the torque of %s to configure it", who)
    with _unlocked(bus, joint.id):
        _write_all(bus, joint.id, changes)


def _held(bus: ServoBus, servo: int, register: Register, memory: bytes) -> int:
    if register.address + register.size <= len(memory):
        return register.within(memory, 0)
    return bus.read(servo, register)


def _held_calibration(joint: JointCalibration, memory: bytes) -> JointCalibration:
    """Return the calibration that a servo holds; its ID and drive mode are not stored there."""
    return JointCalibration(
        joint.id,
        joint.drive_mode,
        r.HOMING_OFFSET.within(memory, 0),
        r.MIN_POSITION_LIMIT.within(memory, 0),
        r.MAX_POSITION_LIMIT.within(memory, 0),
    )


@contextmanager
def _unlocked(bus: ServoBus, servo: int) -> Iterator[None]:
    """Switch the servo's torque off and unlock its EEPROM; the torque stays off afterwards."""
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


_FULL_LOAD = 1000
_AMPERES = 0.0065
"""Of the register ``Present_Current``, as Feetech's memory table of the STS3215 gives it."""

_FIRST_TRIES = 3

T = TypeVar("T", bound="Arm")


@dataclass(frozen=True)
class JointHealth:
    """Condition of one joint's servo.

    Attributes:
        temperature_c: temperature of the motor, in degrees Celsius
        voltage_v: supply voltage
        load: torque as a fraction of its full torque, -1 to 1
        alarm: its error flags
        powered: whether its torque is on
    """

    temperature_c: int
    voltage_v: float
    load: float
    alarm: Alarm
    powered: bool


_BLOCKS: Mapping[Effort, Block] = {
    "none": r.MOTION,
    "load": r.MOTION_AND_LOAD,
    "current": r.MOTION_AND_CURRENT,
}
_EFFORTS: Mapping[Effort, tuple[Register, float]] = {
    "load": (r.PRESENT_LOAD, 1 / _FULL_LOAD),
    "current": (r.PRESENT_CURRENT, _AMPERES),
}


class Motion(NamedTuple):
    """State of the joints at one time.

    Attributes:
        position_rad: (6,)
        velocity_rad_s: (6,)
        effort: (6,), as ``Arm.effort`` chooses; empty for none
    """

    position_rad: Vector
    velocity_rad_s: Vector
    effort: Vector


class Arm:
    """Six servos as one arm. Not thread-safe.

    Attributes:
        role: "follower" or "leader"
        port: path of its serial port
        calibration: converts between ticks and rad
        can_fall: whether the arm may fall and hit something when it loses its torque
        effort: what is read of the joints' effort
        errors: communication errors of each joint's servo, counted since this object was created
    """

    def __init__(
        self,
        role: Role,
        port: str,
        calibration: Calibration,
        *,
        write_calibration: bool = False,
        timeout_s: float = TIMEOUT_S,
        can_fall: bool = True,
        effort: Effort = "none",
    ) -> None:
        """Create the arm; ``open`` connects it.

        Args:
            role: "follower" or "leader"
            port: path of its serial port
            calibration: the arm's calibration
            write_calibration: write the calibration to servos that hold a different one, else raise an error
            timeout_s: response timeout of a servo, in seconds
            can_fall: whether the arm may fall and hit something when it loses its torque
            effort: what is read of the joints' effort
        """
        self.role = role
        self.port = port
        self.calibration = calibration
        self.can_fall = can_fall
        self.effort = effort
        self._timeout_s = timeout_s
        self.errors = {name: ServoErrors() for name in JOINTS}
        self._ids = dict(zip(JOINTS, calibration.ids, strict=True))
        self._write_calibration = write_calibration
        self._bus: ServoBus | None = None

    def connect(self) -> None:
        """Open the port, check the servos and configure them; see ``set_up`` for their torque.

        Raises:
            PortError: the port cannot be opened.
            BusError: a servo does not answer.
            CalibrationError: the servos hold a different calibration.
            DeviceError: the servos have the wrong model or different firmware.
        """
        self.disconnect()
        names = {servo: name for name, servo in self._ids.items()}
        self._bus = ServoBus(self.port, names=names, timeout_s=self._timeout_s)
        for name, servo in self._ids.items():
            self._bus.errors[servo] = self.errors[name]
        try:
            set_up(self._bus, self.role, self.calibration, self._write_calibration)
        except BaseException:
            self.disconnect()
            raise

    def open(self: T) -> T:
        """Connect for the first time, with retries: servos that have just been powered need a moment.

        Returns:
            This arm.

        Raises:
            DeviceError: the arm cannot be connected; it is closed again. The message says what to do.
        """
        try:
            for _ in range(_FIRST_TRIES - 1):
                try:
                    self.connect()
                    return self
                except BusError as error:
                    logger.debug("Trying again: %s", error)
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def disconnect(self) -> None:
        """Close the port. The servos stay as they are."""
        if self._bus:
            self._bus.close()
            self._bus = None

    def close(self) -> None:
        """Close the port. The servos stay as they are."""
        self.disconnect()

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bus(self) -> ServoBus:
        """The open bus.

        Raises:
            DeviceError: the arm is not connected.
        """
        if self._bus is None:
            raise DeviceError(f"the {self.role} on {self.port} is not connected")
        return self._bus

    @property
    def alarms(self) -> dict[str, Alarm]:
        """The error flags in the last reply of each joint's servo."""
        alarms = self._bus.alarms if self._bus else {}
        return {name: alarms.get(servo, Alarm(0)) for name, servo in self._ids.items()}

    def read(self) -> Motion:
        """Return the joints' positions, velocities and effort, all from one request.

        Raises:
            BusError: a servo does not answer.
            PortError: the port is gone.
        """
        wanted = _BLOCKS[self.effort]
        blocks = self.bus.sync_read(self.calibration.ids, wanted).values()

        def values(register: Register) -> list[int]:
            return [register.within(block, wanted.address) for block in blocks]

        effort = _EFFORTS.get(self.effort)
        return Motion(
            self.calibration.to_rad(values(r.PRESENT_POSITION)),
            self.calibration.velocity_to_rad_s(values(r.PRESENT_VELOCITY)),
            np.zeros(0) if effort is None else np.array(values(effort[0])) * effort[1],
        )

    def write_goal(self, position_rad: Vector) -> None:
        """Send the joints to positions, (6,) rad, clipped to the calibrated limits.

        Raises:
            PortError: the port is gone.
        """
        ticks = np.rint(self.calibration.to_ticks(self.calibration.clip(position_rad))).astype(int)
        self.bus.sync_write(r.GOAL_POSITION, dict(zip(self.calibration.ids, ticks.tolist(), strict=True)))

    def hold_here(self) -> None:
        """Make every joint's present position its goal, and wait until each servo has confirmed.

        Raises:
            BusError: a servo does not answer.
            PortError: the port is gone.
        """
        for servo, block in self.bus.sync_read(self.calibration.ids, r.MOTION).items():
            self.bus.write(servo, r.GOAL_POSITION, r.PRESENT_POSITION.within(block, r.MOTION.address))

    def set_up(self) -> None:
        """Restore the settings that servos lose without power. The torque stays as it is.

        Raises:
            BusError: a servo does not answer.
            PortError: the port is gone.
            DeviceError: the servos are unsuitable or hold a different calibration.
        """
        set_up(self.bus, self.role, self.calibration, self._write_calibration)

    def enable_torque(self, enabled: bool) -> None:
        """Make the servos hold their present positions, or switch their torque off.

        A servo that does not answer does not keep the others from being switched.

        Raises:
            BusError: some servos do not answer. The message names them.
            PortError: the port is gone.
        """
        if enabled:
            self.hold_here()
        failures = []
        for servo in self.calibration.ids:
            try:
                self.bus.write(servo, r.TORQUE_ENABLE, int(enabled))
            except BusError as error:
                failures.append(str(error))
        if failures:
            state = "on" if enabled else "off"
            raise BusError(f"the {self.role}'s torque is not {state} on every joint: {'; '.join(failures)}")

    def health(self) -> dict[str, JointHealth]:
        """Return the condition of each joint's servo.

        Raises:
            BusError: a servo does not answer.
            PortError: the port is gone.
        """
        blocks = self.bus.sync_read(self.calibration.ids, r.CONDITION)
        return {name: _health(blocks[servo]) for name, servo in self._ids.items()}


def _health(block: bytes) -> JointHealth:
    def value(register: Register) -> int:
        return register.within(block, r.CONDITION.address)

    return JointHealth(
        temperature_c=value(r.PRESENT_TEMPERATURE),
        voltage_v=value(r.PRESENT_VOLTAGE) / 10,
        load=value(r.PRESENT_LOAD) / _FULL_LOAD,
        alarm=Alarm(value(r.STATUS)),
        powered=bool(value(r.TORQUE_ENABLE)),
    )

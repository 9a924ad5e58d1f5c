"""An SO-100 or SO-101 arm on its bus: set up as LeRobot does, read and moved in rad."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from lerobot_recorder.errors import BusError, DeviceError
from lerobot_recorder.robot import registers as r
from lerobot_recorder.robot.arm_setup import set_up
from lerobot_recorder.robot.bus import TIMEOUT_S, ServoBus, ServoErrors
from lerobot_recorder.robot.calibration import JOINTS, Calibration, Role, Vector
from lerobot_recorder.robot.protocol import Alarm
from lerobot_recorder.robot.registers import Register
from lerobot_recorder.robot.simulation import SimulatedArm, simulated_arm

logger = logging.getLogger(__name__)

SIMULATED_PORT = "sim"

_FULL_LOAD = 1000
_FIRST_TRIES = 3
_SIMULATED_TIMEOUT_S = 0.1
"""A busy computer lets its simulated servos wait, which real ones would not."""


@dataclass(frozen=True)
class JointHealth:
    """How one joint's servo is.

    Attributes:
        temperature_c: Of the motor, in degrees Celsius.
        voltage_v: Of its supply.
        load: Part of its full torque that it exerts, -1 to 1.
        alarm: What it complains about.
        powered: Whether its torque is on.
    """

    temperature_c: int
    voltage_v: float
    load: float
    alarm: Alarm
    powered: bool


class Arm:
    """Six servos as one arm. For one thread at a time.

    Attributes:
        role: "follower" or "leader".
        port: The path of its serial port.
        calibration: Converts between ticks and rad.
        simulation: The simulated arm behind the port, None for a real one.
        errors: How often each joint's servo has not answered as it should, since the arm was made.
    """

    def __init__(
        self,
        role: Role,
        port: str,
        calibration: Calibration,
        *,
        write_calibration: bool = False,
        simulation: SimulatedArm | None = None,
    ) -> None:
        """Describe an arm; `connect` opens it.

        Args:
            role: "follower" or "leader".
            port: The path of its serial port.
            calibration: The arm's.
            write_calibration: Write it to servos that hold another one, instead of refusing them.
            simulation: The simulated arm behind the port, which is closed together with this one.
        """
        self.role = role
        self.port = port
        self.calibration = calibration
        self.simulation = simulation
        self.errors = {name: ServoErrors() for name in JOINTS}
        self._ids = dict(zip(JOINTS, calibration.ids, strict=True))
        self._write_calibration = write_calibration
        self._bus: ServoBus | None = None

    def connect(self) -> None:
        """Open the port, check who answers, and set the servos up. What they exert stays as it is, if it can.

        Raises:
            PortError: The port cannot be opened.
            BusError: A servo does not answer.
            CalibrationError: The servos are calibrated otherwise.
            DeviceError: They are not the right ones.
        """
        self.disconnect()
        names = {servo: name for name, servo in self._ids.items()}
        timeout_s = _SIMULATED_TIMEOUT_S if self.simulation else TIMEOUT_S
        self._bus = ServoBus(self.port, names=names, timeout_s=timeout_s)
        for name, servo in self._ids.items():
            self._bus.errors[servo] = self.errors[name]
        try:
            set_up(self._bus, self.role, self.calibration, self._write_calibration)
        except BaseException:
            self.disconnect()
            raise

    def disconnect(self) -> None:
        """Close the port. The servos stay as they are."""
        if self._bus:
            self._bus.close()
            self._bus = None

    def close(self) -> None:
        """Close the port, and what is simulated behind it."""
        self.disconnect()
        if self.simulation:
            self.simulation.close()

    def __enter__(self) -> Arm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bus(self) -> ServoBus:
        """The open bus.

        Raises:
            DeviceError: The arm is not connected.
        """
        if self._bus is None:
            raise DeviceError(f"the {self.role} on {self.port} is not connected")
        return self._bus

    @property
    def alarms(self) -> dict[str, Alarm]:
        """What each joint's servo complained about when it last answered."""
        alarms = self._bus.alarms if self._bus else {}
        return {name: alarms.get(servo, Alarm(0)) for name, servo in self._ids.items()}

    def read(self) -> tuple[Vector, Vector]:
        """Return the joints' positions, (6,) rad, and velocities, (6,) rad/s, all from one request.

        Raises:
            BusError: A servo does not answer.
            PortError: The port is gone.
        """
        blocks = self.bus.sync_read(self.calibration.ids, r.MOTION).values()
        ticks = [r.PRESENT_POSITION.within(block, r.MOTION.address) for block in blocks]
        ticks_s = [r.PRESENT_VELOCITY.within(block, r.MOTION.address) for block in blocks]
        return self.calibration.to_rad(ticks), self.calibration.velocity_to_rad_s(ticks_s)

    def write_goal(self, position_rad: Vector) -> None:
        """Send the joints to positions, (6,) rad, within the limits of the calibration.

        Raises:
            PortError: The port is gone.
        """
        ticks = np.rint(self.calibration.to_ticks(self.calibration.clip(position_rad))).astype(int)
        self.bus.sync_write(r.GOAL_POSITION, dict(zip(self.calibration.ids, ticks.tolist(), strict=True)))

    def hold_here(self) -> None:
        """Send every joint to where it is, and make sure that its servo has heard it.

        Raises:
            BusError: A servo does not answer.
            PortError: The port is gone.
        """
        for servo, block in self.bus.sync_read(self.calibration.ids, r.MOTION).items():
            self.bus.write(servo, r.GOAL_POSITION, r.PRESENT_POSITION.within(block, r.MOTION.address))

    def set_up(self) -> None:
        """Bring back what servos forget that have been without power. What they exert stays as it is.

        Raises:
            BusError: A servo does not answer.
            PortError: The port is gone.
            DeviceError: They are not the right ones, or calibrated otherwise.
        """
        set_up(self.bus, self.role, self.calibration, self._write_calibration)

    def enable_torque(self, enabled: bool) -> None:
        """Make the servos hold where they are, or let them go.

        Every servo is told, also when another one does not answer.

        Raises:
            BusError: Some do not answer. The message names them.
            PortError: The port is gone.
        """
        if enabled:
            self.hold_here()
        failures = []
        for name in JOINTS:
            try:
                self._write(name, r.TORQUE_ENABLE, int(enabled))
            except BusError as error:
                failures.append(str(error))
        if failures:
            state = "on" if enabled else "off"
            raise BusError(f"the {self.role}'s torque is not {state} everywhere: {'; '.join(failures)}")

    def health(self) -> dict[str, JointHealth]:
        """Return how each joint's servo is.

        Raises:
            BusError: A servo does not answer.
            PortError: The port is gone.
        """
        blocks = self.bus.sync_read(self.calibration.ids, r.CONDITION)
        return {name: _health(blocks[servo]) for name, servo in self._ids.items()}

    def _write(self, name: str, register: Register, value: int) -> None:
        self.bus.write(self._ids[name], register, value)


def open_arm(role: Role, port: str, calibration: Calibration, *, write_calibration: bool = False) -> Arm:
    """Connect an arm.

    Args:
        role: "follower" or "leader".
        port: The path of its serial port, or "sim" for a simulated arm.
        calibration: The arm's.
        write_calibration: Write the calibration to servos that hold another one, instead of refusing them.

    Raises:
        DeviceError: It cannot be connected. The message says what to do.
    """
    simulation = simulated_arm(role, calibration) if port == SIMULATED_PORT else None
    path = simulation.port if simulation else port
    arm = Arm(role, path, calibration, write_calibration=write_calibration, simulation=simulation)
    try:
        _connect_patiently(arm)
    except BaseException:
        arm.close()
        raise
    return arm


def _connect_patiently(arm: Arm) -> None:
    """Connect for the first time: servos that have just been powered need a moment."""
    for _ in range(_FIRST_TRIES - 1):
        try:
            arm.connect()
            return
        except BusError as error:
            logger.debug("Trying again: %s", error)
    arm.connect()


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

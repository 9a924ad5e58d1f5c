"""Drives the follower: powers it, monitors its servos, sends targets, and releases it at the end."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np

from lerobot_recorder.arms.arm import Arm, JointHealth
from lerobot_recorder.arms.calibration import JOINTS, Vector
from lerobot_recorder.arms.connection import ArmConnection
from lerobot_recorder.arms.kinematics import RESTING, grasp_point
from lerobot_recorder.arms.motion import Motion, Phase, Target
from lerobot_recorder.arms.protocol import Alarm
from lerobot_recorder.arms.report import Durations
from lerobot_recorder.arms.settings import JointSample, TeleopSettings
from lerobot_recorder.errors import DeviceError

HOT_C = 60
"""Temperature of a motor that causes a warning; servos switch themselves off at 70."""
FILTER_TIME_S = 0.3
"""An alarm must last this long: a weak power supply dips briefly when several joints start at once."""

_REASONS = {
    Alarm.VOLTAGE: "its supply voltage is out of range: check the power supply",
    Alarm.ENCODER: "its position sensor has failed: replace the servo",
    Alarm.OVERHEAT: "it is too hot: let it cool down",
    Alarm.OVERCURRENT: "its current is too high: check what blocks it",
    Alarm.OVERLOAD: "it is overloaded: check what blocks it",
}
_GRIPPING = Alarm.OVERLOAD | Alarm.OVERCURRENT
"""Alarms that do not stop a gripper: it is built to press, and reduces its force by itself."""


class ServoMonitor:
    """Keeps the servos' condition and how long each alarm has lasted.

    Attributes:
        health: last known condition of each joint; empty before the first reading
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.health: dict[str, JointHealth] = {}
        self._alarms: dict[str, Alarm] = {}
        self._since: dict[str, float] = {}
        self._clock = clock

    def update(self, alarms: Mapping[str, Alarm]) -> None:
        """Store each joint's present error flags."""
        self._alarms = {name: alarm for name, alarm in alarms.items() if alarm}
        now = self._clock()
        self._since = {
            name: self._since.get(name, now) for name, alarm in alarms.items() if _has_fault(name, alarm)
        }

    def danger(self) -> str:
        """Return why the arm must not be driven; empty if it may be."""
        now = self._clock()
        lasting = [name for name, since in self._since.items() if now - since >= FILTER_TIME_S]
        return "; ".join(f"{name}: {_reason(self._alarms[name])}" for name in lasting)

    @property
    def position_unknown(self) -> bool:
        """Whether a joint's position is unknown, so that no arm may follow it."""
        return any(alarm & Alarm.ENCODER for alarm in self._alarms.values())

    def warnings(self) -> list[str]:
        """Return everything that needs attention."""
        alarms = [f"{name}: {_reason(alarm)}" for name, alarm in self._alarms.items()]
        hot = [
            f"{name} has a temperature of {health.temperature_c} degrees"
            for name, health in self.health.items()
            if health.temperature_c >= HOT_C
        ]
        return alarms + hot


def _has_fault(name: str, alarm: Alarm) -> bool:
    return bool(alarm & ~_GRIPPING if name == "gripper" else alarm)


def _reason(alarm: Alarm) -> str:
    reasons = [reason for flag, reason in _REASONS.items() if alarm & flag]
    return "; ".join(reasons) or f"it reports error {int(alarm):#04x}"


logger = logging.getLogger(__name__)

_HEALTH_PERIOD_S = 0.5
_RELEASE_TRIES = 3
_LEFT_POWERED_S = 1.5
"""Time between the warning that a previous program left the follower powered and its release."""
_RAISED_M = 0.06
_FOLDED_RAD = 0.3


class FollowerDriver:
    """Drives the follower. Only for the thread that talks to the arms.

    Attributes:
        connection: the connection to the arm
        motion: computes its goals; None until the arm has been read
        monitor: monitors its servos
        torque: whether it should be powered
        danger: why it is held until it is driven again; empty if it is not held
        trouble: why switching its torque failed; empty if it did not
        ages: age of each target when it was sent to the arm
    """

    def __init__(self, arm: Arm, torque: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """Take over a connected arm; with ``torque`` it is powered as soon as it has been read."""
        self.connection = ArmConnection(arm, clock)
        self.motion: Motion | None = None
        self.monitor = ServoMonitor(clock)
        self.torque = torque
        self.danger = ""
        self.trouble = ""
        self.ages = Durations()
        self._clock = clock
        self._present: Vector | None = None
        self._powered_connection = 0
        self._release_due = math.inf
        self._goal_reset = True
        self._driven_at = self._health_due = clock()

    @property
    def is_powered(self) -> bool:
        """Whether it is known to be powered: an arm that was disconnected may have lost its torque."""
        return (
            self.torque
            and self.connection.is_connected
            and self._powered_connection == self.connection.connections
        )

    def drive(self, target: Target | None, settings: TeleopSettings) -> Vector | None:
        """Move one tick towards a target; hold if there is none, it is too old, or an alarm is active.

        Returns:
            The requested position of every joint, (6,) rad, once the follower follows; None before.
        """
        now = self._clock()
        elapsed, self._driven_at = now - self._driven_at, now
        if self.motion is None or self._present is None or not self.is_powered:
            return None
        if self.danger or target is None or now - target.time_s > settings.command_timeout_s:
            self.hold()
            return None
        before = self.motion.phase
        goal = self.motion.towards(target.position_rad, self._present, elapsed, settings)
        self._log_phase(before, self.motion)
        if not self.connection.attempt(lambda arm: arm.write_goal(goal)):
            return None
        self.ages.add(self._clock() - target.time_s)
        asked = np.where(np.isnan(target.position_rad), goal, target.position_rad)
        return asked if self.motion.phase == "following" else None

    def read(self) -> JointSample | None:
        """Read the arm and check its servos; None if it cannot be read now."""
        reading = self.connection.read()
        if reading:
            self._present = reading.position_rad
            self.motion = self.motion or Motion(self.connection.arm.calibration, self._present)
            self._check_servos()
        return reading

    def hold(self) -> None:
        """Stay at the last goal; the next target is approached again."""
        if self.motion and self.motion.phase != "holding":
            logger.info("The follower holds: there is no current target")
            self.motion.hold()

    def set_torque(self, enabled: bool) -> None:
        """Power the arm at its present position, or switch its torque off.

        Raises:
            DeviceError: the arm does not answer or must not be driven.
        """
        if enabled:
            self.require_drivable()
            self.connection.do(self._set_up_and_power if self.danger else self._power)
            self.torque, self.danger, self.trouble, self._release_due = True, "", "", math.inf
        else:
            self.torque, self._release_due = False, self._clock()
            self._release_now()

    def resume(self) -> None:
        """Drive the arm again after it was held because of an alarm.

        Raises:
            DeviceError: the arm does not answer, must not be driven, or its torque is off.
        """
        self.require_drivable()
        if not self.torque:
            raise DeviceError("the follower's torque is off: switch it on first")
        if self.danger:
            self.set_torque(True)

    def require_drivable(self) -> None:
        """Check that the arm can be driven.

        Raises:
            DeviceError: it is disconnected or has an active alarm.
        """
        self.connection.require_connected()
        if danger := self.monitor.danger():
            raise DeviceError(f"the follower cannot be driven: {danger}")

    def end(self, settings: TeleopSettings) -> None:
        """Leave the torque as ``torque_on_exit`` requests; log an error if that fails."""
        if not self.torque and self._release_due == math.inf:
            return
        if self.torque and settings.torque_on_exit == "hold":
            logger.info("The follower stays powered (torque_on_exit: hold)")
            return
        if self.connection.is_connected and self._would_fall():
            delay = settings.torque_off_warning_s
            logger.warning(
                "The follower is raised and will fall: hold it. Its torque is switched off in %g s.", delay
            )
            time.sleep(delay)
        self._release()

    @staticmethod
    def _log_phase(before: Phase, motion: Motion) -> None:
        if motion.phase == before:
            return
        if motion.phase == "waiting":
            logger.info("The follower waits for both arms to have the same pose: %s", motion.disagreement)
        else:
            logger.info("The follower is %s", motion.phase)

    def _check_servos(self) -> None:
        if self.torque and not self.is_powered:
            self._power_again()
        elif not self.torque and self._clock() >= self._release_due:
            with suppress(DeviceError):
                self._release_now()
        self.monitor.update(self.connection.arm.alarms)
        if self._clock() >= self._health_due:
            self._health_due = self._clock() + _HEALTH_PERIOD_S
            self.connection.attempt(self._examine)
        if not self.danger and (danger := self.monitor.danger()):
            self._hold_for(danger)
        if not self._goal_reset:
            self._goal_reset = self.connection.attempt(lambda arm: arm.hold_here())

    def _power_again(self) -> None:
        try:
            self.connection.do(self._power)
            self.trouble = ""
        except DeviceError as error:
            self.trouble = f"the follower is not powered: {error}"

    def _set_up_and_power(self, arm: Arm) -> None:
        arm.set_up()
        self._power(arm)

    def _power(self, arm: Arm) -> None:
        arm.enable_torque(True)
        self._powered_connection = self.connection.connections
        if self.motion:
            self.motion.hold(self._present)

    def _release_now(self) -> None:
        """Switch the torque off; if that fails, it is tried again with each reading."""
        try:
            self.connection.do(lambda arm: arm.enable_torque(False))
            self._release_due, self.trouble = math.inf, ""
        except DeviceError as error:
            self.trouble = f"the follower's torque is not off yet: {error}"
            raise

    def _examine(self, arm: Arm) -> None:
        health = self.monitor.health = arm.health()
        if self.torque:
            limp = [name for name, each in health.items() if not each.powered]
            if limp and self.is_powered and not self.danger:
                self._hold_for(
                    f"{', '.join(limp)}: torque lost, perhaps by a voltage drop: check the power supply"
                )
        elif self._release_due == math.inf and any(each.powered for each in health.values()):
            logger.warning(
                "The follower was left powered: hold it. Its torque is switched off in %g s.",
                _LEFT_POWERED_S,
            )
            self._release_due = self._clock() + _LEFT_POWERED_S

    def _hold_for(self, danger: str) -> None:
        """Hold at the present position, which relieves the servos."""
        self.danger, self._goal_reset = danger, False
        if self.motion and self._present is not None:
            self.motion.hold(self._present)
        logger.error("The follower is held: %s. Then enable teleoperation or torque to continue.", danger)

    def _would_fall(self) -> bool:
        """Return whether an arm that can fall is neither folded nor low above the table."""
        if not self.connection.arm.can_fall:
            return False
        if self._present is None:
            return True
        pose = dict(zip(JOINTS, self._present.tolist(), strict=True))
        folded = all(
            abs(pose[name] - RESTING[name]) < _FOLDED_RAD for name in ("shoulder_lift", "elbow_flex")
        )
        return not folded and float(grasp_point(pose)[2]) > _RAISED_M

    def _release(self) -> None:
        trouble = ""
        for _ in range(_RELEASE_TRIES):
            try:
                self.connection.call_reconnecting(lambda arm: arm.enable_torque(False))
                return
            except DeviceError as error:
                trouble = self.connection.trouble or str(error)
        logger.error(
            "Cannot switch off the follower's torque: %s. It stays powered until its power is cut "
            "or it is driven again.",
            trouble,
        )

"""The follower, driven: powered, watched, sent to its targets, and let go at the end."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np

from lerobot_recorder.arms.arm import Arm, JointHealth
from lerobot_recorder.arms.calibration import JOINTS, Vector
from lerobot_recorder.arms.connection import ArmConnection, Reading
from lerobot_recorder.arms.kinematics import RESTING, grasp_point
from lerobot_recorder.arms.motion import Motion, Phase, Target
from lerobot_recorder.arms.protocol import Alarm
from lerobot_recorder.arms.report import Durations
from lerobot_recorder.arms.settings import TeleopSettings
from lerobot_recorder.errors import DeviceError

HOT_C = 60
"""A motor this warm is worth a warning; servos switch themselves off at 70."""
PATIENCE_S = 0.3
"""How long an alarm has to last: a weak power supply dips for moments when several joints start at once."""

_REASONS = {
    Alarm.VOLTAGE: "its supply voltage is out of range: check the power supply",
    Alarm.ENCODER: "its position sensor fails: have the servo replaced",
    Alarm.OVERHEAT: "it is too hot: let it cool down",
    Alarm.OVERCURRENT: "its current is too high: find out what blocks it",
    Alarm.OVERLOAD: "it is overloaded: find out what blocks it",
}
_GRIPPING = Alarm.OVERLOAD | Alarm.OVERCURRENT
"""What is no reason to stop in a gripper: it is made to press, and lowers its own force."""


class ServoMonitor:
    """Remembers how the servos are and for how long.

    Attributes:
        health: How each joint was when last looked at; empty before that.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.health: dict[str, JointHealth] = {}
        self._alarms: dict[str, Alarm] = {}
        self._since: dict[str, float] = {}
        self._clock = clock

    def see(self, alarms: Mapping[str, Alarm]) -> None:
        """Take notice of what each joint complains about now."""
        self._alarms = {name: alarm for name, alarm in alarms.items() if alarm}
        now = self._clock()
        self._since = {
            name: self._since.get(name, now) for name, alarm in alarms.items() if _hurts(name, alarm)
        }

    def danger(self) -> str:
        """Say why the arm must not be driven on; empty if it may."""
        now = self._clock()
        lasting = [name for name, since in self._since.items() if now - since >= PATIENCE_S]
        return "; ".join(f"{name}: {_reason(self._alarms[name])}" for name in lasting)

    @property
    def position_unknown(self) -> bool:
        """Whether a joint does not know where it is, so that nobody must follow it."""
        return any(alarm & Alarm.ENCODER for alarm in self._alarms.values())

    def complaints(self) -> list[str]:
        """Say what wants attention."""
        alarms = [f"{name}: {_reason(alarm)}" for name, alarm in self._alarms.items()]
        hot = [
            f"{name} is {health.temperature_c} degrees warm"
            for name, health in self.health.items()
            if health.temperature_c >= HOT_C
        ]
        return alarms + hot


def _hurts(name: str, alarm: Alarm) -> bool:
    return bool(alarm & ~_GRIPPING if name == "gripper" else alarm)


def _reason(alarm: Alarm) -> str:
    reasons = [reason for flag, reason in _REASONS.items() if alarm & flag]
    return "; ".join(reasons) or f"it reports error {int(alarm):#04x}"


logger = logging.getLogger(__name__)

_HEALTH_PERIOD_S = 0.5
_LETTING_GO_TRIES = 3
_STILL_POWERED_S = 1.5
"""How long before it is let go a follower is announced that was left powered by who drove it before."""
_RAISED_M = 0.06
_FOLDED_RAD = 0.3


class FollowerDriver:
    """What the loop does with the follower. For the thread that talks to the arms.

    Attributes:
        link: The connection to the arm.
        motion: Its goals; None until the arm has been read.
        watch: How its servos are.
        torque: Whether it shall be powered.
        danger: Why it is held until someone drives it again; empty if it is not.
        trouble: Why it is not powered, or not let go, as it shall be; empty if it is.
        ages: How old the targets were when the arm was told.
    """

    def __init__(self, arm: Arm, torque: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """Take an arm that is connected; with ``torque`` it is powered as soon as it has been read."""
        self.link = ArmConnection(arm, clock)
        self.motion: Motion | None = None
        self.watch = ServoMonitor(clock)
        self.torque = torque
        self.danger = ""
        self.trouble = ""
        self.ages = Durations()
        self._clock = clock
        self._present: Vector | None = None
        self._powered_connection = 0
        self._let_go_due = math.inf
        self._relieved = True
        self._driven_at = self._health_due = clock()

    @property
    def is_powered(self) -> bool:
        """Whether it is powered, as far as one knows: an arm that was away may have lost its torque."""
        return self.torque and self.link.up and self._powered_connection == self.link.connections

    def drive(self, target: Target | None, settings: TeleopSettings) -> Vector | None:
        """Go one tick towards a target; hold while there is none, it is too old, or something is wrong.

        Returns:
            Where every joint is asked to be, (6,) rad, once the follower follows; None until then.
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
        self._tell_phase(before, self.motion)
        if not self.link.attempt(lambda arm: arm.write_goal(goal)):
            return None
        self.ages.add(self._clock() - target.time_s)
        asked = np.where(np.isnan(target.position_rad), goal, target.position_rad)
        return asked if self.motion.phase == "following" else None

    def read(self) -> Reading | None:
        """Read the arm and see to it; None if it cannot be read at present."""
        reading = self.link.read()
        if reading:
            self._present = reading.position_rad
            self.motion = self.motion or Motion(self.link.arm.calibration, self._present)
            self._look_after()
        return reading

    def hold(self) -> None:
        """Stay where it was sent last; whatever target comes next is approached anew."""
        if self.motion and self.motion.phase != "holding":
            logger.info("The follower holds: nothing tells it where to go")
            self.motion.hold()

    def set_torque(self, enabled: bool) -> None:
        """Power the arm where it is, or let it go.

        Raises:
            DeviceError: It does not answer, or must not be driven.
        """
        if enabled:
            self.require_well()
            self.link.do(self._set_up_and_power if self.danger else self._power)
            self.torque, self.danger, self.trouble, self._let_go_due = True, "", "", math.inf
        else:
            self.torque, self._let_go_due = False, self._clock()
            self._let_go_now()

    def resume(self) -> None:
        """Drive the arm on that was held because of a danger.

        Raises:
            DeviceError: It does not answer, must not be driven, or its torque is off.
        """
        self.require_well()
        if not self.torque:
            raise DeviceError("the follower's torque is off: switch it on first")
        if self.danger:
            self.set_torque(True)

    def require_well(self) -> None:
        """Check that the arm can be driven.

        Raises:
            DeviceError: It is away, or something still hurts it.
        """
        self.link.require_up()
        if danger := self.watch.danger():
            raise DeviceError(f"the follower cannot be driven: {danger}")

    def leave(self, settings: TeleopSettings) -> None:
        """End as `torque_on_exit` says, and say what cannot be done."""
        if not self.torque and self._let_go_due == math.inf:
            return
        if self.torque and settings.torque_on_exit == "hold":
            logger.info("The follower stays powered, as torque_on_exit says")
            return
        if self.link.up and self._would_fall():
            delay = settings.torque_off_warning_s
            logger.warning(
                "The follower is raised and will fall: hold it. Its torque goes off in %g s.", delay
            )
            time.sleep(delay)
        self._let_go()

    @staticmethod
    def _tell_phase(before: Phase, motion: Motion) -> None:
        if motion.phase == before:
            return
        if motion.phase == "waiting":
            logger.info("The follower waits until both arms are in the same pose: %s", motion.disagreement)
        else:
            logger.info("The follower is %s", motion.phase)

    def _look_after(self) -> None:
        if self.torque and not self.is_powered:
            self._power_again()
        elif not self.torque and self._clock() >= self._let_go_due:
            with suppress(DeviceError):
                self._let_go_now()
        self.watch.see(self.link.arm.alarms)
        if self._clock() >= self._health_due:
            self._health_due = self._clock() + _HEALTH_PERIOD_S
            self.link.attempt(self._examine)
        if not self.danger and (danger := self.watch.danger()):
            self._stop_for(danger)
        if not self._relieved:
            self._relieved = self.link.attempt(lambda arm: arm.hold_here())

    def _power_again(self) -> None:
        try:
            self.link.do(self._power)
            self.trouble = ""
        except DeviceError as error:
            self.trouble = f"the follower is not powered: {error}"

    def _set_up_and_power(self, arm: Arm) -> None:
        arm.set_up()
        self._power(arm)

    def _power(self, arm: Arm) -> None:
        arm.enable_torque(True)
        self._powered_connection = self.link.connections
        if self.motion:
            self.motion.hold(self._present)

    def _let_go_now(self) -> None:
        """Let the arm go; where that fails, it is tried again with each reading."""
        try:
            self.link.do(lambda arm: arm.enable_torque(False))
            self._let_go_due, self.trouble = math.inf, ""
        except DeviceError as error:
            self.trouble = f"the follower is not let go yet: {error}"
            raise

    def _examine(self, arm: Arm) -> None:
        health = self.watch.health = arm.health()
        if self.torque:
            limp = [name for name, each in health.items() if not each.powered]
            if limp and self.is_powered and not self.danger:
                self._stop_for(
                    f"{', '.join(limp)}: torque lost, as when the power dips: check the power supply"
                )
        elif self._let_go_due == math.inf and any(each.powered for each in health.values()):
            logger.warning(
                "The follower is still powered from before: hold it. Its torque goes off in %g s.",
                _STILL_POWERED_S,
            )
            self._let_go_due = self._clock() + _STILL_POWERED_S

    def _stop_for(self, danger: str) -> None:
        """Hold where the arm is, which takes the strain off."""
        self.danger, self._relieved = danger, False
        if self.motion and self._present is not None:
            self.motion.hold(self._present)
        logger.error("The follower is held: %s. Then enable teleoperation or torque to go on.", danger)

    def _would_fall(self) -> bool:
        """Tell whether an arm that can fall is neither folded nor low over the table."""
        if not self.link.arm.can_fall:
            return False
        if self._present is None:
            return True
        pose = dict(zip(JOINTS, self._present.tolist(), strict=True))
        folded = all(
            abs(pose[name] - RESTING[name]) < _FOLDED_RAD for name in ("shoulder_lift", "elbow_flex")
        )
        return not folded and float(grasp_point(pose)[2]) > _RAISED_M

    def _let_go(self) -> None:
        trouble = ""
        for _ in range(_LETTING_GO_TRIES):
            try:
                self.link.call_reconnecting(lambda arm: arm.enable_torque(False))
                return
            except DeviceError as error:
                trouble = self.link.trouble or str(error)
        logger.error(
            "The follower's torque could not be switched off: %s. It stays as it is until its power is cut "
            "or it is driven again.",
            trouble,
        )

"""Looks after an arm's servos: when something hurts them, they are not driven on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from lerobot_recorder.robot.arm import JointHealth
from lerobot_recorder.robot.protocol import Alarm

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


class Watch:
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
    def is_blind(self) -> bool:
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

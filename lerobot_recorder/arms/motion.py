"""Moves the follower from its current pose to the target: slowly at first, then without delay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lerobot_recorder.arms.calibration import GRIPPER, JOINTS, Calibration, Vector
from lerobot_recorder.arms.settings import TeleopSettings

Phase = Literal["holding", "waiting", "approaching", "following"]

_CAUGHT_UP_RAD = 0.03
_CUT_RAD = 1e-6
_LONGEST_STEP_S = 0.05
_TOP_SPEED = 2.0
"""Top speed of an approach relative to its initial speed; reached after one second."""
_BRAKING_PER_S = 4.0
"""An approach is never faster than the remaining way in a quarter of a second."""
_LEADING_RAD_S = 3.0
"""Largest speed of the target that an approach follows in addition to its own."""


@dataclass(frozen=True)
class Target:
    """Target pose of the follower.

    Attributes:
        time_s: time of the target on the monotonic clock
        position_rad: (6,), NaN for joints that keep their last goal
        stamp_ns: time of the target, as ``time.time_ns``
    """

    time_s: float
    position_rad: Vector
    stamp_ns: int = 0


class Motion:
    """Computes the goals of a follower, one per tick. It uses neither a clock nor the bus.

    Attributes:
        phase: "holding", "waiting" for a match, "approaching" the target, or "following" it
        goal: the last goal, (6,) rad
        limited: number of goals that were clipped to the limits or to the largest step
        disagreement: the joint that a match waits for
    """

    def __init__(self, calibration: Calibration, present: Vector) -> None:
        """Start by holding at the present position, (6,) rad."""
        self.phase: Phase = "holding"
        self.goal = present
        self.limited = 0
        self.disagreement = ""
        self._calibration = calibration
        self._approach_s = 0.0
        self._target = present

    def hold(self, present: Vector | None = None) -> None:
        """Stay at the last goal or at the given position; the next target is approached again."""
        self.phase = "holding"
        self._approach_s = 0.0
        if present is not None:
            self.goal = present

    def towards(self, target: Vector, present: Vector, elapsed_s: float, settings: TeleopSettings) -> Vector:
        """Return the next goal.

        Args:
            target: target position, (6,) rad; NaN for joints that keep their goal
            present: present position, (6,) rad
            elapsed_s: time since the previous tick
            settings: limits and speeds
        """
        asked = np.where(np.isnan(target), self.goal, target)
        allowed = self._calibration.clip(asked)
        if self.phase == "following" and self._jumps(allowed, settings.largest_jump_rad):
            self.hold()
        paced = self._paced(allowed, present, min(elapsed_s, _LONGEST_STEP_S), settings)
        self._target = allowed
        self.goal = self._calibration.clip(self._near(paced, present, settings))
        self.limited += _differ(asked, allowed) or _differ(paced, self.goal)
        return self.goal

    def _jumps(self, target: Vector, largest_jump: float) -> bool:
        """Return whether a body joint's target jumps, as when a wrist passes the end of its sensor's turn."""
        return bool(np.abs(target - self._target)[:GRIPPER].max() > largest_jump)

    def _paced(self, target: Vector, present: Vector, elapsed_s: float, settings: TeleopSettings) -> Vector:
        if self.phase == "following":
            return target
        if settings.teleop_start == "match":
            return self._matched(target, present, settings.match_tolerance_rad)
        return self._approached(target, elapsed_s, settings.approach_speed_rad_s)

    def _matched(self, target: Vector, present: Vector, tolerance: float) -> Vector:
        distance = np.abs(target - present)
        farthest = int(np.argmax(distance))
        if distance[farthest] < tolerance:
            self.phase = "following"
            return target
        self.phase = "waiting"
        self.disagreement = f"{JOINTS[farthest]} differs by {np.degrees(distance[farthest]):.0f} degrees"
        return self.goal

    def _approached(self, target: Vector, elapsed_s: float, speed: float) -> Vector:
        """Follow the target's motion and approach it: slowly at the start and at the end."""
        led = np.zeros(len(JOINTS))
        if self.phase == "approaching":
            led = np.clip(target - self._target, -_LEADING_RAD_S * elapsed_s, _LEADING_RAD_S * elapsed_s)
        self.phase = "approaching"
        self._approach_s = min(self._approach_s + elapsed_s, 1.0)
        left = target - (self.goal + led)
        fastest = np.minimum(speed * _TOP_SPEED**self._approach_s, np.abs(left) * _BRAKING_PER_S) * elapsed_s
        goal = self.goal + led + np.clip(left, -fastest, fastest)
        if np.all(np.abs(target - goal) < _CAUGHT_UP_RAD):
            self.phase = "following"
        return np.asarray(goal)

    def _near(self, goal: Vector, present: Vector, settings: TeleopSettings) -> Vector:
        """Return the goal, clipped to the largest step from the present position."""
        if settings.largest_steps is None:
            return goal
        steps = self._calibration.from_lerobot_units(settings.largest_steps)
        return np.asarray(np.clip(goal, present - steps, present + steps))


def _differ(one: Vector, other: Vector) -> bool:
    return bool(np.abs(one - other).max() > _CUT_RAD)

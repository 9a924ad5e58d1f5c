"""How the arms are driven, and what is said of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lerobot_recorder.arms.calibration import JOINTS, Vector
from lerobot_recorder.errors import ConfigError

_POSITIVE = ("approach_speed_rad_s", "match_tolerance_rad", "largest_jump_rad", "command_timeout_s")


@dataclass(frozen=True)
class TeleopSettings:
    """How the follower is driven; all of it may change while it runs.

    Attributes:
        rate_hz: How often the arms are read and the follower is told where to go.
        teleop: Whether the follower follows the leader from the start.
        torque: Whether the follower is powered from the start.
        teleop_start: How it begins to follow: "slow" goes to the leader's pose at a moderate speed, "match"
            waits until someone has brought the leader to the follower's pose.
        approach_speed_rad_s: The speed at which "slow" begins, and at which commands are approached; it rises
            to twice as much, on top of the target's own.
        match_tolerance_rad: How near every joint has to be for "match".
        max_relative_target: How far from where it is a joint may be sent at once, for all joints or by joint,
            in LeRobot's units: degrees, the gripper percent of its range. None for any.
        largest_jump_rad: A target of a body joint that jumps farther, from one moment to the next, is
            approached as at the start.
        command_timeout_s: After this time without a command or a leader's position the follower holds, and
            what comes then is approached anew. A command older than this is refused.
        limit_tolerance_rad: How far beyond the calibrated range a command may be; it is cut to the range.
        torque_on_exit: "off" lets the follower go at the end, "hold" leaves it powered.
        torque_off_warning_s: How long before that a follower that would fall is announced.
    """

    rate_hz: float = 100.0
    teleop: bool = True
    torque: bool = True
    teleop_start: Literal["slow", "match"] = "slow"
    approach_speed_rad_s: float = 0.6
    match_tolerance_rad: float = 0.15
    max_relative_target: float | Mapping[str, float] | None = None
    largest_jump_rad: float = 1.0
    command_timeout_s: float = 0.5
    limit_tolerance_rad: float = 0.05
    torque_on_exit: Literal["off", "hold"] = "off"
    torque_off_warning_s: float = 1.5

    def __post_init__(self) -> None:
        _require(1 <= self.rate_hz <= 500, "rate_hz", "from 1 to 500", self.rate_hz)
        _require(self.teleop_start in ("slow", "match"), "teleop_start", "slow or match", self.teleop_start)
        _require(self.torque_on_exit in ("off", "hold"), "torque_on_exit", "off or hold", self.torque_on_exit)
        for name in _POSITIVE:
            _require_positive(name, getattr(self, name))
        for name, step in self._steps().items():
            _require(name in JOINTS, "max_relative_target", f"joints of {', '.join(JOINTS)}", name)
            _require_positive("max_relative_target", step)
        for name in ("limit_tolerance_rad", "torque_off_warning_s"):
            _require(0 <= getattr(self, name) < 60, name, "at least 0", getattr(self, name))

    @property
    def largest_steps(self) -> Vector | None:
        """`max_relative_target` of every joint, (6,), infinity for any; None where no joint has one."""
        steps = self._steps()
        return np.array([steps.get(name, math.inf) for name in JOINTS]) if steps else None

    def _steps(self) -> Mapping[str, float]:
        if isinstance(self.max_relative_target, Mapping):
            return self.max_relative_target
        return {} if self.max_relative_target is None else dict.fromkeys(JOINTS, self.max_relative_target)


@dataclass(frozen=True)
class JointSample:
    """Where an arm was, or where the follower was sent.

    Attributes:
        source: "follower" or "leader", the arm; or "target", what the follower follows.
        stamp_ns: When that was measured or said, as `time.time_ns`.
        position_rad: (6,), in the order of `names`.
        velocity_rad_s: (6,); empty for a target.
        names: Of the joints.
    """

    source: Literal["follower", "leader", "target"]
    stamp_ns: int
    position_rad: Vector
    velocity_rad_s: Vector = field(default_factory=lambda: np.zeros(0))
    names: tuple[str, ...] = JOINTS


@dataclass(frozen=True)
class RobotStatus:
    """How the arms are, as for ``/diagnostics``.

    Attributes:
        level: 0 all is well, 1 something wants attention, 2 something does not work.
        message: What, in one sentence.
        values: Everything that is counted and measured, by name.
    """

    level: int
    message: str
    values: dict[str, str] = field(default_factory=dict)


def _require(condition: bool, name: str, expected: str, found: object) -> None:
    if not condition:
        raise ConfigError(f"{name}: expected {expected}, found {found!r}")


def _require_positive(name: str, found: float) -> None:
    _require(math.isfinite(found) and found > 0, name, "more than 0", found)

"""Settings and samples of the arms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

import numpy as np

from lerobot_recorder.arms.calibration import JOINTS, Vector
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.settings import check_settings, setting

Unit = Literal["so100", "degrees", "as_published"]
"""Unit of joints in a dataset: LeRobot's units, degrees, or the unit of the topic, which is rad."""

Effort = Literal["none", "load", "current"]
"""What is read of the effort of joints: nothing, the servos' load, or the current of their motors."""

_live = partial(setting, effect="at once")


@dataclass(frozen=True)
class ArmSettings:
    """An arm and its calibration."""

    port: str = setting("", "Serial port; sim: a simulated arm; empty: no arm")
    calibration: str = setting("", "LeRobot's id of the arm, the path of its calibration file, or sim")
    write_calibration: bool = setting(False, "Write the calibration to the servos if they hold another one")
    effort: Effort = setting(
        "none",
        "What is published as effort of the joints; load: fraction of the full torque, -1 to 1, current: of "
        "the motors, in A. Reading it takes time on the bus",
        choices=get_args(Effort),
    )


@dataclass(frozen=True)
class TeleopSettings:
    """How the follower is driven; all of it may change while it runs.

    Attributes:
        max_relative_target: for all joints, or by joint; None: no limit
    """

    rate_hz: float = _live(
        100.0, "How often the arms are read and the follower gets a target", unit="Hz", low=1, high=500
    )
    teleop: bool = setting(True, "The follower follows the leader from the start")
    torque: bool = setting(True, "The follower is powered from the start")
    teleop_start: Literal["slow", "match"] = _live(
        "slow",
        "How the follower begins to follow; slow: it approaches the leader's pose slowly, match: it waits "
        "until the leader is brought to its pose",
        choices=("slow", "match"),
    )
    approach_speed_rad_s: float = _live(
        0.6,
        "Speed at which an approach begins; it rises to twice this value, on top of the target's own speed",
        unit="rad/s",
        low=0.01,
        high=10,
    )
    match_tolerance_rad: float = _live(
        0.15, "Largest difference of any joint at which match is reached", unit="rad", low=0.01, high=3.2
    )
    max_relative_target: float | Mapping[str, float] | None = _live(
        None,
        "Largest distance from its position to which a joint is sent at once, as in LeRobot, for the "
        "gripper in % of its range; 0: no limit",
        unit="deg",
        low=0,
        high=360,
        as_parameter=0.0,
    )
    largest_jump_rad: float = _live(
        1.0,
        "A target of a body joint that jumps farther than this is approached slowly",
        unit="rad",
        low=0.01,
        high=10,
    )
    command_timeout_s: float = _live(
        0.5,
        "Without a command or a position of the leader for this time the follower holds, and approaches the "
        "next target slowly; older commands are refused",
        unit="s",
        low=0.01,
        high=60,
    )
    limit_tolerance_rad: float = _live(
        0.05,
        "How far a command may be outside the calibrated range of a joint; it is limited to the range",
        unit="rad",
        low=0,
        high=1,
    )
    torque_on_exit: Literal["off", "hold"] = _live(
        "off",
        "Torque of the follower when the node ends; off: it is released, hold: it stays powered",
        choices=("off", "hold"),
    )
    torque_off_warning_s: float = _live(
        1.5, "Time between the warning that the follower will fall and its release", unit="s", low=0, high=10
    )

    def __post_init__(self) -> None:
        check_settings(self)
        for name, step in self._steps().items():
            _require(name in JOINTS, "max_relative_target", f"joints of {', '.join(JOINTS)}", name)
            _require(math.isfinite(step) and step > 0, "max_relative_target", "more than 0", step)

    @property
    def largest_steps(self) -> Vector | None:
        """``max_relative_target`` of every joint, (6,), infinity for any; None where no joint has one."""
        steps = self._steps()
        return np.array([steps.get(name, math.inf) for name in JOINTS]) if steps else None

    def _steps(self) -> Mapping[str, float]:
        if isinstance(self.max_relative_target, Mapping):
            return self.max_relative_target
        return {} if self.max_relative_target is None else dict.fromkeys(JOINTS, self.max_relative_target)


@dataclass(frozen=True)
class ReplaySettings:
    """Which episode is replayed, and how."""

    episode: int = setting(0, "Number of the episode", low=0)
    calibration: str = setting(
        "",
        "LeRobot's id of the follower, the path of its calibration file, or sim; empty: as the hardware node",
    )
    unit: Unit = setting("so100", "Unit of the actions in the dataset", choices=get_args(Unit))
    joint_prefix: str = setting(
        "", "Start of the joints' names in a dataset of several arms: left_ replays the left arm"
    )
    approach_speed_rad_s: float = setting(
        0.6, "Speed at which the first pose is approached", unit="rad/s", low=0.01, high=10
    )
    hardware: str = setting("hardware", "Name of the node that drives the follower")


@dataclass(frozen=True)
class JointSample:
    """A position of an arm, or a target of the follower.

    Attributes:
        source: "follower" or "leader", the arm; or "target", what the follower follows
        stamp_ns: time of the measurement or of the target, as ``time.time_ns``
        time_s: the same time on the monotonic clock
        position_rad: (6,), in the order of ``JOINTS``
        velocity_rad_s: (6,); empty for a target
        effort: (6,), in the unit of ``ArmSettings.effort``; empty for a target and if it is not read
    """

    source: Literal["follower", "leader", "target"]
    stamp_ns: int
    time_s: float
    position_rad: Vector
    velocity_rad_s: Vector = field(default_factory=lambda: np.zeros(0))
    effort: Vector = field(default_factory=lambda: np.zeros(0))


def _require(condition: bool, name: str, expected: str, found: object) -> None:
    if not condition:
        raise ConfigError(f"{name}: expected {expected}, found {found!r}")

"""The parameters of the hardware node's arms, and the settings that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lerobot_recorder.arms import JOINTS, TeleopSettings
from lerobot_recorder.nodes.parameters import Parameter

LARGEST_STEP = "max_relative_target"

ARM_PARAMETERS = (
    Parameter("port", "", "Its serial port, sim for a simulated arm, empty for none"),
    Parameter("calibration", "", "LeRobot's id of the arm, the path of its calibration file, or sim"),
    Parameter(
        "write_calibration", False, "Whether a calibration that the servos do not hold is written to them"
    ),
)


def _live(name: str, default: float, text: str, unit: str, *ends: float) -> Parameter:
    return Parameter(name, default, text, unit, *ends, effect="at once")


_MOTION = (
    _live("rate_hz", 100.0, "How often the arms are read and the follower is told", "Hz", 1, 500),
    Parameter(
        "teleop_start",
        "slow",
        "How the follower joins the leader",
        choices=("slow", "match"),
        effect="at once",
    ),
    _live("approach_speed_rad_s", 0.6, "Speed at which a slow approach begins", "rad/s", 0.01, 10),
    _live("match_tolerance_rad", 0.15, "How near all joints must be to match", "rad", 0.01, 3.2),
    _live("largest_jump_rad", 1.0, "A body joint's target that jumps farther is approached", "rad", 0.01, 10),
    _live("limit_tolerance_rad", 0.05, "How far out of a joint's range a command may be", "rad", 0.0, 1.0),
    _live("command_timeout_s", 0.5, "After this silence the follower holds", "s", 0.01, 60),
    Parameter(
        "torque_on_exit", "off", "What is left when the node ends", choices=("off", "hold"), effect="at once"
    ),
    _live("torque_off_warning_s", 1.5, "How long before that a fall is announced", "s", 0.0, 10),
)
_STEPS = (
    _live(
        LARGEST_STEP, 0.0, "LeRobot's: largest step of a joint, of the gripper in %; 0: any", "deg", 0, 360
    ),
    *(
        _live(f"{LARGEST_STEP}.{joint}", 0.0, f"Largest step of {joint}; 0: as {LARGEST_STEP}", unit, 0, 360)
        for joint, unit in zip(JOINTS, ["deg"] * 5 + ["%"], strict=True)
    ),
)
_START = (
    Parameter("teleop", True, "Whether the follower follows the leader from the start"),
    Parameter("torque", True, "Whether the follower is powered from the start"),
)
TELEOP_PARAMETERS = (*_MOTION, *_STEPS, *_START)


def teleop_settings(values: Mapping[str, Any]) -> TeleopSettings:
    """Return the settings that the values of `TELEOP_PARAMETERS` make.

    Raises:
        ConfigError: they cannot be used together.
    """
    named = {parameter.name: values[parameter.name] for parameter in (*_MOTION, *_START)}
    return TeleopSettings(**named, max_relative_target=_largest_steps(values))


def _largest_steps(values: Mapping[str, Any]) -> dict[str, float] | None:
    steps = {joint: values[f"{LARGEST_STEP}.{joint}"] or values[LARGEST_STEP] for joint in JOINTS}
    return {joint: step for joint, step in steps.items() if step} or None

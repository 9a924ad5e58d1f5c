"""Calibrates an arm by LeRobot's procedure: first the middle, then the range of each joint.

LeRobot assumes that a gripper closes at the lower end of its range. Here the operator closes it in the last
step, and its position decides the drive mode: 0 is closed, however the servo is mounted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.bus import ServoBus
from lerobot_recorder.arms.calibration import JOINTS, Calibration, JointCalibration
from lerobot_recorder.arms.registers import Register
from lerobot_recorder.errors import CalibrationError

STANDARD_IDS = {name: number for number, name in enumerate(JOINTS, 1)}
FULL_TURN = "wrist_roll"
"""The joint without end stops: it is calibrated to a full turn and does not have to be moved."""

_HIGHEST = r.TICKS_PER_TURN - 1
_MIDDLE = _HIGHEST // 2
_JUMP = 3000
"""No hand moves a joint this far between two readings."""

_LEAST_RANGE = 100
"""In ticks, 9 degrees: an encoder at rest jitters by a few ticks, and every joint moves much farther."""
_CLOSED_PART = 0.25
"""A closed gripper is within this fraction of its range from one of its ends."""


@dataclass(frozen=True)
class JointRange:
    """Range in which a joint has been moved, in ticks."""

    lowest: int
    present: int
    highest: int


class Calibrator:
    """One calibration of one arm: ``set_middle``, repeated ``observe``, ``check_ranges``, ``finish``.

    Attributes:
        ranges: the range in which each joint has been moved
    """

    def __init__(self, bus: ServoBus, ids: Mapping[str, int] | None = None) -> None:
        """Switch the torque off, so that the arm can be moved by hand.

        Args:
            bus: the arm's bus
            ids: IDs of the servos by joint; None: 1 to 6 in the order of ``JOINTS``

        Raises:
            BusError: a servo does not answer.
        """
        self.ranges: dict[str, JointRange] = {}
        self._bus = bus
        self._ids = dict(ids or STANDARD_IDS)
        self._offsets: dict[str, int] = {}
        for register in (r.TORQUE_ENABLE, r.LOCK, r.OPERATING_MODE):
            self._write_all(register, dict.fromkeys(self._ids, 0))

    def set_middle(self) -> None:
        """Make the present position of every joint the middle of its servo's turn.

        Raises:
            BusError: a servo does not answer.
            CalibrationError: a servo reports a position outside one turn.
        """
        self._write_all(r.HOMING_OFFSET, dict.fromkeys(self._ids, 0))
        self._write_all(r.MIN_POSITION_LIMIT, dict.fromkeys(self._ids, 0))
        self._write_all(r.MAX_POSITION_LIMIT, dict.fromkeys(self._ids, _HIGHEST))
        self._offsets = {name: _offset(name, ticks) for name, ticks in self._positions().items()}
        self._write_all(r.HOMING_OFFSET, self._offsets)
        self.ranges = {}

    def observe(self) -> dict[str, JointRange]:
        """Read the joints' positions, and return the range in which each has been moved.

        Raises:
            BusError: a servo does not answer.
            CalibrationError: a joint was moved past the end of its servo's turn.
        """
        for name, ticks in self._positions().items():
            self.ranges[name] = _widened(name, self.ranges.get(name, JointRange(ticks, ticks, ticks)), ticks)
        return self.ranges

    def check_ranges(self) -> None:
        """Check that every joint has been moved.

        Raises:
            CalibrationError: a joint has not been moved. The message names it.
        """
        for name in JOINTS:
            seen = self.ranges.get(name)
            if name != FULL_TURN and (seen is None or seen.highest - seen.lowest < _LEAST_RANGE):
                raise CalibrationError(
                    f"{name} was not moved: move every joint except {FULL_TURN} through its full range"
                )

    def finish(self) -> Calibration:
        """Write the calibration to the servos and return it. The gripper must be closed during the call.

        Raises:
            BusError: a servo does not answer.
            CalibrationError: a joint was not moved, or the gripper is not closed.
        """
        self.observe()
        self.check_ranges()
        calibration = Calibration({name: self._joint(name) for name in JOINTS})
        joints = calibration.joints
        self._write_all(r.MIN_POSITION_LIMIT, {name: joint.range_min for name, joint in joints.items()})
        self._write_all(r.MAX_POSITION_LIMIT, {name: joint.range_max for name, joint in joints.items()})
        self._write_all(r.LOCK, dict.fromkeys(self._ids, 1))
        return calibration

    def _joint(self, name: str) -> JointCalibration:
        if name == FULL_TURN:
            return JointCalibration(self._ids[name], 0, self._offsets[name], 0, _HIGHEST)
        seen = self.ranges[name]
        drive_mode = _drive_mode(seen) if name == "gripper" else 0
        return JointCalibration(self._ids[name], drive_mode, self._offsets[name], seen.lowest, seen.highest)

    def _positions(self) -> dict[str, int]:
        blocks = self._bus.sync_read(list(self._ids.values()), r.MOTION)
        return {
            name: r.PRESENT_POSITION.within(blocks[servo], r.MOTION.address)
            for name, servo in self._ids.items()
        }

    def _write_all(self, register: Register, values: Mapping[str, int]) -> None:
        for name, value in values.items():
            self._bus.write(self._ids[name], register, value)


def _offset(name: str, ticks: int) -> int:
    """Return the homing offset that makes a position the middle, or the tick next to it."""
    if not 0 <= ticks <= _HIGHEST:
        raise CalibrationError(
            f"the servo of {name} reports position {ticks}, expected 0 to {_HIGHEST}: switch the arm's power "
            "off and on, and start again"
        )
    return min(ticks - _MIDDLE, r.LARGEST_HOMING_OFFSET)


def _drive_mode(closed: JointRange) -> int:
    """Return 0 for a gripper that is closed at the lower end of its range, 1 for one at the upper end."""
    part = (closed.present - closed.lowest) / (closed.highest - closed.lowest)
    if _CLOSED_PART < part < 1 - _CLOSED_PART:
        raise CalibrationError(
            f"the gripper is at {part:.0%} of its range, expected near one end: close it and keep it closed"
        )
    return int(part > 0.5)


def _widened(name: str, seen: JointRange, ticks: int) -> JointRange:
    if name != FULL_TURN and abs(ticks - seen.present) > _JUMP:
        raise CalibrationError(
            f"{name} moved past the end of its servo's turn: move every joint to the middle of its range "
            "and start again"
        )
    return JointRange(min(seen.lowest, ticks), ticks, max(seen.highest, ticks))

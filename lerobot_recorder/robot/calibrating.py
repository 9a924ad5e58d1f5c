"""Calibrating an arm by LeRobot's procedure: its middle first, then how far each joint goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lerobot_recorder.errors import CalibrationError
from lerobot_recorder.robot import registers as r
from lerobot_recorder.robot.bus import ServoBus
from lerobot_recorder.robot.calibration import JOINTS, Calibration, JointCalibration
from lerobot_recorder.robot.registers import Register

STANDARD_IDS = {name: number for number, name in enumerate(JOINTS, 1)}
FULL_TURN = "wrist_roll"
"""The joint that has no ends: it is calibrated to a full turn, and need not be moved."""

_HIGHEST = r.TICKS_PER_TURN - 1
_MIDDLE = _HIGHEST // 2
_LARGEST_OFFSET = 2047
_JUMP = 3000
"""No hand moves a joint so far between two looks at it."""

_LEAST_RANGE = 100
"""In ticks, 9 degrees: an encoder at rest jitters by a few, every joint goes much farther."""


@dataclass(frozen=True)
class JointRange:
    """How far a joint has been moved, in ticks."""

    lowest: int
    present: int
    highest: int


class Calibrator:
    """One calibration of one arm: `set_middle`, `observe` again and again, `finish`.

    Attributes:
        ranges: How far each joint has been moved.
    """

    def __init__(self, bus: ServoBus, ids: Mapping[str, int] | None = None) -> None:
        """Let the arm go, so that it can be moved by hand.

        Args:
            bus: The arm's.
            ids: The servos' ids by joint; 1 to 6 in the order of `JOINTS` if None.

        Raises:
            BusError: A servo does not answer.
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
            BusError: A servo does not answer.
        """
        self._write_all(r.HOMING_OFFSET, dict.fromkeys(self._ids, 0))
        self._write_all(r.MIN_POSITION_LIMIT, dict.fromkeys(self._ids, 0))
        self._write_all(r.MAX_POSITION_LIMIT, dict.fromkeys(self._ids, _HIGHEST))
        self._offsets = {name: _offset(ticks) for name, ticks in self._positions().items()}
        self._write_all(r.HOMING_OFFSET, self._offsets)
        self.ranges = {}

    def observe(self) -> dict[str, JointRange]:
        """Take notice of where the joints are, and return how far each has been moved.

        Raises:
            BusError: A servo does not answer.
            CalibrationError: A joint was moved past the end of its servo's turn.
        """
        for name, ticks in self._positions().items():
            self.ranges[name] = _widened(name, self.ranges.get(name, JointRange(ticks, ticks, ticks)), ticks)
        return self.ranges

    def finish(self) -> Calibration:
        """Write the calibration to the servos, and return it.

        Raises:
            BusError: A servo does not answer.
            CalibrationError: A joint was not moved.
        """
        calibration = Calibration({name: self._joint(name) for name in JOINTS})
        joints = calibration.joints
        self._write_all(r.MIN_POSITION_LIMIT, {name: joint.range_min for name, joint in joints.items()})
        self._write_all(r.MAX_POSITION_LIMIT, {name: joint.range_max for name, joint in joints.items()})
        self._write_all(r.LOCK, dict.fromkeys(self._ids, 1))
        return calibration

    def _joint(self, name: str) -> JointCalibration:
        if name == FULL_TURN:
            return JointCalibration(self._ids[name], 0, self._offsets[name], 0, _HIGHEST)
        seen = self.ranges.get(name)
        if seen is None or seen.highest - seen.lowest < _LEAST_RANGE:
            raise CalibrationError(
                f"{name} was not moved: move every joint but {FULL_TURN} through all its range"
            )
        return JointCalibration(self._ids[name], 0, self._offsets[name], seen.lowest, seen.highest)

    def _positions(self) -> dict[str, int]:
        blocks = self._bus.sync_read(list(self._ids.values()), r.MOTION)
        return {
            name: r.PRESENT_POSITION.within(blocks[servo], r.MOTION.address)
            for name, servo in self._ids.items()
        }

    def _write_all(self, register: Register, values: Mapping[str, int]) -> None:
        for name, value in values.items():
            self._bus.write(self._ids[name], register, value)


def _offset(ticks: int) -> int:
    """Return the homing offset that brings a position to the middle; the register holds no more than 2047."""
    return min(ticks - _MIDDLE, _LARGEST_OFFSET)


def _widened(name: str, seen: JointRange, ticks: int) -> JointRange:
    if name != FULL_TURN and abs(ticks - seen.present) > _JUMP:
        raise CalibrationError(
            f"{name} went past the end of its servo's turn: bring every joint to the middle of its range, "
            "and begin again"
        )
    return JointRange(min(seen.lowest, ticks), ticks, max(seen.highest, ticks))

"""Calibrations of SO-100 and SO-101 arms in LeRobot's files, and unit conversion.

Angles are in rad. Zero of a body joint is the middle of its calibrated range, so that ``np.degrees`` gives
LeRobot's degrees; zero of the gripper is closed, and it opens in the positive direction.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from lerobot_recorder.arms.protocol import MAX_ID
from lerobot_recorder.arms.registers import LARGEST_HOMING_OFFSET, TICKS_PER_TURN
from lerobot_recorder.errors import CalibrationError
from lerobot_recorder.excerpt import excerpt

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
GRIPPER = JOINTS.index("gripper")
RAD_PER_TICK = 2 * np.pi / 4095
"""As in LeRobot: 4095 ticks per turn."""

Role = Literal["follower", "leader"]

Vector = npt.NDArray[np.float64]
"""One value per joint, in the order of ``JOINTS``."""

_ALLOWED: Final = {
    "id": (0, MAX_ID),
    "drive_mode": (0, 1),
    "homing_offset": (-LARGEST_HOMING_OFFSET, LARGEST_HOMING_OFFSET),
    "range_min": (0, TICKS_PER_TURN - 1),
    "range_max": (0, TICKS_PER_TURN - 1),
}
"""Lowest and highest values that the registers of an STS3215 can hold."""

_OLD_FORMAT: Final = frozenset({"motor_names", "calib_mode", "start_pos", "end_pos"})
"""Entries of a calibration file from before LeRobot's hardware API of June 2025."""

_LEROBOT_DIRECTORIES = {
    "follower": ("robots/so_follower", "robots/so101_follower", "robots/so100_follower"),
    "leader": ("teleoperators/so_leader", "teleoperators/so101_leader", "teleoperators/so100_leader"),
}


@dataclass(frozen=True)
class JointCalibration:
    """One joint, as in LeRobot's file.

    Attributes:
        id: ID of the servo
        drive_mode: 1 for a gripper that closes at ``range_max``, else 0; ignored for joints in degrees, as in
            LeRobot
        homing_offset: ticks that the servo subtracts from its encoder's position
        range_min: ticks at one end of the joint's range
        range_max: ticks at the other
    """

    id: int
    drive_mode: int
    homing_offset: int
    range_min: int
    range_max: int


class Calibration:
    """The calibration of one arm; converts between ticks, rad and LeRobot's units.

    Attributes:
        joints: calibration of each joint by name, in the order of ``JOINTS``
        ids: IDs of the servos in the same order
        limits_rad: lowest and highest calibrated angle of each joint, (6, 2)
    """

    def __init__(self, joints: Mapping[str, JointCalibration]) -> None:
        """Check and store the calibration of every joint.

        Raises:
            CalibrationError: a joint is missing or unknown, its servo cannot hold a value, a range is empty,
                or an ID is used twice.
        """
        _validate(joints)
        self.joints = {name: joints[name] for name in JOINTS}
        self.ids = tuple(joint.id for joint in self.joints.values())
        self._zero_ticks = np.array([_zero_ticks(name, joint) for name, joint in self.joints.items()])
        self._rad_per_tick = np.full(len(JOINTS), RAD_PER_TICK)
        if self.joints["gripper"].drive_mode:
            self._rad_per_tick[GRIPPER] = -RAD_PER_TICK
        ends = np.array([(joint.range_min, joint.range_max) for joint in self.joints.values()])
        self.limits_rad = np.sort(self.to_rad(ends.T).T, axis=1)
        self._gripper_span_rad = self.limits_rad[GRIPPER, 1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Calibration) and self.joints == other.joints

    def __hash__(self) -> int:
        return hash(tuple(self.joints.values()))

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read a calibration file of LeRobot.

        Raises:
            CalibrationError: the file cannot be read or does not calibrate these joints.
        """
        try:
            return cls.parse(Path(path).read_text())
        except (OSError, ValueError) as error:
            raise CalibrationError(f"cannot use calibration {path}: {error}") from error

    @classmethod
    def parse(cls, text: str) -> Calibration:
        """Read the content of a calibration file of LeRobot.

        Raises:
            ValueError: it is no JSON; a `CalibrationError` if it does not calibrate these joints.
        """
        entries = json.loads(text)
        _require_joints(entries)
        return cls({name: _joint(name, entry) for name, entry in entries.items()})

    def save(self, path: Path) -> None:
        """Write the calibration as LeRobot does."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text())

    def text(self) -> str:
        """Return the content of LeRobot's file."""
        return json.dumps({name: asdict(joint) for name, joint in self.joints.items()}, indent=4)

    def to_rad(self, ticks: npt.ArrayLike) -> Vector:
        """Return angles in rad for positions in ticks, (..., 6)."""
        return np.asarray((np.asarray(ticks) - self._zero_ticks) * self._rad_per_tick)

    def velocity_to_rad_s(self, ticks_s: npt.ArrayLike) -> Vector:
        """Return velocities in rad/s for ticks/s, (..., 6)."""
        return np.asarray(np.asarray(ticks_s) * self._rad_per_tick)

    def to_ticks(self, position_rad: npt.ArrayLike) -> Vector:
        """Return positions in ticks, not rounded, for angles in rad, (..., 6)."""
        return np.asarray(np.asarray(position_rad) / self._rad_per_tick + self._zero_ticks)

    def lerobot_units(self, position_rad: npt.ArrayLike) -> Vector:
        """Return a pose as LeRobot records it, (..., 6): body joints in degrees, the gripper 0 to 100."""
        values = np.degrees(np.asarray(position_rad, dtype=np.float64))
        opening = np.asarray(position_rad)[..., GRIPPER] / self._gripper_span_rad
        values[..., GRIPPER] = np.clip(opening * 100, 0, 100)
        return np.asarray(values)

    def from_lerobot_units(self, values: npt.ArrayLike) -> Vector:
        """Return a pose in rad, (..., 6), from one in LeRobot's units."""
        position = np.radians(np.asarray(values, dtype=np.float64))
        opening = np.clip(np.asarray(values, dtype=np.float64)[..., GRIPPER] / 100, 0, 1)
        position[..., GRIPPER] = opening * self._gripper_span_rad
        return np.asarray(position)

    def clip(self, position_rad: npt.ArrayLike) -> Vector:
        """Return the pose clipped to the limits."""
        return np.asarray(np.clip(position_rad, self.limits_rad[:, 0], self.limits_rad[:, 1]))


def load_calibration(name_or_path: str, role: Role) -> Calibration:
    """Load an arm's calibration.

    Args:
        name_or_path: ID in LeRobot (``robot_id``), path, or "sim" for the calibration of a simulated arm
        role: "follower" or "leader"

    Raises:
        CalibrationError: the calibration does not exist or cannot be used.
    """
    if name_or_path == "sim":
        return SIMULATED
    return Calibration.load(find_calibration(name_or_path, role))


def find_calibration(name_or_path: str, role: Role) -> Path:
    """Find a calibration file by its path, or by its ID in LeRobot's directories.

    Raises:
        CalibrationError: there is no such file. The message lists the paths that were tried.
    """
    if not name_or_path:
        raise CalibrationError(
            f"the {role} needs a calibration: pass its ID in LeRobot or the path of its file"
        )
    if "/" in name_or_path or name_or_path.endswith(".json"):
        places = [Path(name_or_path).expanduser()]
    else:
        places = [directory / f"{name_or_path}.json" for directory in _directories(role)]
    for path in places:
        if path.is_file():
            return path
    searched = ", ".join(map(str, places))
    raise CalibrationError(
        f"no calibration of the {role} {name_or_path!r} at {searched}: calibrate the arm with "
        "'lerobot-recorder calibrate', or pass the id or the path of its file"
    )


def default_path(name: str, role: Role) -> Path:
    """Return the path at which LeRobot 0.6 keeps the calibration of the arm with this ID."""
    return _directories(role)[0] / f"{name}.json"


def _directories(role: Role) -> list[Path]:
    return [calibration_home() / directory for directory in _LEROBOT_DIRECTORIES[role]]


def calibration_home() -> Path:
    """Return the directory of LeRobot's calibrations on this machine."""
    if own := os.environ.get("HF_LEROBOT_CALIBRATION"):
        return Path(own).expanduser()
    if lerobot := os.environ.get("HF_LEROBOT_HOME"):
        return Path(lerobot).expanduser() / "calibration"
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    huggingface = os.environ.get("HF_HOME")
    home = Path(huggingface).expanduser() if huggingface else cache / "huggingface"
    return home / "lerobot" / "calibration"


def _require_joints(entries: object) -> None:
    if not isinstance(entries, dict):
        raise CalibrationError(f"expected an entry for each joint, found {excerpt(entries)}")
    if _OLD_FORMAT & entries.keys():
        raise CalibrationError(
            "it is in LeRobot's old format (lists of homing_offset, drive_mode, start_pos and end_pos), "
            "whose offsets do not match those in a servo: calibrate the arm again with "
            "'lerobot-recorder calibrate' or with a current LeRobot"
        )


def _joint(name: str, entry: Mapping[str, Any]) -> JointCalibration:
    try:
        values = {field.name: entry[field.name] for field in fields(JointCalibration)}
    except (KeyError, TypeError) as error:
        raise CalibrationError(
            f"{name}: expected id, drive_mode, homing_offset, range_min and range_max"
        ) from error
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise CalibrationError(f"{name}: {key} is {value!r}, expected an integer")
    return JointCalibration(**values)


def _validate(joints: Mapping[str, JointCalibration]) -> None:
    if set(joints) != set(JOINTS):
        raise CalibrationError(
            f"expected the joints {', '.join(JOINTS)}, found {', '.join(joints) or 'none'}"
        )
    for name, joint in joints.items():
        _check_values(name, joint)
        if not joint.range_min < joint.range_max:
            raise CalibrationError(
                f"{name}: range_min {joint.range_min} is not below range_max {joint.range_max}"
            )
    if len({joint.id for joint in joints.values()}) < len(joints):
        raise CalibrationError("two joints have the same ID")


def _check_values(name: str, joint: JointCalibration) -> None:
    """Refuse values that a servo's registers cannot hold, before any is written."""
    for key, (lowest, highest) in _ALLOWED.items():
        if not lowest <= (value := getattr(joint, key)) <= highest:
            raise CalibrationError(
                f"{name}: {key} is {value}, a servo holds {lowest} to {highest}: calibrate the arm again"
            )


def _zero_ticks(name: str, joint: JointCalibration) -> float:
    if name != "gripper":
        return (joint.range_min + joint.range_max) / 2
    return joint.range_max if joint.drive_mode else joint.range_min


SIMULATED = Calibration(
    {
        "shoulder_pan": JointCalibration(1, 0, -117, 796, 3299),
        "shoulder_lift": JointCalibration(2, 0, 1032, 910, 3185),
        "elbow_flex": JointCalibration(3, 0, -964, 946, 3149),
        "wrist_flex": JointCalibration(4, 0, 254, 966, 3129),
        "wrist_roll": JointCalibration(5, 0, 71, 0, 4095),
        "gripper": JointCalibration(6, 0, 1373, 2010, 3262),
    }
)
"""Calibration of the simulated arms: the joint ranges of the SO-101's published model."""

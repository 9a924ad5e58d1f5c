"""Joints and units of a feature's values, from the set-up that an episode was recorded with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from lerobot_recorder.arms import JOINTS, Calibration, Unit
from lerobot_recorder.dataset import SetupFiles
from lerobot_recorder.errors import CalibrationError
from lerobot_recorder.topics import DESCRIPTION_FILE

Vector = npt.NDArray[np.float64]

AS_PUBLISHED = "as published"
_QUANTITIES = ("position", "velocity", "effort")
_RAD = {"position": "rad", "velocity": "rad/s"}


@dataclass(frozen=True)
class Part:
    """The values of a feature that one stream has filled.

    Attributes:
        stream: name of the stream.
        values: which of the feature's values.
        joints: the robot's names of the joints.
        quantity: ``position``, ``velocity`` or ``effort``.
        unit: unit in the dataset, as in the parameters of a stream.
        arm_joints: for the unit ``so100``, the joint of the arm that each value is of.
        calibration: for the unit ``so100``, the arm's calibration.
        calibration_file: its name in the set-up.
    """

    stream: str
    values: slice
    joints: tuple[str, ...]
    quantity: str
    unit: str
    arm_joints: tuple[str, ...] = ()
    calibration: Calibration | None = None
    calibration_file: str = ""

    @property
    def ros_unit(self) -> str:
        """The unit of what `to_ros` returns."""
        return AS_PUBLISHED if self.unit == "as_published" else _RAD[self.quantity]

    @property
    def calibration_text(self) -> str:
        """The content of the calibration; empty if there is none."""
        return self.calibration.text() if self.calibration else ""

    def to_ros(self, values: Vector) -> Vector:
        """Return values as the robot has published them."""
        if self.unit == "degrees":
            return np.radians(values)
        if self.calibration is None:
            return values
        to_arm = [self.arm_joints.index(joint) for joint in JOINTS]
        from_arm = [JOINTS.index(joint) for joint in self.arm_joints]
        return self.calibration.from_lerobot_units(values[to_arm])[from_arm]


def parts_of(key: str, names: Sequence[str], setup: SetupFiles) -> list[Part]:
    """Return the parts of a feature; none if the set-up does not tell the joints and units of all its values.

    Args:
        key: the feature.
        names: names of its values.
        setup: the files of the set-up.
    """
    try:
        described = json.loads(setup[DESCRIPTION_FILE])["features"][key]
        if [name for each in described for name in each["names"]] != list(names):
            return []
        return list(_parts(described, setup))
    except (KeyError, TypeError, ValueError, AttributeError, CalibrationError):  # of another version
        return []


def stream_of(key: str, setup: SetupFiles) -> str:
    """Return the name of the first stream that has filled a feature; empty if it is unknown."""
    try:
        return str(json.loads(setup[DESCRIPTION_FILE])["features"][key][0]["stream"])
    except (KeyError, IndexError, TypeError, ValueError):
        return ""


def _parts(described: Sequence[Mapping[str, Any]], setup: SetupFiles) -> Iterator[Part]:
    start = 0
    for each in described:
        joints, unit, quantity = tuple(each["joints"]), each["unit"], each["quantity"]
        stop = start + len(joints)
        values = slice(start, stop)
        if quantity not in _QUANTITIES or unit not in get_args(Unit) or len(each["names"]) != len(joints):
            raise ValueError(f"{each['stream']}: {quantity} of {len(joints)} joints in {unit}")
        part = Part(str(each["stream"]), values, joints, quantity, unit)
        if unit == "so100":
            file, arm = each["calibration"], tuple(each["arm_joints"])
            if sorted(arm) != sorted(JOINTS):
                raise ValueError(f"{each['stream']}: expected the joints of an arm, found {arm}")
            calibration = Calibration.parse(setup[file])
            part = Part(part.stream, values, joints, quantity, unit, arm, calibration, file)
        yield part
        start = stop

"""What is known of a robot while it is recorded, as files to keep beside the dataset.

::

    setup.json                    versions, and the topic, meaning and unit of each stream
    recorder.yaml                 parameters of the recorder with which the same topics give the same rows
    parameters/<file>             the parameter files that it was started with
    robot_description.urdf        what was published on robot_description
    camera_info/<stream>.yaml     calibration of the recorded images, as camera_calibration writes it
    calibrations/<arm>.json       calibrations of SO-100 and SO-101 arms, as LeRobot writes them

A name and password in an address of any of these are replaced by ``***``.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from lerobot_recorder.arms import load_calibration
from lerobot_recorder.cameras import CameraCalibration, camera_calibration_text, read_camera_calibration
from lerobot_recorder.dataset import SetupFiles
from lerobot_recorder.errors import CalibrationError, ConfigError, ImageError
from lerobot_recorder.parameter_files import read_sections
from lerobot_recorder.topics.bindings import StreamBinding, arm_joints
from lerobot_recorder.topics.camera_info import adjusted_camera_info
from lerobot_recorder.topics.settings import RowSettings, StreamSettings
from lerobot_recorder.topics.transform import Rotation

DESCRIPTION_FILE = "setup.json"
RECORDER_FILE = "recorder.yaml"
ROBOT_FILE = "robot_description.urdf"
CAMERA_FOLDER = "camera_info"
CALIBRATION_FOLDER = "calibrations"

_PARAMETERS_FOLDER = "parameters"
_GENERATED = "launch_params_"
"""Files that ``ros2 launch`` writes at each start; their values are those of ``recorder.yaml``."""

_MOST_COEFFICIENTS = 100
_LARGEST_TEXT = 4 * 1024**2
_TRANSPORTS = ("/compressed", "/compressedDepth")
_SECRET = re.compile(r"(://)[^/\s@'\"]+@")
_ARMS = ("follower", "leader")

_UNITS = {
    "degrees": "degrees, degrees/s for velocities",
    "so100": "LeRobot's for SO-100: degrees from the middle of a joint's calibrated range; the gripper from "
    "0, closed, to 100",
    "as_published": "as published",
}
_PUBLISHED = {
    "position": ", in ROS rad, or m for sliding joints",
    "velocity": ", in ROS rad/s, or m/s for sliding joints",
    "effort": ", in ROS Nm, or N for sliding joints",
}
_POSE: Mapping[Rotation, str] = {
    "quaternion": "positions in m, the rotation as a unit quaternion",
    "rotation_vector": "positions in m, the rotation as axis times angle in rad",
}
_MEANINGS = {
    "position": "absolute joint positions",
    "velocity": "joint velocities",
    "effort": "joint efforts",
}


@dataclass
class RobotSetup:
    """Collects what is known of a robot.

    Attributes:
        bindings: the recorded streams.
        streams: their settings, by name.
        rows: what rows consist of.
        robot_type: as in the dataset.
        versions: versions of the programs that record, by name.
        parameter_files: the parameter files that the recorder was started with.
        node: full name of the recorder's node, for their sections.
        robot_description: the URDF that was published; empty if none was.
    """

    bindings: Sequence[StreamBinding]
    streams: Mapping[str, StreamSettings]
    rows: RowSettings
    robot_type: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    parameter_files: Sequence[Path] = ()
    node: str = "/recorder"
    robot_description: str = ""
    _cameras: dict[str, str] = field(default_factory=dict)

    def camera_info_topics(self) -> dict[str, str]:
        """Return the topics beside the images with their calibrations, by the stream's name."""
        images = (each for each in self.bindings if each.stream.spec.is_image)
        return {each.stream.spec.name: camera_info_topic(each.topic) for each in images}

    def note_camera_info(self, stream: str, message: Any) -> None:
        """Note the calibration of a stream's images.

        Args:
            stream: its name.
            message: a ``sensor_msgs/CameraInfo``; it is ignored if the camera is not calibrated.
        """
        binding = next(each for each in self.bindings if each.stream.spec.name == stream)
        try:
            adjusted = adjusted_camera_info(_fields(message), binding.geometry)
            self._cameras[stream] = camera_calibration_text(stream, _calibration(adjusted))
        except (CalibrationError, ImageError, ValueError, ArithmeticError):
            self._cameras.pop(stream, None)

    def files(self) -> SetupFiles:
        """Return the files, by name."""
        cameras = {f"{CAMERA_FOLDER}/{_file(name)}.yaml": text for name, text in self._cameras.items()}
        robot = {ROBOT_FILE: self.robot_description} if self.robot_description else {}
        found = {**self._fixed, **cameras, **robot}
        return {name: _publishable(text) for name, text in found.items() if _is_small(text)}

    @cached_property
    def _fixed(self) -> dict[str, str]:
        """The files that do not change while the recorder runs."""
        calibrations = dict(self._calibrations())
        return {
            DESCRIPTION_FILE: json.dumps(self._description(calibrations), indent=2, ensure_ascii=False)
            + "\n",
            RECORDER_FILE: self._recorder(),
            **dict(self._given()),
            **{f"{CALIBRATION_FOLDER}/{name}": text for name, text in calibrations.items()},
        }

    # What streams mean

    def _description(self, calibrations: Mapping[str, str]) -> dict[str, Any]:
        features: dict[str, list[dict[str, Any]]] = {}
        for binding in self.bindings:
            features.setdefault(binding.stream.spec.feature, []).append(self._stream(binding, calibrations))
        return {"versions": dict(self.versions), "robot_type": self.robot_type, "features": features}

    def _stream(self, binding: StreamBinding, calibrations: Mapping[str, str]) -> dict[str, Any]:
        spec, settings = binding.stream.spec, self.streams[binding.stream.spec.name]
        known = {"stream": spec.name, "topic": binding.topic, "type": binding.message_type}
        if spec.is_image:
            return {**known, "meaning": "depth" if spec.is_depth else "color images"}
        if spec.is_text:
            return {**known, "meaning": "text", **_path(settings)}
        if settings.type == "tf":
            pose = {"meaning": f"pose of {settings.child} in {settings.parent}", "unit": "as_published"}
            return {**known, **pose, "unit_meaning": _POSE[settings.rotation], "names": list(spec.names)}
        meaning = _MEANINGS.get(binding.quantity, f"values of {binding.message_type}")
        commanded = ", as commanded" if spec.feature.startswith("action") else ""
        described = {
            **known,
            "meaning": f"{meaning}{commanded}",
            "unit": settings.unit,
            "unit_meaning": _unit_meaning(settings.unit, binding.quantity),
            "names": list(spec.names),
            **({} if binding.quantity else _path(settings)),
            **({"joints": list(binding.joints), "quantity": binding.quantity} if binding.joints else {}),
        }
        if settings.unit != "so100":
            return described
        content = _arm(settings.calibration, settings.role)
        name = next((name for name, text in calibrations.items() if text == content), None)
        return {
            **described,
            "calibration": f"{CALIBRATION_FOLDER}/{name}" if name else None,
            "arm_joints": arm_joints(binding.joints) or arm_joints(settings.aliases),
        }

    # Calibrations

    def _calibrations(self) -> Iterator[tuple[str, str]]:
        """Yield the calibrations of all arms, each content once, with a name that no other has."""
        known: dict[str, str] = {}
        for wanted, text in self._arms():
            if text and text not in known.values():
                name = next(each for each in _names(wanted) if each not in known)
                known[name] = text
        yield from sorted(known.items())

    def _arms(self) -> Iterator[tuple[str, str]]:
        for name in self.streams:
            settings = self.streams[name]
            if settings.unit == "so100":
                yield settings.role, _arm(settings.calibration, settings.role)
        for role in _ARMS:
            if (given := self._hardware.get(f"{role}.calibration")) and isinstance(given, str):
                yield role, _arm(given, role)

    @cached_property
    def _hardware(self) -> dict[str, Any]:
        """The parameters of the hardware node beside the recorder, as far as the files have them."""
        name = f"{self.node.rpartition('/')[0]}/hardware"
        found: dict[str, Any] = {}
        for path in self.parameter_files:
            try:
                sections = [each for each in read_sections(path) if each.applies_to(name)]
            except ConfigError:
                continue
            found |= {key: entry.value for each in sections for key, entry in each.parameters.items()}
        return found

    # Parameters

    def _given(self) -> Iterator[tuple[str, str]]:
        taken: set[str] = set()
        for path in self.parameter_files:
            if path.name.startswith(_GENERATED):
                continue
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            stem, suffix = _file(path.stem), _file(path.suffix.lstrip("."))
            name = next(each for each in _names(stem, suffix or "yaml") if each not in taken)
            taken.add(name)
            yield f"{_PARAMETERS_FOLDER}/{name}", text

    def _recorder(self) -> str:
        values: dict[str, Any] = {"robot_type": self.robot_type, **dataclasses.asdict(self.rows)}
        for name, settings in self.streams.items():
            default = dataclasses.asdict(StreamSettings())
            changed = {
                key: value for key, value in dataclasses.asdict(settings).items() if value != default[key]
            }
            values |= {f"{name}.{key}": value for key, value in changed.items()}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        document = {"/**/recorder": {"ros__parameters": plain}}
        return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None))


def camera_info_topic(images: str) -> str:
    """Return where drivers publish the calibration of the images on a topic."""
    for transport in _TRANSPORTS:
        images = images.removesuffix(transport)
    before, slash, _ = images.rpartition("/")
    return f"{before}{slash}camera_info"


def _path(settings: StreamSettings) -> dict[str, str]:
    """Return the part of the message that is recorded, if it is not all of it."""
    return {"field": settings.field} if settings.field else {}


def _unit_meaning(unit: str, quantity: str) -> str:
    return _UNITS[unit] + (_PUBLISHED.get(quantity, "") if unit == "as_published" else "")


def meanings(files: SetupFiles) -> dict[str, str]:
    """Return what the values of each feature mean and their unit, without images, as far as it is known."""
    try:
        features = json.loads(files[DESCRIPTION_FILE])["features"].items()
        return {
            key: "; ".join(dict.fromkeys(map(_meaning, parts)))
            for key, parts in features
            if all("unit" in part for part in parts)
        }
    except (KeyError, TypeError, ValueError, AttributeError):  # changed by someone
        return {}


def _meaning(part: Mapping[str, Any]) -> str:
    return f"{part['meaning']}, {part['unit_meaning']}; from {part['topic']}"


def kept_camera_info(files: SetupFiles, stream: str) -> dict[str, Any] | None:
    """Return the fields of a ``sensor_msgs/CameraInfo`` for a stream's images; None if a set-up has none."""
    text = files.get(f"{CAMERA_FOLDER}/{_file(stream)}.yaml")
    try:
        known = read_camera_calibration(text, stream) if text else None
    except CalibrationError:  # changed by someone
        return None
    if known is None:
        return None
    return {
        "width": known.width,
        "height": known.height,
        "distortion_model": known.distortion_model,
        "d": known.distortion,
        "k": known.intrinsics,
        "r": known.rectification,
        "p": known.projection,
    }


def _arm(name_or_path: str, role: Any) -> str:
    """Return the content of an arm's calibration file; empty if it cannot be read."""
    try:
        return load_calibration(name_or_path, role).text()
    except CalibrationError:
        return ""


def _fields(info: Any) -> dict[str, Any]:
    roi = {name: getattr(info.roi, name) for name in ("x_offset", "y_offset", "width", "height")}
    names = ("width", "height", "distortion_model", "d", "k", "r", "p", "binning_x", "binning_y")
    return {**{name: getattr(info, name) for name in names}, "roi": roi}


def _calibration(info: Mapping[str, Any]) -> CameraCalibration:
    if len(info["d"]) > _MOST_COEFFICIENTS:
        raise ValueError(f"{len(info['d'])} coefficients of distortion")
    return CameraCalibration(
        int(info["width"]),
        int(info["height"]),
        str(info["distortion_model"]),
        *(tuple(float(number) for number in info[name]) for name in "dkrp"),
    )


def _names(stem: str, suffix: str = "json") -> Iterator[str]:
    """Yield names for a file, the best first."""
    yield f"{stem}.{suffix}"
    for number in range(2, 1000):
        yield f"{stem}_{number}.{suffix}"


def _file(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII).lstrip(".") or "file"


def _publishable(text: str) -> str:
    """Return a text without passwords, and without what cannot be written as UTF-8."""
    return _SECRET.sub(r"\1***@", text).encode(errors="replace").decode()


def _is_small(text: str) -> bool:
    return len(text) <= _LARGEST_TEXT

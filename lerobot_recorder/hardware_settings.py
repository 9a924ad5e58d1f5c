"""The hardware node's parameters, and the settings that they describe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lerobot_recorder.arms import JOINTS, ArmSettings, TeleopSettings
from lerobot_recorder.cameras import CameraSettings
from lerobot_recorder.settings import Parameter, parameter, parameters_of, setting, settings_from

LARGEST_STEP = "max_relative_target"
LARGEST_STEP_OF = f"{LARGEST_STEP}_by_joint"


@dataclass(frozen=True)
class DeviceSettings:
    """What the node drives besides the arms."""

    cameras: tuple[str, ...] = setting(
        ("top", "wrist"),
        "Names of the cameras; each has parameters <camera>.source and so on; ['']: no cameras",
    )


@dataclass(frozen=True)
class CameraTopicSettings:
    """How a camera is published."""

    camera_info_url: str = setting(
        "",
        "Calibration file as ROS's camera_calibration writes it: a path or a file:// URL; empty: "
        "~/.ros/camera_info/<camera>.yaml if it exists; set_camera_info writes it",
    )
    transport: str = setting("raw", "Images that are published", choices=("raw", "compressed", "both"))
    record: bool = setting(True, "Whether record and record.launch.py also record the camera")
    frame_id: str = setting("", "Frame of the images; empty: <camera>_optical_frame after the namespace")


def _steps_by_joint() -> Iterator[Parameter]:
    largest = parameter(TeleopSettings, LARGEST_STEP)
    for joint in JOINTS:
        text, unit = f"{LARGEST_STEP} of {joint}; 0: as {LARGEST_STEP}", "%" if joint == "gripper" else "deg"
        name, former = f"{LARGEST_STEP_OF}.{joint}", f"{LARGEST_STEP}.{joint}"
        yield replace(largest, name=name, text=text, unit=unit, former_name=former)


ARM_PARAMETERS = parameters_of(ArmSettings)
CAMERA_PARAMETERS = parameters_of(CameraSettings, CameraTopicSettings)
TELEOP_PARAMETERS = (*parameters_of(TeleopSettings), *_steps_by_joint())
PARAMETERS = (*parameters_of(DeviceSettings), *TELEOP_PARAMETERS)


def teleop_settings(values: Mapping[str, Any]) -> TeleopSettings:
    """Return the settings that the values of `TELEOP_PARAMETERS` describe.

    Raises:
        ConfigError: they cannot be used together
    """
    return settings_from(TeleopSettings, values, max_relative_target=_largest_steps(values))


def _largest_steps(values: Mapping[str, Any]) -> dict[str, float] | None:
    steps = {joint: values[f"{LARGEST_STEP_OF}.{joint}"] or values[LARGEST_STEP] for joint in JOINTS}
    return {joint: step for joint, step in steps.items() if step} or None

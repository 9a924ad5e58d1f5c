"""Choose and open the source that a camera's settings name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from lerobot_recorder.robot.cameras.device import Device
from lerobot_recorder.robot.cameras.film import Film
from lerobot_recorder.robot.cameras.multipart import MultipartCamera, NotMultipartError
from lerobot_recorder.robot.cameras.network import NETWORK_SCHEMES, NetworkCamera
from lerobot_recorder.robot.cameras.settings import CameraSettings
from lerobot_recorder.robot.cameras.simulated import SimulatedCamera
from lerobot_recorder.robot.cameras.source import Source

Pose = Callable[[], Mapping[str, float]]


def open_source(settings: CameraSettings, pose: Pose | None) -> Source:
    """Open what the settings name.

    Args:
        settings: The camera's.
        pose: The simulated arm's joint angles in rad by joint name; without it the arm rests.

    Raises:
        CameraError: It cannot be opened.
    """
    source = settings.source
    if source == "sim":
        return SimulatedCamera(settings, pose)
    if source.isdigit() or source.startswith("/dev/"):
        return Device(settings)
    if source.lower().startswith(NETWORK_SCHEMES):
        return _open_network(settings)
    return Film(settings)


def _open_network(settings: CameraSettings) -> Source:
    if settings.source.lower().startswith("http"):
        with contextlib.suppress(NotMultipartError):
            return MultipartCamera(settings)
    return NetworkCamera(settings)

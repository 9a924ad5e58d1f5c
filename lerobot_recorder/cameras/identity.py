"""Which device a camera is, by names that stay the same when it is plugged in again."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lerobot_recorder.cameras.device import device_path
from lerobot_recorder.cameras.settings import CameraSettings
from lerobot_recorder.cameras.v4l2 import describe

_BY_ID = Path("/dev/v4l/by-id")
_SYSTEM = Path("/sys/class/video4linux")
_PART = re.compile(r"^usb-|-video-index\d+$")


@dataclass(frozen=True)
class DeviceIdentity:
    """A camera.

    Attributes:
        name: of the device: its maker, model and serial number; of another source: its address
        bus: the port that it is plugged into; empty if it is not on this computer
        has_serial: whether the name has a serial number, so that no other device has the same
    """

    name: str
    bus: str = ""
    has_serial: bool = True


def identity_of(settings: CameraSettings, by_id: Path = _BY_ID, system: Path = _SYSTEM) -> DeviceIdentity:
    """Return which device a camera is.

    Args:
        settings: settings of the camera
        by_id: where the system keeps lasting names of devices
        system: where the kernel describes them
    """
    path = device_path(settings.source)
    if not path.startswith("/dev/"):
        return DeviceIdentity(settings.place)
    target = Path(path).resolve()
    bus = name = ""
    with suppress(OSError):
        info = describe(str(target))
        name, bus = info.name, info.bus
    links = [link.name for link in sorted(by_id.glob("*")) if link.resolve() == target]
    if links:
        name = _PART.sub("", _PART.sub("", links[0]))
    return DeviceIdentity(name or path, bus, _has_serial(system / target.name))


def _has_serial(device: Path) -> bool:
    """Return whether a USB device, or one that it is a part of, has a serial number."""
    place = Path(os.path.realpath(device / "device"))
    for each in (place, place.parent):
        with suppress(OSError):
            return bool((each / "serial").read_text(encoding="utf-8", errors="replace").strip())
    return False

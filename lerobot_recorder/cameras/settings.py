"""Settings of a camera, and the images that it delivers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.settings import check_settings, setting, settings_from

PixelFormat = Literal["auto", "mjpeg", "raw"]


@dataclass(frozen=True)
class CameraSettings:
    """A camera and how it is used.

    Attributes:
        name: name of the camera; it also chooses the viewpoint of a simulated one
        controls: values by name
    """

    name: str
    source: str = setting(
        "",
        "A device (0 or /dev/video0), a network stream (http, https or rtsp), a video file (.mjpeg "
        "included), or sim",
    )
    width: int = setting(
        640,
        "Width of the images; width and height 0: as the source has them",
        unit="pixels",
        low=0,
        high=8192,
    )
    height: int = setting(480, "Height of the images", unit="pixels", low=0, high=8192)
    fps: float = setting(
        30.0, "Images per second; a video file keeps its own rate", unit="Hz", low=0.1, high=1000
    )
    pixel_format: PixelFormat = setting(
        "auto",
        "Format that a device is asked for; auto: mjpeg where the device offers it. A simulated camera "
        "takes auto as raw",
        choices=get_args(PixelFormat),
    )
    exposure: str = setting(
        "", "Exposure of a device; auto, or the exposure time in ms; empty: it is not changed"
    )
    focus: str = setting("", "Focus of a device; auto, or a value in its own units; empty: it is not changed")
    controls: Mapping[str, int] = setting(
        dict,
        "Other V4L2 controls of a device, for example gain=4; they are set when it is opened",
        as_parameter=(),
    )

    def __post_init__(self) -> None:
        if not self.name or not self.source:
            raise ConfigError(
                f"camera {self.name!r}: a camera needs a name and a source, found {self.source!r}"
            )
        check_settings(self, f"camera {self.name}: ")
        if (self.width > 0) != (self.height > 0):
            raise ConfigError(
                f"camera {self.name}: invalid size {self.width}x{self.height}: give both width and height, "
                "or 0 for both to take the source's own size"
            )
        for name in ("exposure", "focus"):
            _check_number_or_auto(self.name, name, getattr(self, name))

    @property
    def place(self) -> str:
        """The source without the user name and password of a URL, for messages."""
        return re.sub(r"(?<=://)[^/@]*@", "", self.source)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height; None for the source's own size."""
        return (self.width, self.height) if self.width else None


def _check_number_or_auto(camera: str, setting: str, value: str) -> None:
    if value in {"", "auto"}:
        return
    try:
        usable = 0 <= float(value) < math.inf
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"camera {camera}: {setting} must be 'auto', a number or empty, found {value!r}")


def camera_settings(name: str, values: Mapping[str, Any]) -> CameraSettings:
    """Return the settings that a camera's parameters describe.

    Raises:
        ConfigError: they cannot be used
    """
    if not values.get("source"):
        raise ConfigError(
            f"camera {name}: give {name}.source: a device, a stream, a video file, or sim; "
            "and cameras: [''] for none"
        )
    controls = dict(_control(name, control) for control in values.get("controls", ()))
    return settings_from(CameraSettings, values, name=name, controls=controls)


def _control(camera: str, assignment: str) -> tuple[str, int]:
    name, _, value = assignment.partition("=")
    try:
        return name.strip(), int(value)
    except ValueError:
        raise ConfigError(
            f"camera {camera}: controls: expected NAME=NUMBER, for example gain=4, found {assignment!r}"
        ) from None


@dataclass(frozen=True)
class CameraImage:
    """One image of a camera.

    Attributes:
        stamp_ns: capture time on the clock of ``time.time_ns``
        width: width in pixels
        height: height in pixels
        rgb: RGB, uint8, (height, width, 3), C-contiguous; None if the pixels were not requested
        jpeg: the JPEG data as received, for cameras that send JPEG
    """

    stamp_ns: int
    width: int
    height: int
    rgb: NDArray[np.uint8] | None
    jpeg: bytes | None

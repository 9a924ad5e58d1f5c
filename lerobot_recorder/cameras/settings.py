"""What a camera is asked for, what it delivers and how it reports: the values that cross its interface."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.errors import ConfigError

OK, WARN, ERROR = 0, 1, 2
"""Levels of a status, as in ROS diagnostics."""

PIXEL_FORMATS = ("auto", "mjpeg", "raw")
_LARGEST_SIDE = 8192
_HIGHEST_RATE_HZ = 1000


@dataclass(frozen=True)
class CameraSettings:
    """What a camera is and what is asked of it.

    Attributes:
        name: Name of the camera; of a simulated one it also chooses the viewpoint.
        source: ``sim``; a device, ``/dev/video0`` or ``0``; an ``http(s)://`` or ``rtsp://`` stream; or a
            video file, ``.mjpeg`` included.
        width: Pixels. With ``height`` 0: whatever size the source has.
        height: Pixels.
        fps: Pictures a second; a video file keeps its own rate.
        pixel_format: ``mjpeg`` asks a device for JPEG pictures, ``raw`` for uncompressed ones, ``auto`` takes
            JPEG where the device offers it. The simulated camera takes ``auto`` as ``raw``.
        exposure: Of a device: ``auto``, or how long in ms; empty leaves it as it is.
        focus: Of a device: ``auto``, or a value in its own units; empty leaves it as it is.
        controls: Other V4L2 controls of a device by name, set when it is opened, such as ``{"gain": 4}``.

    Raises:
        ConfigError: A value cannot be used.
    """

    name: str
    source: str
    width: int = 640
    height: int = 480
    fps: float = 30
    pixel_format: str = "auto"
    exposure: str = ""
    focus: str = ""
    controls: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or not self.source:
            raise ConfigError(
                f"camera {self.name!r}: a camera needs a name and a source, found {self.source!r}"
            )
        if (self.width > 0) != (self.height > 0) or not all(
            0 <= side <= _LARGEST_SIDE for side in (self.width, self.height)
        ):
            raise ConfigError(
                f"camera {self.name}: a size of {self.width}x{self.height} cannot be; "
                f"give both sides up to {_LARGEST_SIDE}, or 0 and 0 for the source's own"
            )
        if not 0 < self.fps <= _HIGHEST_RATE_HZ:
            raise ConfigError(
                f"camera {self.name}: fps must be above 0 and at most {_HIGHEST_RATE_HZ}, found {self.fps}"
            )
        if self.pixel_format not in PIXEL_FORMATS:
            raise ConfigError(
                f"camera {self.name}: pixel_format must be one of {', '.join(PIXEL_FORMATS)}, "
                f"found {self.pixel_format!r}"
            )

        for setting in ("exposure", "focus"):
            _check_number_or_auto(self.name, setting, getattr(self, setting))

    @property
    def place(self) -> str:
        """The source as it may be shown: without the name and password of a URL."""
        return re.sub(r"(?<=://)[^/@]*@", "", self.source)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height, or nothing where the source's own are taken."""
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


@dataclass(frozen=True)
class Picture:
    """One picture of a camera.

    Attributes:
        stamp_ns: When it was taken, on the clock of ``time.time_ns``.
        width: Pixels.
        height: Pixels.
        rgb: RGB, uint8, (height, width, 3), C-contiguous; none when nobody wanted it.
        jpeg: The JPEG bytes as they came, of cameras that compress themselves.
    """

    stamp_ns: int
    width: int
    height: int
    rgb: NDArray[np.uint8] | None
    jpeg: bytes | None


@dataclass(frozen=True)
class CameraStatus:
    """How a camera is doing.

    Attributes:
        level: 0 ok, 1 warning, 2 error.
        message: One sentence.
        values: Details, as text.
    """

    level: int
    message: str
    values: dict[str, str]

"""Lists V4L2 cameras with their formats and controls, and sets controls.

The structures and numbers come from ``linux/videodev2.h``, part of the kernel's stable interface.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lerobot_recorder.errors import CameraError

_QUERYCAP = (0x80685600, struct.Struct("=16s32s32sIII12x"))
_ENUM_FMT = (0xC0405602, struct.Struct("=III32sI16x"))
_ENUM_FRAMESIZES = (0xC02C564A, struct.Struct("=III6I8x"))
_ENUM_FRAMEINTERVALS = (0xC034564B, struct.Struct("=5I6I8x"))
_QUERYCTRL = (0xC0445624, struct.Struct("=II32siiiiI8x"))
_S_CTRL = (0xC008561C, struct.Struct("=Ii"))

_CAPTURE = 1  # both the capability and the buffer type
_DISCRETE = 1
_NEXT_CONTROL = 0x80000000
_DISABLED = 0x0001
_MENU_TITLE = 6

_EXPOSURE_AUTO, _EXPOSURE_ABSOLUTE = 0x009A0901, 0x009A0902
_FOCUS_ABSOLUTE, _FOCUS_AUTO = 0x009A090A, 0x009A090C
_MANUAL, _APERTURE_PRIORITY = 1, 3  # values of _EXPOSURE_AUTO in USB cameras
_EXPOSURE_UNITS_PER_MS = 10


FORBIDDEN = (errno.EACCES, errno.EPERM)
PERMISSION_HINT = "add yourself to the group that may use it: sudo usermod -aG video $USER, then log in again"


@dataclass(frozen=True)
class Mode:
    """An image format and size that a camera offers.

    Attributes:
        pixel_format: four-character code, such as ``MJPG`` or ``YUYV``
        width: width in pixels; the largest if the camera accepts any size
        height: height in pixels
        rates_hz: images per second, highest first
    """

    pixel_format: str
    width: int
    height: int
    rates_hz: tuple[float, ...]


@dataclass(frozen=True)
class CameraInfo:
    """A camera on this computer.

    Attributes:
        path: such as ``/dev/video0``
        name: name that it reports
        bus: bus that it is connected to
        modes: formats and sizes that it offers
        controls: lowest and highest value of each control, by name
    """

    path: str
    name: str
    bus: str
    modes: tuple[Mode, ...]
    controls: Mapping[str, tuple[int, int]]


def list_cameras(directory: Path = Path("/dev")) -> list[CameraInfo]:
    """Return the cameras of this computer; devices that do not answer are skipped."""
    cameras = []
    for path in _devices(directory):
        with contextlib.suppress(OSError):
            info = describe(path)
            if info.modes:
                cameras.append(info)
    return cameras


def list_forbidden(directory: Path = Path("/dev")) -> list[str]:
    """Return the devices that this user may not open; they may be cameras."""
    return [path for path in _devices(directory) if _is_forbidden(path)]


def describe(path: str) -> CameraInfo:
    """Query one device.

    Raises:
        OSError: the device cannot be opened or is not a camera.
    """
    with _opened(path) as device:
        _, card, bus, _, capabilities, own_capabilities = _query(device, _QUERYCAP)
        captures = (own_capabilities or capabilities) & _CAPTURE
        modes = tuple(_modes(device)) if captures else ()
        controls = {name: (low, high) for name, (_, low, high) in _controls(device).items()}
        return CameraInfo(path, _text(card), _text(bus), modes, controls)


def set_controls(path: str, controls: Mapping[str, int], exposure: str = "", focus: str = "") -> None:
    """Set a camera's controls.

    Args:
        path: path of the device
        controls: values by the names that ``list_cameras`` and ``v4l2-ctl`` use
        exposure: ``auto``, ms, or empty to leave it unchanged
        focus: ``auto``, a value in the camera's own units, or empty to leave it unchanged

    Raises:
        CameraError: the camera does not have the control or refuses the value.
    """
    with _opened(path) as device:
        for control, value in _exposure(exposure) + _focus(focus):
            _set(device, path, control, value)
        offered = _controls(device) if controls else {}
        for name, value in controls.items():
            if name not in offered:
                raise CameraError(f"{path} has no control {name!r}; it has {', '.join(offered) or 'none'}")
            _set(device, path, offered[name][0], value)


def _devices(directory: Path) -> list[str]:
    paths = sorted(directory.glob("video*"), key=lambda path: (len(path.name), path.name))
    return [str(path) for path in paths]


def _is_forbidden(path: str) -> bool:
    try:
        with _opened(path):
            return False
    except OSError as error:
        return error.errno in FORBIDDEN


def _exposure(wanted: str) -> list[tuple[int, int]]:
    if not wanted:
        return []
    if wanted == "auto":
        return [(_EXPOSURE_AUTO, _APERTURE_PRIORITY)]
    return [(_EXPOSURE_AUTO, _MANUAL), (_EXPOSURE_ABSOLUTE, round(float(wanted) * _EXPOSURE_UNITS_PER_MS))]


def _focus(wanted: str) -> list[tuple[int, int]]:
    if not wanted:
        return []
    return (
        [(_FOCUS_AUTO, 1)]
        if wanted == "auto"
        else [(_FOCUS_AUTO, 0), (_FOCUS_ABSOLUTE, round(float(wanted)))]
    )


def _set(device: int, path: str, control: int, value: int) -> None:
    name = next((name for name, (number, *_) in _controls(device).items() if number == control), hex(control))
    try:
        _query(device, _S_CTRL, control, value)
    except OSError as error:
        raise CameraError(f"{path} refuses the value {value} for control {name}: {error.strerror}") from error


def _modes(device: int) -> Iterator[Mode]:
    for index in range(64):
        answer = _next(device, _ENUM_FMT, index, _CAPTURE)
        if answer is None:
            return
        yield from _sizes(device, answer[4])


def _sizes(device: int, pixel_format: int) -> Iterator[Mode]:
    for index in range(256):
        answer = _next(device, _ENUM_FRAMESIZES, index, pixel_format)
        if answer is None:
            return
        kind, width, height = answer[2], answer[3], answer[4]
        if kind != _DISCRETE:
            width, height = answer[4], answer[7]
        yield Mode(_letters(pixel_format), width, height, tuple(_rates(device, pixel_format, width, height)))
        if kind != _DISCRETE:
            return


def _rates(device: int, pixel_format: int, width: int, height: int) -> Iterator[float]:
    for index in range(64):
        answer = _next(device, _ENUM_FRAMEINTERVALS, index, pixel_format, width, height)
        if answer is None:
            return
        numerator, denominator = answer[5], answer[6]
        if numerator:
            yield round(denominator / numerator, 3)
        if answer[4] != _DISCRETE:
            return


def _controls(device: int) -> dict[str, tuple[int, int, int]]:
    """Return number, lowest and highest value of each control, by name."""
    controls: dict[str, tuple[int, int, int]] = {}
    number = 0
    while (answer := _next(device, _QUERYCTRL, number | _NEXT_CONTROL)) is not None:
        number, kind, name, low, high, _, _, flags = answer
        if not flags & _DISABLED and kind != _MENU_TITLE:
            controls[re.sub("[^a-z0-9]+", "_", _text(name).lower()).strip("_")] = (number, low, high)
    return controls


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield device
    finally:
        os.close(device)


def _next(device: int, request: tuple[int, struct.Struct], *values: int) -> tuple[int, ...] | None:
    """Query one entry of a list; None after its end."""
    try:
        return _query(device, request, *values)
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENOTTY}:
            return None
        raise


def _query(device: int, request: tuple[int, struct.Struct], *values: int) -> tuple[Any, ...]:
    number, layout = request
    buffer = bytearray(layout.size)
    struct.pack_into(f"={'I' * len(values)}", buffer, 0, *(value & 0xFFFFFFFF for value in values))
    fcntl.ioctl(device, number, buffer)
    return layout.unpack(buffer)


def _text(field: Any) -> str:
    return bytes(field).split(b"\0")[0].decode(errors="replace")


def _letters(pixel_format: int) -> str:
    return pixel_format.to_bytes(4, "little").decode(errors="replace").strip()

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest

from lerobot_recorder.cameras import list_cameras, list_forbidden, v4l2
from lerobot_recorder.cameras.v4l2 import Mode, describe, set_controls
from lerobot_recorder.errors import CameraError

YUYV, MJPG = b"YUYV", b"MJPG"
MODES = {MJPG: [(1280, 720), (640, 480)], YUYV: [(640, 480)]}
CONTROLS = {
    0x00980900: (b"Brightness", -64, 64),
    0x009A0901: (b"Auto Exposure", 0, 3),
    0x009A0902: (b"Exposure Time, Absolute", 1, 5000),
    0x009A090A: (b"Focus, Absolute", 0, 250),
    0x009A090C: (b"Focus, Automatic Continuous", 0, 1),
}


class Driver:
    """Answers the requests of videodev2.h as a webcam's driver does, on any file."""

    def __init__(self, captures: bool = True) -> None:
        self.captures = captures
        self.values: list[tuple[int, int]] = []

    def ioctl(self, device: int, request: int, buffer: bytearray) -> int:
        answer = {
            0x80685600: self._capabilities,
            0xC0405602: self._format,
            0xC02C564A: self._size,
            0xC034564B: self._interval,
            0xC0445624: self._query_control,
            0xC008561C: self._set_control,
        }.get(request)
        if answer is None:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        assert len(buffer) == request >> 16 & 0x3FFF
        try:
            answer(buffer)
        except (IndexError, StopIteration, KeyError):
            raise OSError(errno.EINVAL, "Invalid argument") from None
        return 0

    def _capabilities(self, buffer: bytearray) -> None:
        struct.pack_into("=16s32s32s", buffer, 0, b"uvcvideo", b"HD Webcam", b"usb-0000:00:14.0-1")
        struct.pack_into("=II", buffer, 84, 0x84A00001, 0x04200001 if self.captures else 0x04A00000)

    def _format(self, buffer: bytearray) -> None:
        index, kind = struct.unpack_from("=II", buffer)
        assert kind == 1
        buffer[44:48] = list(MODES)[index]

    def _size(self, buffer: bytearray) -> None:
        (index,) = struct.unpack_from("=I", buffer)
        struct.pack_into("=III", buffer, 8, 1, *MODES[bytes(buffer[4:8])][index])

    def _interval(self, buffer: bytearray) -> None:
        (index,) = struct.unpack_from("=I", buffer)
        struct.pack_into("=III", buffer, 16, 1, *[(1, 30), (2, 15)][index])

    def _query_control(self, buffer: bytearray) -> None:
        (number,) = struct.unpack_from("=I", buffer)
        number = next(n for n in CONTROLS if n > number & 0x7FFFFFFF)
        name, low, high = CONTROLS[number]
        struct.pack_into("=II32siiiiI", buffer, 0, number, 1, name, low, high, 1, 0, 0)

    def _set_control(self, buffer: bytearray) -> None:
        number, value = struct.unpack("=Ii", buffer)
        _, low, high = CONTROLS[number]
        if not low <= value <= high:
            raise OSError(errno.ERANGE, "Numerical result out of range")
        self.values.append((number, value))


@pytest.fixture
def driver(monkeypatch) -> Driver:
    driver = Driver()
    monkeypatch.setattr(v4l2.fcntl, "ioctl", driver.ioctl)
    return driver


@pytest.fixture
def path(tmp_path) -> str:
    (tmp_path / "video0").touch()
    return str(tmp_path / "video0")


def test_name_formats_and_controls_are_read(driver, path):
    info = describe(path)
    assert (info.name, info.bus) == ("HD Webcam", "usb-0000:00:14.0-1")
    assert info.modes == (
        Mode("MJPG", 1280, 720, (30.0, 7.5)),
        Mode("MJPG", 640, 480, (30.0, 7.5)),
        Mode("YUYV", 640, 480, (30.0, 7.5)),
    )
    assert info.controls["brightness"] == (-64, 64)
    assert "focus_automatic_continuous" in info.controls


def test_cameras_are_listed_in_order(driver, path, tmp_path):
    for name in ("video10", "video2", "audio0"):
        (tmp_path / name).touch()
    assert [Path(info.path).name for info in list_cameras(tmp_path)] == ["video0", "video2", "video10"]


def test_devices_without_images_are_not_listed(driver, path, tmp_path):
    driver.captures = False
    assert list_cameras(tmp_path) == []


def test_devices_that_the_user_may_not_open_are_listed_apart(driver, path, tmp_path, monkeypatch):
    locked = tmp_path / "video2"
    locked.touch()
    really_open = v4l2.os.open

    def refuse(path: str, flags: int) -> int:
        if path == str(locked):
            raise PermissionError(errno.EACCES, "Permission denied")
        return really_open(path, flags)

    monkeypatch.setattr(v4l2.os, "open", refuse)
    assert [info.path for info in list_cameras(tmp_path)] == [path]
    assert list_forbidden(tmp_path) == [str(locked)]


def test_files_that_are_not_devices_are_not_listed(path, tmp_path):
    assert list_cameras(tmp_path) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"exposure": "auto"}, [(0x009A0901, 3)]),
        ({"exposure": "12.5"}, [(0x009A0901, 1), (0x009A0902, 125)]),
        ({"focus": "auto"}, [(0x009A090C, 1)]),
        ({"focus": "30"}, [(0x009A090C, 0), (0x009A090A, 30)]),
        ({"controls": {"brightness": -5}}, [(0x00980900, -5)]),
    ],
)
def test_controls_are_set_before_what_depends_on_them(driver, path, wanted, expected):
    set_controls(path, **{"controls": {}} | wanted)
    assert driver.values == expected


def test_the_error_of_an_unknown_control_lists_the_known_ones(driver, path):
    with pytest.raises(CameraError, match=r"no control 'gain'; it has brightness, auto_exposure"):
        set_controls(path, {"gain": 3})


def test_a_value_out_of_range_is_refused_by_name(driver, path):
    with pytest.raises(CameraError, match="99 for control brightness"):
        set_controls(path, {"brightness": 99})

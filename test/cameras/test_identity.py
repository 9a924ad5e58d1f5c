from __future__ import annotations

from pathlib import Path

import pytest

from lerobot_recorder.cameras import CameraSettings, identity_of


@pytest.fixture
def system(tmp_path) -> Path:
    """Make a system with two cameras, of which only the first has a serial number."""
    for number, serial in ((0, "ABC"), (2, None)):
        usb = tmp_path / f"devices/usb{number}"
        (usb / "interface").mkdir(parents=True)
        if serial:
            (usb / "serial").write_text(f"{serial}\n")
        video = tmp_path / f"system/video{number}"
        video.mkdir(parents=True)
        (video / "device").symlink_to(usb / "interface")
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id/usb-046d_C920_ABC-video-index0").symlink_to("/dev/video0")
    return tmp_path


def identity(system: Path, source: str):
    return identity_of(CameraSettings("top", source), system / "by-id", system / "system")


def test_a_device_has_its_lasting_name_and_its_serial_number(system):
    found = identity(system, "0")
    assert (found.name, found.has_serial) == ("046d_C920_ABC", True)


def test_a_device_without_a_lasting_name_has_its_path(system):
    found = identity(system, "/dev/video2")
    assert (found.name, found.has_serial) == ("/dev/video2", False)


def test_another_source_is_its_address_without_the_password(system):
    assert identity(system, "rtsp://me:secret@cam/1").name == "rtsp://cam/1"

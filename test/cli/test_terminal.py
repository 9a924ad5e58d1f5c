from __future__ import annotations

import os

import pytest

from lerobot_recorder.cli.terminal import EnterKey, persistent_name
from lerobot_recorder.errors import ConfigError


@pytest.fixture
def keyboard(monkeypatch):
    """The end of a pipe whose other one is the standard input."""
    read, write = os.pipe()
    with os.fdopen(read) as stdin, os.fdopen(write, "wb", buffering=0) as keyboard:
        monkeypatch.setattr("sys.stdin", stdin)
        yield keyboard


def test_each_enter_counts_once(keyboard):
    enter = EnterKey()
    assert not enter.pressed()
    keyboard.write(b"text\n\n")
    enter.wait()
    assert [enter.pressed(), enter.pressed()] == [True, False]


def test_the_end_of_the_input_is_an_error(keyboard):
    enter = EnterKey()
    keyboard.close()
    with pytest.raises(ConfigError, match="the standard input ended"):
        enter.wait()


def test_a_device_has_a_persistent_name(tmp_path):
    (tmp_path / "ttyACM0").touch()
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id/usb-arm").symlink_to("../ttyACM0")
    assert persistent_name(str(tmp_path / "ttyACM0"), tmp_path / "by-id") == str(tmp_path / "by-id/usb-arm")
    assert persistent_name(str(tmp_path / "ttyACM1"), tmp_path / "by-id") is None
    assert persistent_name("/dev/null", tmp_path / "nowhere") is None

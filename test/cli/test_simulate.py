from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.calibration import JOINTS, SIMULATED

COMMAND = [sys.executable, "-c", "from lerobot_recorder.cli.app import main; main()", "simulate", "--link"]


def start(link: Path, *arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([*COMMAND, str(link), *arguments], stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("role", ["follower", "leader"])
def test_a_driver_opens_the_link_like_a_port(tmp_path, role, number):
    link = tmp_path / "arm"
    process = start(link, "--role", role)
    try:
        assert process.stdout is not None
        assert f"{role} at {link}" in process.stdout.readline()
        arm = Arm(role, str(link), SIMULATED).open()
        position_rad, _, _ = arm.read()
        assert len(position_rad) == len(JOINTS)
        arm.close()
    finally:
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert not link.is_symlink()


def test_a_link_that_cannot_be_is_one_sentence(tmp_path):
    process = start(tmp_path / "missing" / "arm")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.startswith("error: ")
    assert str(tmp_path) in errors
    assert "Traceback" not in errors

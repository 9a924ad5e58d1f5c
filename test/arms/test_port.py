from __future__ import annotations

import fcntl
import struct
from pathlib import Path

import pytest
import serial

from lerobot_recorder.arms import port as module
from lerobot_recorder.arms.port import open_port
from lerobot_recorder.errors import PortError
from lerobot_recorder.simulation import SimulatedArm

TIOCGEXCL = 0x80045440


@pytest.fixture
def as_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a simulated arm's port pass for a USB port."""
    monkeypatch.setattr(module, "_PSEUDO_TERMINALS", ())


def is_exclusive(port: serial.Serial) -> bool:
    return struct.unpack("i", fcntl.ioctl(port.fileno(), TIOCGEXCL, bytes(4)))[0] == 1


def test_a_port_that_another_program_has_open_is_refused(
    simulated: SimulatedArm, as_hardware: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "port_holder", lambda port: "lerobot-record (process 4242)")
    with pytest.raises(
        PortError, match=r"is in use by lerobot-record \(process 4242\): stop that program first"
    ):
        open_port(simulated.port, 1_000_000, 0.1)


def test_an_open_file_is_not_a_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "port_holder", lambda port: "python (process 4242)")
    (tmp_path / "file").touch()
    with pytest.raises(PortError, match="is not a serial port"):
        open_port(str(tmp_path / "file"), 1_000_000, 0.1)


def test_nobody_else_can_open_a_port_meanwhile(simulated: SimulatedArm, as_hardware: None) -> None:
    with open_port(simulated.port, 1_000_000, 0.1) as port:
        assert is_exclusive(port)


def test_a_simulated_arm_may_hold_its_own_port(
    simulated: SimulatedArm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "port_holder", lambda port: "lerobot-recorder (process 4242)")
    with open_port(simulated.port, 1_000_000, 0.1) as port:
        assert not is_exclusive(port)

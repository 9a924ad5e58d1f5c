from __future__ import annotations

from itertools import chain, repeat

import pytest

PORTS = {"/dev/ttyACM0": "USB Single Serial", "/dev/ttyACM1": "USB Single Serial"}
ONE = {"/dev/ttyACM0": "USB Single Serial"}


@pytest.fixture
def ports(monkeypatch):
    """Let this computer have other ports each time that it is asked, and no time pass."""

    def follow(*states):
        sequence = chain(states, repeat(states[-1]))
        monkeypatch.setattr("lerobot_recorder.cli.find_port.serial_ports", lambda: next(sequence))

    monkeypatch.setattr("lerobot_recorder.cli.find_port.time.sleep", lambda seconds: None)
    return follow


def test_the_port_that_goes_and_comes_is_the_arms(invoke, ports):
    ports(PORTS, PORTS, ONE, ONE, ONE, PORTS)
    result = invoke("find-port")
    assert result.exit_code == 0
    assert "The arm was on /dev/ttyACM1. Plug it in again." in result.output
    assert result.output.splitlines()[-1] == "The arm is on /dev/ttyACM1"


def test_it_may_come_back_under_another_name(invoke, ports, tmp_path, monkeypatch):
    (tmp_path / "usb-arm-if00").symlink_to("/dev/ttyACM2")
    monkeypatch.setattr("lerobot_recorder.cli.find_port.BY_ID", tmp_path)
    ports(PORTS, ONE, ONE, {**ONE, "/dev/ttyACM2": "USB Single Serial"})
    result = invoke("find-port")
    assert "The arm is on /dev/ttyACM2" in result.output
    assert str(tmp_path / "usb-arm-if00") in result.output


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        ([{}], "error: this computer has no serial port"),
        ([PORTS], "error: no port has disappeared (found: /dev/ttyACM0, /dev/ttyACM1)"),
        ([PORTS, {}], "error: 2 ports have disappeared, /dev/ttyACM0, /dev/ttyACM1: pull only one cable"),
        ([PORTS, ONE], "error: no port appeared: the arm was on /dev/ttyACM1"),
    ],
)
def test_an_ambiguous_port_is_an_error(invoke, ports, states, sentence):
    ports(*states)
    result = invoke("find-port", "--patience-s", "0")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith(sentence)

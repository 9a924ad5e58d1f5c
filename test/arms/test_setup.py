from __future__ import annotations

import pytest

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.setup import UnreadableServo, scan_port, serial_ports, unplugged_port
from lerobot_recorder.errors import DeviceError
from lerobot_recorder.simulation import SimulatedArm, line

PORTS = {"/dev/ttyACM0": "USB Single Serial", "/dev/ttyACM1": "USB Single Serial", "/dev/ttyS0": "n/a"}


def test_the_port_that_disappears_is_the_arms() -> None:
    after = {port: name for port, name in PORTS.items() if port != "/dev/ttyACM1"}
    assert unplugged_port(PORTS, after) == "/dev/ttyACM1"


def test_no_unplugged_port_is_an_error() -> None:
    with pytest.raises(
        DeviceError, match=r"no port has disappeared \(found: /dev/ttyACM0, .*\): pull the USB cable"
    ):
        unplugged_port(PORTS, PORTS)


def test_two_unplugged_ports_are_an_error() -> None:
    with pytest.raises(
        DeviceError, match="2 ports have disappeared, /dev/ttyACM0, /dev/ttyACM1: pull only one"
    ):
        unplugged_port(PORTS, {"/dev/ttyS0": "n/a"})


def test_the_ports_of_this_machine_are_listed() -> None:
    assert all(isinstance(name, str) for name in serial_ports().values())


def test_a_scan_finds_the_servos_on_a_port(simulated: SimulatedArm) -> None:
    found = list(scan_port(simulated.port, ids=range(10)))
    assert [servo.id for servo in found] == [1, 2, 3, 4, 5, 6]
    first = found[0]
    assert (first.model, first.firmware, first.baud_rate) == ("STS3215", "3.10", 1_000_000)
    assert (first.voltage_v, first.temperature_c, first.alarm) == (pytest.approx(7.4), 28, 0)
    assert first.position == round(simulated.servos["shoulder_pan"].angle)


def test_a_scan_finds_servos_at_other_speeds(simulated: SimulatedArm) -> None:
    simulated.servos["gripper"].write(r.BAUD_RATE.address, bytes([r.BAUD_RATES.index(57_600)]))
    found = {servo.id: servo.baud_rate for servo in scan_port(simulated.port, [57_600, 1_000_000], range(7))}
    assert found == {6: 57_600, **dict.fromkeys(range(1, 6), 1_000_000)}


def test_a_servo_without_sync_read_is_read_too(
    simulated: SimulatedArm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_sync_read", lambda parameters, servos: iter(()))
    (found,) = scan_port(simulated.port, ids=range(1, 2))
    assert found.model == "STS3215"


def test_a_servo_that_cannot_be_read_does_not_hide_the_others(simulated: SimulatedArm) -> None:
    pass_on = simulated.faults.pass_on
    simulated.faults.pass_on = lambda reply: (
        (0, b"") if reply.id == 2 and reply.parameters else pass_on(reply)
    )
    first, second, third = scan_port(simulated.port, ids=range(1, 4))
    assert (first.model, third.model) == ("STS3215", "STS3215")
    assert isinstance(second, UnreadableServo)
    assert (second.id, second.baud_rate) == (2, 1_000_000)
    assert second.reason.startswith("read Model_Number: no answer from servo 2 on ")


def test_an_empty_bus_gives_nothing(simulated: SimulatedArm) -> None:
    simulated.cut_power()
    assert list(scan_port(simulated.port, ids=range(4))) == []

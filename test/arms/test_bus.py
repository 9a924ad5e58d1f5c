from __future__ import annotations

import os
import termios
import threading
import tty
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.bus import MARKS, ServoBus
from lerobot_recorder.arms.calibration import JOINTS, SIMULATED
from lerobot_recorder.arms.protocol import Alarm, Packet
from lerobot_recorder.arms.registers import Block
from lerobot_recorder.arms.setup import scan_port
from lerobot_recorder.errors import BusError, BusTimeoutError, PacketError, PortError
from lerobot_recorder.simulation import SimulatedArm

IDS = range(1, 7)


def positions(bus: ServoBus) -> dict[int, int]:
    blocks = bus.sync_read(IDS, r.MOTION)
    return {servo: r.PRESENT_POSITION.within(block, r.MOTION.address) for servo, block in blocks.items()}


def actual(simulated: SimulatedArm) -> dict[int, int]:
    return {servo.id: round(servo.angle) for servo in simulated.servos.values()}


class Replay:
    """A serial port that has recorded bytes to answer each question with."""

    baudrate = 1_000_000

    def __init__(self, answer: bytes) -> None:
        self._answer, self._ready = answer, b""

    @property
    def in_waiting(self) -> int:
        return len(self._ready)

    def reset_input_buffer(self) -> None:
        self._ready = b""

    def write(self, question: bytes) -> None:
        self._ready = self._answer

    def read(self, size: int) -> bytes:
        data, self._ready = self._ready[:size], self._ready[size:]
        return data


@given(st.binary(max_size=80), st.integers(0, 4))
def test_any_bytes_are_an_answer_or_an_error(noise: bytes, size: int) -> None:
    good = Packet(1, 0, bytes(size)).encode()
    with mock.patch("serial.Serial", return_value=Replay(noise + good)):
        bus = ServoBus("replay", timeout_s=0.001, retries=1)
    try:
        answer = bus.sync_read([1], Block(0, size))[1]
    except BusError:
        return
    assert Packet(1, bus.alarms[1], answer).encode() in noise + good


def test_servos_answer(bus: ServoBus, simulated: SimulatedArm) -> None:
    assert bus.ping(1) == Alarm(0)
    assert bus.model(3) == r.MODEL_STS3215
    assert positions(bus) == actual(simulated)
    assert list(bus.scan(range(9))) == list(IDS)


def test_a_scan_finds_servos_that_answer_late(bus: ServoBus, simulated: SimulatedArm) -> None:
    simulated.faults.late, simulated.faults.late_s = 1.0, 0.03
    assert sorted(bus.scan(range(9))) == list(IDS)


def test_written_values_are_read_back(bus: ServoBus) -> None:
    bus.write(2, r.GOAL_POSITION, 1234)
    assert bus.read(2, r.GOAL_POSITION) == 1234


def test_sync_write_reaches_all_named_servos(bus: ServoBus) -> None:
    before = bus.read(2, r.GOAL_POSITION)
    bus.sync_write(r.GOAL_POSITION, {1: 1500, 6: 2500})
    assert [bus.read(servo, r.GOAL_POSITION) for servo in (1, 2, 6)] == [1500, before, 2500]


def test_alarms_come_with_every_answer(bus: ServoBus, simulated: SimulatedArm) -> None:
    simulated.servos["wrist_flex"].supply_v = 3.5
    positions(bus)
    assert {servo: alarm for servo, alarm in bus.alarms.items() if alarm} == {4: Alarm.VOLTAGE}


def test_a_silent_servo_is_named(bus: ServoBus, simulated: SimulatedArm) -> None:
    simulated.servos["elbow_flex"].silent = True
    with pytest.raises(BusTimeoutError, match=r"no answer from servo 3 on .*: check its cable"):
        positions(bus)
    assert bus.errors[3].timeouts == 3
    assert bus.errors[2].total == 0


def test_a_silent_bus_is_distinguished_from_a_silent_servo(bus: ServoBus, simulated: SimulatedArm) -> None:
    simulated.cut_power()
    with pytest.raises(BusTimeoutError, match=r"no servo on .* answers: check the power supply"):
        positions(bus)


def test_servos_are_called_by_their_names(simulated: SimulatedArm) -> None:
    with ServoBus(simulated.port, names={3: "elbow_flex"}, retries=0) as bus:
        simulated.faults.missing = 1.0
        with pytest.raises(BusTimeoutError, match=r"servo 3 \(elbow_flex\)"):
            bus.ping(3)


def test_broken_packets_are_distinguished_from_silence(bus: ServoBus, simulated: SimulatedArm) -> None:
    simulated.faults.corrupt = 1.0
    with pytest.raises(PacketError, match=r"broken packets from servo 1 on"):
        bus.ping(1)
    assert bus.errors[1].corrupt == 3


@pytest.mark.parametrize("fault", ["corrupt", "missing", "wrong_id", "late", "merged"])
def test_faults_are_survived_and_no_stale_value_is_returned(fault: str, simulated: SimulatedArm) -> None:
    """Whatever is read is what was written just before, never the answer to an earlier question."""
    read = 0
    with ServoBus(simulated.port, retries=4) as bus:
        setattr(simulated.faults, fault, 0.08)
        simulated.faults.late_s = 0.045
        for number in range(40):
            bus.sync_write(r.GOAL_VELOCITY, dict.fromkeys(IDS, number))
            try:
                blocks = bus.sync_read(IDS, r.SETTINGS)
            except BusError:
                continue
            read += 1
            assert {r.GOAL_VELOCITY.within(block, 0) for block in blocks.values()} == {number}
        assert read > 10
        assert sum(errors.total for errors in bus.errors.values())


def test_a_late_answer_is_not_taken_for_the_next_one(bus: ServoBus, simulated: SimulatedArm) -> None:
    simulated.faults.late, simulated.faults.late_s = 1.0, 0.12
    with pytest.raises(BusError):
        bus.read(1, r.GOAL_POSITION)
    simulated.faults.late = 0.0
    bus.sync_write(r.GOAL_POSITION, {1: 777})
    for _ in range(20):
        try:
            assert bus.read(1, r.GOAL_POSITION) == 777
            return
        except BusTimeoutError:
            continue
    raise AssertionError("the bus has not recovered")


@pytest.mark.parametrize("size", MARKS)
def test_nothing_is_read_in_the_size_of_a_mark(size: int, bus: ServoBus) -> None:
    with pytest.raises(ValueError, match=f"the size of {size} bytes is reserved for marks"):
        bus.sync_read(IDS, Block(0, size))


def test_no_request_has_the_size_of_a_mark(simulated: SimulatedArm, monkeypatch) -> None:
    sizes = set()
    exchange = ServoBus._exchange

    def noted(bus: ServoBus, request: bytes, servos: list[int], size: int, action: str):
        sizes.add(size)
        return exchange(bus, request, servos, size, action)

    monkeypatch.setattr(ServoBus, "_exchange", noted)
    with Arm("follower", simulated.port, SIMULATED).open() as arm:
        arm.read()
        arm.health()
        arm.enable_torque(True)
    for effort in ("load", "current"):
        with Arm("follower", simulated.port, SIMULATED, effort=effort).open() as arm:
            arm.read()
    assert len(list(scan_port(simulated.port, ids=IDS))) == len(IDS)
    assert {block.size for block in r.BLOCKS} <= sizes
    assert not sizes & set(MARKS)


def test_a_line_that_never_falls_silent_does_not_hang_it() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    quiet = threading.Event()

    def babble() -> None:
        while not quiet.is_set():
            os.write(master, bytes.fromhex("FF FF 01 03 00 02"))

    thread = threading.Thread(target=babble, daemon=True)
    thread.start()
    try:
        with ServoBus(os.ttyname(slave), retries=0) as bus, pytest.raises(PacketError):
            bus.ping(1)
    finally:
        quiet.set()
        termios.tcflush(slave, termios.TCIOFLUSH)
        thread.join()
        os.close(master)
        os.close(slave)


def test_an_unplugged_port_is_noticed_at_once(bus: ServoBus, simulated: SimulatedArm) -> None:
    simulated.unplug()
    with pytest.raises(PortError, match="failed: check its cable"):
        bus.ping(1)


def test_a_replugged_port_can_be_opened_again(bus: ServoBus, simulated: SimulatedArm) -> None:
    simulated.unplug()
    bus.close()
    simulated.replug()
    with ServoBus(simulated.port) as again:
        assert positions(again) == actual(simulated)


def test_a_port_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(PortError, match="/dev/ttyNone does not exist: plug the arm in"):
        ServoBus("/dev/ttyNone")


def test_a_busy_port_is_an_error(bus: ServoBus, simulated: SimulatedArm) -> None:
    with pytest.raises(PortError, match="is in use by another program"):
        ServoBus(simulated.port)


def test_a_file_is_not_a_port(tmp_path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(PortError, match="is not a serial port"):
        ServoBus(str(path))


def test_servos_at_another_baud_rate_do_not_answer(bus: ServoBus) -> None:
    bus.baud_rate = 115_200
    with pytest.raises(BusTimeoutError):
        bus.ping(1)
    bus.baud_rate = 1_000_000
    assert bus.ping(1) == Alarm(0)


def test_the_ids_of_the_joints_are_in_order(simulated: SimulatedArm) -> None:
    assert [simulated.servos[name].id for name in JOINTS] == list(IDS)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.arms import protocol
from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.calibration import SIMULATED
from lerobot_recorder.arms.protocol import BROADCAST_ID, Alarm, Instruction, Packet
from lerobot_recorder.simulation.line import ServoLine
from lerobot_recorder.simulation.servo import SimulatedServo

BAUD_RATE = 1_000_000


@pytest.fixture
def servos() -> list[SimulatedServo]:
    return [SimulatedServo(joint, 2048.0) for joint in SIMULATED.joints.values()]


def ask(servos: list[SimulatedServo], data: bytes, baud_rate: int = BAUD_RATE) -> list[Packet]:
    return list(ServoLine(servos).receive(data, baud_rate))


def test_a_ping_is_answered_by_whom_it_is_for(servos: list[SimulatedServo]) -> None:
    assert ask(servos, protocol.ping(2)) == [Packet(2, 0)]
    assert ask(servos, protocol.ping(9)) == []


def test_a_broadcast_ping_is_answered_by_all(servos: list[SimulatedServo]) -> None:
    assert [reply.id for reply in ask(servos, protocol.ping(BROADCAST_ID))] == [1, 2, 3, 4, 5, 6]


def test_a_sync_read_is_answered_in_its_order(servos: list[SimulatedServo]) -> None:
    replies = ask(servos, protocol.sync_read([5, 9, 2], r.PRESENT_POSITION.address, 2))
    assert [(reply.id, reply.parameters) for reply in replies] == [(5, b"\x00\x08"), (2, b"\x00\x08")]


def test_a_sync_write_is_obeyed_in_silence(servos: list[SimulatedServo]) -> None:
    data = {servo: r.GOAL_POSITION.encode(1000 + servo) for servo in (1, 6)}
    assert ask(servos, protocol.sync_write(r.GOAL_POSITION.address, data)) == []
    assert [servos[0].get(r.GOAL_POSITION), servos[5].get(r.GOAL_POSITION)] == [1001, 1006]


def test_a_broadcast_write_is_obeyed_in_silence(servos: list[SimulatedServo]) -> None:
    assert ask(servos, protocol.write(BROADCAST_ID, r.TORQUE_ENABLE.address, b"\x01")) == []
    assert all(servo.get(r.TORQUE_ENABLE) for servo in servos)


def test_a_registered_write_waits_for_the_action(servos: list[SimulatedServo]) -> None:
    line = ServoLine(servos)
    registered = Packet(1, Instruction.REG_WRITE, bytes((r.ACCELERATION.address, 50)))
    assert list(line.receive(registered.encode(), BAUD_RATE)) == [Packet(1, 0)]
    assert servos[0].get(r.ACCELERATION) == 0
    list(line.receive(Packet(BROADCAST_ID, Instruction.ACTION).encode(), BAUD_RATE))
    assert servos[0].get(r.ACCELERATION) == 50


def test_a_new_id_is_answered_for_at_once(servos: list[SimulatedServo]) -> None:
    assert ask(servos, protocol.write(1, r.ID.address, b"\x09")) == [Packet(1, 0)]
    assert ask(servos, protocol.ping(9)) == [Packet(9, 0)]


def test_only_the_right_speed_is_understood(servos: list[SimulatedServo]) -> None:
    servos[2].write(r.BAUD_RATE.address, b"\x04")
    assert ask(servos, protocol.ping(3)) == []
    assert ask(servos, protocol.ping(3), 115_200) == [Packet(3, 0)]


def test_alarms_are_in_every_reply(servos: list[SimulatedServo]) -> None:
    servos[0].supply_v = 3.0
    assert ask(servos, protocol.ping(1)) == [Packet(1, Alarm.VOLTAGE)]


@given(
    st.lists(st.builds(Packet, st.integers(0, 254), st.integers(0, 255), st.binary(max_size=40)), max_size=4)
)
def test_no_instruction_upsets_it(instructions: list[Packet]) -> None:
    servos = [SimulatedServo(joint, 2048.0) for joint in SIMULATED.joints.values()]
    ask(servos, b"".join(instruction.encode() for instruction in instructions))
    for servo in servos:
        servo.advance(0.01)

"""The line that connects the simulated servos: instructions in, replies out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lerobot_recorder.arms import BROADCAST_ID, Decoder, Instruction, Packet
from lerobot_recorder.simulation.servo import SimulatedServo


class ServoLine:
    """Servos on the same wire.

    They answer like real servos: each to its own ID and baud rate, to a sync read one after the other, to a
    sync write not at all, and all of them to a broadcast ping.
    """

    def __init__(self, servos: Sequence[SimulatedServo]) -> None:
        """Connect servos to a line."""
        self._servos = servos
        self._decoder = Decoder()
        self._registered: dict[SimulatedServo, bytes] = {}

    def receive(self, data: bytes, baud_rate: int) -> Iterator[Packet]:
        """Process bytes from the wire; yield the servos' replies."""
        for instruction in self._decoder.feed(data):
            servos = [servo for servo in self._servos if servo.baud_rate == baud_rate and not servo.silent]
            yield from self._dispatch(instruction, servos)

    def _dispatch(self, packet: Packet, servos: Sequence[SimulatedServo]) -> Iterator[Packet]:
        if packet.code == Instruction.SYNC_READ and len(packet.parameters) > 2:
            yield from _sync_read(packet.parameters, servos)
        elif packet.code == Instruction.SYNC_WRITE and len(packet.parameters) > 2:
            _sync_write(packet.parameters, servos)
        else:
            for servo in servos:
                if packet.id in (servo.id, BROADCAST_ID):
                    yield from self._answer(packet, servo)

    def _answer(self, packet: Packet, servo: SimulatedServo) -> Iterator[Packet]:
        named = packet.id != BROADCAST_ID
        identity, parameters = servo.id, packet.parameters
        if packet.code == Instruction.PING:
            yield Packet(identity, servo.alarm())
        elif packet.code == Instruction.READ and len(parameters) == 2 and named:
            yield Packet(identity, servo.alarm(), servo.read(*parameters))
        elif packet.code in (Instruction.WRITE, Instruction.REG_WRITE, Instruction.ACTION):
            self._store(packet, servo)
            if named:
                yield Packet(identity, servo.alarm())

    def _store(self, packet: Packet, servo: SimulatedServo) -> None:
        if packet.code == Instruction.REG_WRITE:
            self._registered[servo] = packet.parameters
            return
        data = self._registered.pop(servo, b"") if packet.code == Instruction.ACTION else packet.parameters
        if data:
            servo.write(data[0], data[1:])


def _sync_read(parameters: bytes, servos: Sequence[SimulatedServo]) -> Iterator[Packet]:
    address, size, *ids = parameters
    for wanted in ids:
        for servo in servos:
            if servo.id == wanted:
                yield Packet(wanted, servo.alarm(), servo.read(address, size))


def _sync_write(parameters: bytes, servos: Sequence[SimulatedServo]) -> None:
    address, size = parameters[:2]
    for start in range(2, len(parameters) - size, size + 1):
        for servo in servos:
            if servo.id == parameters[start]:
                servo.write(address, parameters[start + 1 : start + 1 + size])

"""The line that connects the simulated servos, and faults on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

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


@dataclass
class Faults:
    """Faults on the simulated wire; every value may be changed while it runs.

    Probabilities are from 0 to 1, for each reply or for each piece of the instructions.

    Attributes:
        unheard: an instruction is lost
        corrupt: a bit of the reply is flipped
        missing: the reply is not sent
        wrong_id: the reply has the ID of another servo
        late: the reply, and all data after it, is delayed by ``late_s``
        merged: the reply is sent together with the next one
        silent: no servo answers, as without power
        late_s: delay of a late reply
        random: random number generator
    """

    unheard: float = 0.0
    corrupt: float = 0.0
    missing: float = 0.0
    wrong_id: float = 0.0
    late: float = 0.0
    merged: float = 0.0
    silent: bool = False
    late_s: float = 0.05
    random: Random = field(default_factory=lambda: Random(0))
    _kept: bytes = b""

    def deliver(self, data: bytes) -> bytes:
        """Return the part of an instruction that the servos receive."""
        return b"" if self._occurs(self.unheard) else data

    def pass_on(self, reply: Packet) -> tuple[float, bytes]:
        """Return the delay of a reply in s, and the bytes that are then sent."""
        delay = self.late_s if self._occurs(self.late) else 0.0
        if self._occurs(self.missing):
            return delay, b""
        if self._occurs(self.wrong_id):
            reply = Packet(reply.id % 250 + 1, reply.code, reply.parameters)
        data = bytearray(self._kept + reply.encode())
        self._kept = b""
        if self._occurs(self.corrupt):
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        if self._occurs(self.merged):
            self._kept = bytes(data)
            return delay, b""
        return delay, bytes(data)

    def _occurs(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance

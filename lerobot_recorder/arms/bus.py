"""A serial bus of Feetech servos: asks, waits, retries, and tells a late answer from a fresh one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle

import serial

from lerobot_recorder.arms import protocol
from lerobot_recorder.arms.port import open_port, port_errors
from lerobot_recorder.arms.protocol import BROADCAST_ID, MAX_ID, Alarm, Decoder, Packet
from lerobot_recorder.arms.registers import BLOCKS, ID, MODEL_NUMBER, Block, Register
from lerobot_recorder.errors import BusError, BusTimeoutError, PacketError

BAUD_RATE = 1_000_000
TIMEOUT_S = 0.04
"""How long a servo may take to begin its answer: 0.5 ms for itself, the rest for USB and a busy computer."""
RETRIES = 2
"""As LeRobot's `num_read_retries`."""

MARKS = tuple(size for size in range(20, 52) if size not in {block.size for block in BLOCKS})
"""Sizes in bytes of reads that only serve to tell old answers from new ones; nothing else is read in them."""
_SCAN_TIMEOUT_S = 0.006
"""Short, as most ids are nobody's; a servo that a busy computer hears later still answers the broadcast."""
_BROADCAST_S = 0.8
"""As LeRobot: servos answer a broadcast in the order of their ids, up to 3 ms for each."""
_POLL_S = 0.002
_BABBLE_BYTES = 8192
"""How much of a line that never falls silent is listened to."""
_BITS_PER_BYTE = 10


@dataclass
class ServoErrors:
    """How often a servo has not answered as it should since the bus was made."""

    timeouts: int = 0
    corrupt: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.timeouts + self.corrupt


@dataclass
class _Answer:
    """What came back after one request: replies by servo, and how much that was no reply."""

    replies: dict[int, Packet] = field(default_factory=dict)
    garbage: int = 0

    def add(self, packet: Packet, servos: Sequence[int], size: int) -> None:
        """Keep a packet if it is one of the replies that are waited for."""
        if packet.id in servos and len(packet.parameters) == size:
            self.replies[packet.id] = packet
        else:
            self.garbage += 1

    def missing(self, servos: Sequence[int]) -> list[int]:
        """Return the servos that have not replied."""
        return [servo for servo in servos if servo not in self.replies]


class ServoBus:
    """The servos on one serial port.

    For one thread at a time. Every call blocks until the servos have answered, or have not in spite of
    retries.

    The protocol does not number its packets, so an answer that comes after its time would pass for the answer
    to the next question. After a failed attempt the bus therefore asks for a number of bytes that it has not
    asked for lately: what arrives before that answer is old. No stale value is ever returned.

    Attributes:
        port: The serial port's path.
        errors: Error counts by servo id.
        alarms: What each servo complained about when it last answered, by id.
    """

    def __init__(
        self,
        port: str,
        *,
        names: Mapping[int, str] | None = None,
        baud_rate: int = BAUD_RATE,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
    ) -> None:
        """Open the port.

        Args:
            port: The serial port's path.
            names: What messages call the servos, by id.
            baud_rate: Bits per second on the wire.
            timeout_s: How long a servo may take to begin its answer.
            retries: How often to ask again.

        Raises:
            PortError: It does not exist, is in use, or may not be opened.
        """
        self.port = port
        self.errors: defaultdict[int, ServoErrors] = defaultdict(ServoErrors)
        self.alarms: dict[int, Alarm] = {}
        self._names = names or {}
        self._timeout_s = timeout_s
        self._retries = retries
        self._doubtful = False
        self._marks = cycle(MARKS)
        self._serial = open_port(port, baud_rate, timeout_s=_POLL_S)

    def close(self) -> None:
        """Close the port. The servos stay as they are."""
        self._serial.close()

    def __enter__(self) -> ServoBus:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def baud_rate(self) -> int:
        """Bits per second on the wire."""
        return int(self._serial.baudrate)

    @baud_rate.setter
    def baud_rate(self, baud_rate: int) -> None:
        with port_errors(self.port):
            self._serial.baudrate = baud_rate

    def ping(self, servo: int) -> Alarm:
        """Return what a servo complains about.

        Raises:
            BusError: It does not answer.
            PortError: The port is gone.
        """
        self._exchange(protocol.ping(servo), [servo], 0, "ping")
        return self.alarms[servo]

    def read(self, servo: int, register: Register) -> int:
        """Return one value from a servo.

        Raises:
            BusError: It does not answer.
            PortError: The port is gone.
        """
        request = protocol.read(servo, register.address, register.size)
        replies = self._exchange(request, [servo], register.size, f"read {register.name}")
        return register.decode(replies[servo].parameters)

    def write(self, servo: int, register: Register, value: int) -> None:
        """Store one value in a servo, and wait until it has confirmed.

        Raises:
            BusError: It does not answer; whether it has stored the value is unknown.
            PortError: The port is gone.
        """
        request = protocol.write(servo, register.address, register.encode(value))
        self._exchange(request, [servo], 0, f"write {register.name}")

    def sync_read(self, servos: Sequence[int], block: Block) -> dict[int, bytes]:
        """Return the same block of memory of several servos, all from one and the same request.

        Raises:
            ValueError: The block has a size that is kept for marks: add it to `registers.BLOCKS`.
            BusError: One of them does not answer.
            PortError: The port is gone.
        """
        if block.size in MARKS:
            raise ValueError(f"a block of {block.size} bytes cannot be told from a mark: add it to BLOCKS")
        request = protocol.sync_read(servos, block.address, block.size)
        replies = self._exchange(request, servos, block.size, "sync read")
        return {servo: replies[servo].parameters for servo in servos}

    def sync_write(self, register: Register, values: Mapping[int, int]) -> None:
        """Store a value in each of several servos at once; they do not confirm.

        Raises:
            PortError: The port is gone.
        """
        data = {servo: register.encode(value) for servo, value in values.items()}
        with port_errors(self.port):
            self._send(protocol.sync_write(register.address, data))

    def scan(self, servos: Iterable[int] = range(MAX_ID + 1)) -> Iterator[int]:
        """Ping a range of ids and yield those that answer, at the end those that only answer a broadcast.

        Raises:
            PortError: The port is gone.
        """
        silent = []
        for servo in servos:
            self._doubtful = True
            if servo in self._ask(protocol.ping(servo), [servo], 0, _SCAN_TIMEOUT_S).replies:
                yield servo
            else:
                silent.append(servo)
        if silent:
            yield from sorted(self._ask(protocol.ping(BROADCAST_ID), silent, 0, _BROADCAST_S).replies)

    def answers(self, servos: Sequence[int]) -> bool:
        """Tell whether any of several servos answers, without retries.

        Raises:
            PortError: The port is gone.
        """
        request = protocol.sync_read(servos, ID.address, ID.size)
        answer = self._ask(request, servos, ID.size, self._timeout_s)
        self._doubtful = self._doubtful or bool(answer.missing(servos))
        return bool(answer.replies)

    def model(self, servo: int) -> int:
        """Return a servo's model number, which `registers.MODELS` names.

        Raises:
            BusError: It does not answer.
            PortError: The port is gone.
        """
        return self.read(servo, MODEL_NUMBER)

    def _exchange(self, request: bytes, servos: Sequence[int], size: int, action: str) -> dict[int, Packet]:
        """Ask until every servo has answered with ``size`` parameters, a few times."""
        answer = _Answer()
        for _ in range(1 + self._retries):
            if self._doubtful and not self._resynchronise(servos[0]):
                continue
            answer = self._ask(request, servos, size, self._timeout_s)
            if not (missing := answer.missing(servos)):
                return self._accept(answer)
            self._doubtful = True
            self._count(missing, answer)
        raise self._failure(answer, servos, action)

    def _resynchronise(self, servo: int) -> bool:
        """Let everything arrive that is still on its way; False if the servo does not answer."""
        size = next(self._marks)
        answer = self._ask(protocol.read(servo, 0, size), [servo], size, self._timeout_s)
        self._doubtful = servo not in answer.replies
        if self._doubtful:
            self._count([servo], answer)
        return not self._doubtful

    def _ask(self, request: bytes, servos: Sequence[int], size: int, timeout_s: float) -> _Answer:
        """Send one request and collect what comes until all have answered, the last has, or time is up.

        Only time spent waiting counts: while the computer is busy elsewhere, nobody can answer.
        """
        decoder = Decoder(max_parameters=size)
        answer = _Answer()
        wire_s = _BITS_PER_BYTE * (len(request) + protocol.reply_bytes(size, len(servos))) / self.baud_rate
        waited_s, received = 0.0, 0
        with port_errors(self.port):
            self._serial.reset_input_buffer()
            self._send(request)
            while (
                servos[-1] not in answer.replies
                and waited_s < timeout_s + wire_s
                and received < _BABBLE_BYTES
            ):
                data = self._receive()
                waited_s += 0.0 if data else _POLL_S
                received += len(data)
                for packet in decoder.feed(data):
                    answer.add(packet, servos, size)
        answer.garbage += decoder.skipped + decoder.pending
        return answer

    def _send(self, data: bytes) -> None:
        """Write to the line; if it does not take it in time, that shows as an answer that does not come."""
        with suppress(serial.SerialTimeoutException):
            self._serial.write(data)

    def _receive(self) -> bytes:
        """Wait for bytes, at most `_POLL_S`, and take all that are there."""
        first: bytes = self._serial.read(1)
        return first + self._serial.read(self._serial.in_waiting) if first else b""

    def _accept(self, answer: _Answer) -> dict[int, Packet]:
        for servo, reply in answer.replies.items():
            self.alarms[servo] = Alarm(reply.code)
        return answer.replies

    def _count(self, missing: Sequence[int], answer: _Answer) -> None:
        for servo in missing:
            if answer.garbage:
                self.errors[servo].corrupt += 1
            else:
                self.errors[servo].timeouts += 1

    def _failure(self, answer: _Answer, servos: Sequence[int], action: str) -> BusError:
        who = self._names_of(answer.missing(servos))
        if answer.garbage:
            return PacketError(
                f"{action}: broken packets from servo {who} on {self.port}: check its cable and its power"
            )
        if len(servos) > 1 and not answer.replies:
            return BusTimeoutError(f"{action}: no servo on {self.port} answers: check the power supply")
        return BusTimeoutError(
            f"{action}: no answer from servo {who} on {self.port}: check its cable, its power and its id"
        )

    def _names_of(self, servos: Iterable[int]) -> str:
        return ", ".join(
            f"{servo} ({self._names[servo]})" if servo in self._names else str(servo) for servo in servos
        )

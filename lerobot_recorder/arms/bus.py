"""A serial bus of Feetech servos: sends requests, retries, and discards late replies."""

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
"""Time in which a servo must begin to reply: it needs 0.5 ms, the rest is for USB and a busy computer."""
RETRIES = 2
"""As LeRobot's ``num_read_retries``."""

MARKS = tuple(size for size in range(20, 52) if size not in {block.size for block in BLOCKS})
"""Sizes in bytes of reads that only distinguish old replies from new ones; no other read has such a size."""
_SCAN_TIMEOUT_S = 0.006
"""Short, as most IDs are unused; a servo whose reply comes too late still answers the broadcast."""
_BROADCAST_S = 0.8
"""As in LeRobot: servos answer a broadcast in the order of their IDs, up to 3 ms each."""
_POLL_S = 0.002
_BABBLE_BYTES = 8192
"""How much is read from a line that never becomes silent."""
_BITS_PER_BYTE = 10


@dataclass
class ServoErrors:
    """Communication errors of a servo since the bus was opened."""

    timeouts: int = 0
    corrupt: int = 0

    @property
    def total(self) -> int:
        """Sum of all errors."""
        return self.timeouts + self.corrupt


@dataclass
class _Answer:
    """Result of one request: the replies by servo, and the number of packets and bytes that were no reply."""

    replies: dict[int, Packet] = field(default_factory=dict)
    garbage: int = 0

    def add(self, packet: Packet, servos: Sequence[int], size: int) -> None:
        """Keep a packet if it is one of the expected replies."""
        if packet.id in servos and len(packet.parameters) == size:
            self.replies[packet.id] = packet
        else:
            self.garbage += 1

    def missing(self, servos: Sequence[int]) -> list[int]:
        """Return the servos that have not replied."""
        return [servo for servo in servos if servo not in self.replies]


class ServoBus:
    """The servos on one serial port.

    Not thread-safe. Every call blocks until the servos have answered or all retries have failed.

    The protocol does not number its packets, so a late reply could be taken for the reply to the next
    request. After a failed attempt the bus therefore reads a number of bytes that it has not requested
    recently: everything that arrives before that reply is old. No stale value is ever returned.

    Attributes:
        port: the serial port's path
        errors: error counts by servo ID
        alarms: the error flags in each servo's last reply, by ID
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
            port: the serial port's path
            names: names of the servos for messages, by ID
            baud_rate: bits per second on the wire
            timeout_s: time in which a servo must begin to reply
            retries: how often to repeat a request

        Raises:
            PortError: the port does not exist, is in use, or this user may not open it.
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
        """Return a servo's error flags.

        Raises:
            BusError: the servo does not answer.
            PortError: the port is gone.
        """
        self._exchange(protocol.ping(servo), [servo], 0, "ping")
        return self.alarms[servo]

    def read(self, servo: int, register: Register) -> int:
        """Return one value from a servo.

        Raises:
            BusError: the servo does not answer.
            PortError: the port is gone.
        """
        request = protocol.read(servo, register.address, register.size)
        replies = self._exchange(request, [servo], register.size, f"read {register.name}")
        return register.decode(replies[servo].parameters)

    def write(self, servo: int, register: Register, value: int) -> None:
        """Store one value in a servo, and wait for its confirmation.

        Raises:
            BusError: the servo does not answer; it may have stored the value.
            PortError: the port is gone.
        """
        request = protocol.write(servo, register.address, register.encode(value))
        self._exchange(request, [servo], 0, f"write {register.name}")

    def sync_read(self, servos: Sequence[int], block: Block) -> dict[int, bytes]:
        """Return the same block of memory of several servos, from one request.

        Raises:
            ValueError: the block has a size that is reserved for marks: add it to ``registers.BLOCKS``.
            BusError: one of the servos does not answer.
            PortError: the port is gone.
        """
        if block.size in MARKS:
            raise ValueError(f"the size of {block.size} bytes is reserved for marks: add the block to BLOCKS")
        request = protocol.sync_read(servos, block.address, block.size)
        replies = self._exchange(request, servos, block.size, "sync read")
        return {servo: replies[servo].parameters for servo in servos}

    def sync_write(self, register: Register, values: Mapping[int, int]) -> None:
        """Store a value in each of several servos at once, without confirmation.

        Raises:
            PortError: the port is gone.
        """
        data = {servo: register.encode(value) for servo, value in values.items()}
        with port_errors(self.port):
            self._send(protocol.sync_write(register.address, data))

    def scan(self, servos: Iterable[int] = range(MAX_ID + 1)) -> Iterator[int]:
        """Ping a range of IDs and yield those that answer, then those that answer only a broadcast.

        Raises:
            PortError: the port is gone.
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
        """Return whether any of several servos answers, without retries.

        Raises:
            PortError: the port is gone.
        """
        request = protocol.sync_read(servos, ID.address, ID.size)
        answer = self._ask(request, servos, ID.size, self._timeout_s)
        self._doubtful = self._doubtful or bool(answer.missing(servos))
        return bool(answer.replies)

    def model(self, servo: int) -> int:
        """Return a servo's model number, which ``registers.MODELS`` names.

        Raises:
            BusError: the servo does not answer.
            PortError: the port is gone.
        """
        return self.read(servo, MODEL_NUMBER)

    def _exchange(self, request: bytes, servos: Sequence[int], size: int, action: str) -> dict[int, Packet]:
        """Send a request, with retries, until every servo has replied with ``size`` parameters."""
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
        """Wait until all late replies have arrived; False if the servo does not answer."""
        size = next(self._marks)
        answer = self._ask(protocol.read(servo, 0, size), [servo], size, self._timeout_s)
        self._doubtful = servo not in answer.replies
        if self._doubtful:
            self._count([servo], answer)
        return not self._doubtful

    def _ask(self, request: bytes, servos: Sequence[int], size: int, timeout_s: float) -> _Answer:
        """Send one request and collect replies until the last servo has answered or the time is over.

        Only time spent waiting counts, so that a busy computer does not cause timeouts.
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
        """Write to the line; a write that times out shows later as a missing reply."""
        with suppress(serial.SerialTimeoutException):
            self._serial.write(data)

    def _receive(self) -> bytes:
        """Wait for bytes, at most ``_POLL_S``, and return all that have arrived."""
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
            f"{action}: no answer from servo {who} on {self.port}: check its cable, its power and its ID"
        )

    def _names_of(self, servos: Iterable[int]) -> str:
        return ", ".join(
            f"{servo} ({self._names[servo]})" if servo in self._names else str(servo) for servo in servos
        )

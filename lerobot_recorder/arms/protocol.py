"""The Feetech serial protocol (version 0, as STS and SMS servos speak it), in bytes only.

Every packet, either way, is ``FF FF id length code parameters checksum``: ``code`` is the instruction on the
way to the servo and its error flags on the way back, ``length`` counts the bytes that follow it, and the
checksum is the inverted sum of everything after the header. Numbers are little-endian; signed ones have a
sign bit and a magnitude.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag

HEADER = b"\xff\xff"
BROADCAST_ID = 0xFE
MAX_ID = 0xFC
MAX_PARAMETERS = 248

_OVERHEAD = 6
"""Bytes of a packet besides its parameters."""


class Instruction(IntEnum):
    """What a servo is told to do."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class Alarm(IntFlag):
    """What a servo complains about in every reply while it lasts."""

    VOLTAGE = 0x01
    ENCODER = 0x02
    OVERHEAT = 0x04
    OVERCURRENT = 0x08
    OVERLOAD = 0x20


@dataclass(frozen=True)
class Packet:
    """One packet.

    Attributes:
        id: The servo that it is for, or from; `BROADCAST_ID` for all.
        code: The instruction, or the error flags of a reply (`Alarm`).
        parameters: The bytes that the code is about.
    """

    id: int
    code: int
    parameters: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        body = bytes((self.id, len(self.parameters) + 2, self.code)) + self.parameters
        return HEADER + body + bytes((checksum(body),))


def checksum(body: bytes) -> int:
    """Return the checksum over everything between the header and itself."""
    return ~sum(body) & 0xFF


def ping(servo: int) -> bytes:
    """Ask a servo whether it is there."""
    return Packet(servo, Instruction.PING).encode()


def read(servo: int, address: int, size: int) -> bytes:
    """Ask a servo for ``size`` bytes of its memory."""
    return Packet(servo, Instruction.READ, bytes((address, size))).encode()


def write(servo: int, address: int, data: bytes) -> bytes:
    """Tell a servo to store bytes in its memory."""
    return Packet(servo, Instruction.WRITE, bytes((address,)) + data).encode()


def sync_read(servos: Iterable[int], address: int, size: int) -> bytes:
    """Ask several servos for the same part of their memories; they answer one after the other."""
    return Packet(BROADCAST_ID, Instruction.SYNC_READ, bytes((address, size, *servos))).encode()


def sync_write(address: int, data: Mapping[int, bytes]) -> bytes:
    """Tell several servos at once what to store at the same address; none of them answers."""
    size = len(next(iter(data.values())))
    blocks = b"".join(bytes((servo,)) + block for servo, block in data.items())
    return Packet(BROADCAST_ID, Instruction.SYNC_WRITE, bytes((address, size)) + blocks).encode()


def reply_bytes(size: int, count: int = 1) -> int:
    """Return how many bytes ``count`` replies of ``size`` parameters take on the wire."""
    return count * (size + _OVERHEAD)


class Decoder:
    """Finds packets in a stream of bytes, whatever else is in it.

    What does not check out is skipped one byte at a time, so that a good packet behind it is still found.

    Attributes:
        skipped: Bytes that belonged to no packet.
    """

    def __init__(self, max_parameters: int = MAX_PARAMETERS) -> None:
        """Accept at most ``max_parameters`` parameters: a longer packet can only be a broken length."""
        self.skipped = 0
        self._max_length = max_parameters + 2
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that are complete now."""
        self._buffer += data
        packets = []
        while self._seek_header() and (size := self._packet_size()):
            if packet := _checked(bytes(self._buffer[:size])):
                packets.append(packet)
                del self._buffer[:size]
            else:
                self._skip(1)
        return packets

    @property
    def pending(self) -> int:
        """Bytes that may yet become a packet."""
        return len(self._buffer)

    def _seek_header(self) -> bool:
        """Drop what cannot begin a packet; tell whether one may begin at the front now."""
        while len(self._buffer) >= 4:
            if self._begins_packet():
                return True
            self._skip(1)
        return False

    def _begins_packet(self) -> bool:
        servo, length = self._buffer[2], self._buffer[3]
        return self._buffer.startswith(HEADER) and servo <= BROADCAST_ID and 2 <= length <= self._max_length

    def _packet_size(self) -> int:
        """Return the size of the packet at the front, 0 while it is incomplete."""
        size = self._buffer[3] + 4
        return size if len(self._buffer) >= size else 0

    def _skip(self, count: int) -> None:
        self.skipped += count
        del self._buffer[:count]


def _checked(frame: bytes) -> Packet | None:
    if checksum(frame[2:-1]) != frame[-1]:
        return None
    return Packet(frame[2], frame[4], frame[5:-1])


def to_sign_magnitude(value: int, sign_bit: int) -> int:
    """Return a signed value as the servo stores it.

    Raises:
        ValueError: The magnitude does not fit below the sign bit.
    """
    if abs(value) >= 1 << sign_bit:
        raise ValueError(f"{value} does not fit in {sign_bit} bits and a sign")
    return -value | 1 << sign_bit if value < 0 else value


def from_sign_magnitude(stored: int, sign_bit: int) -> int:
    """Return the signed value that a servo stores."""
    magnitude = stored & ((1 << sign_bit) - 1)
    return -magnitude if stored >> sign_bit & 1 else magnitude

"""The Feetech serial protocol (version 0, for STS and SMS servos), without any I/O.

Every packet in either direction is ``FF FF id length code parameters checksum``: ``code`` is the instruction
to the servo or the error flags in its reply, ``length`` counts the bytes that follow it, and the
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
    """Instructions to a servo."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class Alarm(IntFlag):
    """Error flags that a servo sets in every reply while the error lasts."""

    VOLTAGE = 0x01
    ENCODER = 0x02
    OVERHEAT = 0x04
    OVERCURRENT = 0x08
    OVERLOAD = 0x20


@dataclass(frozen=True)
class Packet:
    """One packet.

    Attributes:
        id: ID of the servo that receives or sends it; ``BROADCAST_ID`` for all
        code: the instruction, or the error flags of a reply (``Alarm``)
        parameters: data of the instruction or reply
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
    """Return a request that a servo answers if it is present."""
    return Packet(servo, Instruction.PING).encode()


def read(servo: int, address: int, size: int) -> bytes:
    """Return a request for ``size`` bytes of a servo's memory."""
    return Packet(servo, Instruction.READ, bytes((address, size))).encode()


def write(servo: int, address: int, data: bytes) -> bytes:
    """Return an instruction to store bytes in a servo's memory."""
    return Packet(servo, Instruction.WRITE, bytes((address,)) + data).encode()


def sync_read(servos: Iterable[int], address: int, size: int) -> bytes:
    """Return a request for the same part of several servos' memories; they answer one after the other."""
    return Packet(BROADCAST_ID, Instruction.SYNC_READ, bytes((address, size, *servos))).encode()


def sync_write(address: int, data: Mapping[int, bytes]) -> bytes:
    """Return an instruction for several servos to store data at the same address; none of them answers."""
    size = len(next(iter(data.values())))
    blocks = b"".join(bytes((servo,)) + block for servo, block in data.items())
    return Packet(BROADCAST_ID, Instruction.SYNC_WRITE, bytes((address, size)) + blocks).encode()


def reply_bytes(size: int, count: int = 1) -> int:
    """Return the number of bytes on the wire of ``count`` replies with ``size`` parameters."""
    return count * (size + _OVERHEAD)


class Decoder:
    """Finds packets in a stream of bytes that may contain garbage.

    Invalid data is skipped one byte at a time, so that a valid packet after it is still found.

    Attributes:
        skipped: number of bytes that belonged to no packet
    """

    def __init__(self, max_parameters: int = MAX_PARAMETERS) -> None:
        """Accept at most ``max_parameters`` parameters: a larger length is corrupt."""
        self.skipped = 0
        self._max_length = max_parameters + 2
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """Add bytes, and return the packets that are now complete."""
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
        """Number of bytes that may still become a packet."""
        return len(self._buffer)

    def _seek_header(self) -> bool:
        """Drop bytes that cannot begin a packet; return whether one may begin at the front now."""
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
        ValueError: the magnitude does not fit below the sign bit.
    """
    if abs(value) >= 1 << sign_bit:
        raise ValueError(f"{value} does not fit in {sign_bit} bits and a sign")
    return -value | 1 << sign_bit if value < 0 else value


def from_sign_magnitude(stored: int, sign_bit: int) -> int:
    """Return the signed value that a servo stores."""
    magnitude = stored & ((1 << sign_bit) - 1)
    return -magnitude if stored >> sign_bit & 1 else magnitude

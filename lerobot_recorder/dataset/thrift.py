"""Reads and writes Thrift's compact protocol, in which parquet files describe themselves.

A struct is a dictionary from the numbers of its fields to pairs of type and value; a list is a pair of the
type of its elements and their values.
"""

from __future__ import annotations

import struct
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12

Struct = dict[int, tuple[int, Any]]

_INTEGERS = (I16, I32, I64)
_DEEPEST = 32


def read_struct(data: bytes | memoryview, position: int, depth: int = 0) -> tuple[Struct, int]:
    """Parse a struct.

    Returns:
        The struct, and the position after it.

    Raises:
        ValueError: the bytes are something else.
    """
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    found: Struct = {}
    number = 0
    while True:
        head, position = _byte(data, position)
        if head == 0:
            return found, position
        kind = head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, position = _integer(data, position)
        value, position = (
            (kind == TRUE, position) if kind in (TRUE, FALSE) else _read(data, position, kind, depth)
        )
        found[number] = kind, value


def _read(data: bytes | memoryview, position: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in _INTEGERS:
        return _integer(data, position)
    if kind in (BYTE, TRUE, FALSE):
        return _byte(data, position)
    if kind == STRUCT:
        return read_struct(data, position, depth + 1)
    if kind in (LIST, SET):
        return _list(data, position, depth)
    size = 8
    if kind == BINARY:
        size, position = _varint(data, position)
    elif kind != DOUBLE:
        raise ValueError(f"unknown type {kind}")
    if position + size > len(data):
        raise ValueError("the bytes end too early")
    content = bytes(data[position : position + size])
    return (content if kind == BINARY else struct.unpack("<d", content)[0]), position + size


def _list(data: bytes | memoryview, position: int, depth: int) -> tuple[tuple[int, list[Any]], int]:
    head, position = _byte(data, position)
    size, kind = head >> 4, head & 15
    if size == 15:
        size, position = _varint(data, position)
    if size > len(data):
        raise ValueError("a list is longer than the file")
    values = []
    for _ in range(size):
        value, position = _read(data, position, kind, depth)
        values.append(value)
    return (kind, values), position


def _byte(data: bytes | memoryview, position: int) -> tuple[int, int]:
    if position >= len(data):
        raise ValueError("the bytes end too early")
    return data[position], position + 1


def _varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte, position = _byte(data, position)
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("a number is too long")


def _integer(data: bytes | memoryview, position: int) -> tuple[int, int]:
    value, position = _varint(data, position)
    return (value >> 1) ^ -(value & 1), position


def write_struct(value: Struct) -> bytes:
    """Return the bytes of a struct."""
    parts, last = [], 0
    for number, (kind, content) in sorted(value.items()):
        known = (TRUE if content else FALSE) if kind in (TRUE, FALSE) else kind
        step = number - last
        parts.append(bytes([(step << 4 if 0 < step < 16 else 0) | known]))
        if not 0 < step < 16:
            parts.append(_zigzag(number))
        if kind not in (TRUE, FALSE):
            parts.append(_write(kind, content))
        last = number
    return b"".join([*parts, b"\0"])


def _write(kind: int, value: Any) -> bytes:
    if kind in _INTEGERS:
        return _zigzag(value)
    if kind in (BYTE, TRUE, FALSE):
        return bytes([value])
    if kind == STRUCT:
        return write_struct(value)
    if kind == BINARY:
        return b"".join([_unsigned(len(value)), value])
    if kind == DOUBLE:
        return struct.pack("<d", value)
    inner, values = value
    head = bytes([min(len(values), 15) << 4 | inner])
    size = _unsigned(len(values)) if len(values) >= 15 else b""
    return b"".join([head, size, *(_write(inner, each) for each in values)])


def _zigzag(value: int) -> bytes:
    return _unsigned(value << 1 if value >= 0 else (-value << 1) - 1)


def _unsigned(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])

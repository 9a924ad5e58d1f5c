"""Messages that no sane publisher sends, of any type: random, but the same for the same seed."""

from __future__ import annotations

import array
import random
import re
from importlib import import_module
from typing import Any

_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-320, 1e38, -1e308, float("nan"), float("inf"), float("-inf"))
_TEXTS = (
    "", " ", "/", "\n", "\x7f", "\ufffd", "\U0001f916", "{", '{"episode_id": 3}', "null", "[]", "a" * 20_000,
    "shoulder_pan", "gripper", "one", "two", "one_joint", "position", "../..", "%s%n", "'\";--",
    "rgb8", "bgr8", "mono8", "mono16", "16UC1", "32FC1", "yuv422_yuy2", "nv12", "nv21", "bayer_rggb8", "jpeg",
    "png", "16UC1; compressedDepth png", "32FC1; compressedDepth",
)  # fmt: skip
_BYTES = (
    b"", b"\xff\xd8", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xd9", b"\x89PNG\r\n\x1a\n",
    b"\x89PNG\r\n\x1a\n" + bytes(8) + b"\xff" * 16, b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\xff\xd9",
)  # fmt: skip
_LENGTHS = (0, 0, 1, 2, 6, 7, 100)
_LONGEST = 5000
_SEQUENCE = re.compile(r"sequence<(.+?)(?:, \d+)?>$")
_ARRAY = re.compile(r"(.+)\[(\d+)\]$")
_CODES = {"float": "f", "double": "d", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i"}
_CODES |= {"uint32": "I", "int64": "q", "uint64": "Q"}


class Hostile:
    """Makes messages.

    Args:
        seed: of all choices.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def message(self, kind: type) -> Any:
        """Make a message of a type; its fields are each within what the type can hold."""
        message = kind()
        for name, field in kind.get_fields_and_field_types().items():
            if self._random.random() < 0.9:
                setattr(message, name, self._value(field, getattr(message, name)))
        return message

    def _value(self, field: str, present: Any) -> Any:
        if match := _SEQUENCE.match(field):
            return self._sequence(match[1])
        if match := _ARRAY.match(field):
            values = [self._scalar(match[1]) for _ in range(int(match[2]))]
            return array.array(present.typecode, values) if isinstance(present, array.array) else values
        return self._scalar(field)

    def _sequence(self, field: str) -> Any:
        if field in ("uint8", "octet") and self._random.random() < 0.5:
            content = self._random.choice(_BYTES) + self._random.randbytes(self._random.choice(_LENGTHS))
            return array.array("B", content) if field == "uint8" else [bytes([each]) for each in content]
        length = _LONGEST if self._random.random() < 0.05 else self._random.choice(_LENGTHS)
        length = min(length, 7) if "/" in field else length
        values = [self._scalar(field) for _ in range(length)]
        return array.array(_CODES[field], values) if field in _CODES else values

    def _scalar(self, field: str) -> Any:
        choose = self._random.choice
        if "/" in field:
            package, _, name = field.partition("/")
            return self.message(getattr(import_module(f"{package}.msg"), name.rpartition("/")[2]))
        if field.startswith(("string", "wstring")):
            return choose(_TEXTS)
        if field == "float":
            return choose([each for each in _FLOATS if not 1e38 < abs(each) < float("inf")])
        if field == "double":
            return choose((*_FLOATS, self._random.uniform(-4, 4)))
        if field == "boolean":
            return choose((True, False))
        if field in ("octet", "byte", "char"):
            return bytes([self._random.randrange(256)]) if field != "char" else self._random.randrange(256)
        bits = int(field.strip("uint"))
        low, high = (0, 2**bits - 1) if field.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        usual = [value for value in (-1, 0, 1, 2, 48, 640, 2**29) if low <= value <= high]
        return choose((low, high, *usual, self._random.randint(low, high)))

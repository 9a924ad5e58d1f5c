"""Reads single keys from the terminal."""

from __future__ import annotations

import os
import queue
import re
import select
import sys
import termios
import threading
import tty
from dataclasses import dataclass

_NAMES: dict[bytes, str] = {
    b"\x1b[C": "right",
    b"\x1bOC": "right",
    b"\x1b[D": "left",
    b"\x1bOD": "left",
    b"\x1b": "escape",
    b"\n": "enter",
    b"\r": "enter",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b" ": "space",
    b"\t": "tab",
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[H": "home",
    b"\x1bOH": "home",
    b"\x1b[F": "end",
    b"\x1bOF": "end",
    b"\x1b[5~": "page_up",
    b"\x1b[6~": "page_down",
}
KEY_NAMES = tuple(dict.fromkeys(_NAMES.values()))
"""The keys that have names instead of characters."""

_ONE_KEY = re.compile(
    rb"\x1b+(?:\[[0-?]*[ -/]*[@-~]|O.|[^\x1b])?|[\xc2-\xf4][\x80-\xbf]+|.", re.DOTALL
)  # an escape sequence, a character of several bytes, or one byte
_UNFINISHED = re.compile(
    rb"(?:\x1b+(?:\[[0-?]*[ -/]*|O)?|[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z"
)
_ESCAPE_S = 0.5
"""How long Escape waits for the rest of an arrow key, whose bytes may arrive one by one over a network."""


@dataclass(frozen=True)
class KeyPressed:
    """The operator pressed a key.

    Attributes:
        key: the character that it writes, or one of `KEY_NAMES`; empty for all other keys
    """

    key: str


class Keyboard:
    """Puts the operator's keys into ``events`` while it is open; does nothing if ``fd`` is not a terminal."""

    def __init__(self, events: queue.SimpleQueue[object], fd: int | None = None) -> None:
        self._events = events
        self._fd = _standard_input() if fd is None else fd
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Keyboard:
        if os.isatty(self._fd) and os.getpgrp() == os.tcgetpgrp(self._fd):
            self._settings = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._settings)

    @property
    def listening(self) -> bool:
        """Whether keys are read."""
        return self._thread is not None

    def _read(self) -> None:
        while not self._closing.is_set():
            if not select.select([self._fd], [], [], 0.2)[0]:
                continue
            if not (pressed := self._read_keys()):
                return
            for key in _ONE_KEY.findall(pressed):
                self._events.put(KeyPressed(_name(key)))

    def _read_keys(self) -> bytes:
        """Read whole keys, empty at the end of the input: an Escape may be the start of an arrow key."""
        pressed = self._read_bytes()
        while _UNFINISHED.search(pressed) and select.select([self._fd], [], [], _ESCAPE_S)[0]:
            more = self._read_bytes()
            if not more:
                break
            pressed += more
        return pressed

    def _read_bytes(self) -> bytes:
        try:
            return os.read(self._fd, 64)
        except OSError:  # the terminal is gone
            return b""


def _name(key: bytes) -> str:
    key = key[:1] + key[1:].lstrip(b"\x1b")  # Alt puts another Escape before it
    if (name := _NAMES.get(key)) is not None:
        return name
    text = key.decode(errors="replace")
    return text if len(text) == 1 and text.isprintable() else ""


def _standard_input() -> int:
    """Return the descriptor of the standard input, or -1 if there is none."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return -1

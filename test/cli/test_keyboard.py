from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
import time

import pytest

PROGRAM = """
import queue, sys
from lerobot_recorder.cli.keyboard import Keyboard
events = queue.SimpleQueue()
with Keyboard(events) as keyboard:
    print("listening" if keyboard.listening else "deaf", flush=True)
    for _ in range(int(sys.argv[1])):
        print(events.get().key or "other", flush=True)
"""


@pytest.fixture
def terminal():
    controller, terminal = os.openpty()
    yield controller, terminal
    os.close(controller)
    os.close(terminal)


def start(stdin: int, keys: int) -> subprocess.Popen:
    """Start a program that reads keys, in the foreground of the terminal."""

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(keys)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=take_terminal if os.isatty(stdin) else None,  # noqa: PLW1509
    )


KEYS = {
    b"\x1b[C": "right",
    b"\x1bOC": "right",
    b"\x1b[D": "left",
    b" ": "space",
    b"\x1b": "escape",
    b"\x1b\x1b": "escape",
    b"\r": "enter",
    b"\x7f": "backspace",
    b"q": "q",
    b"T": "T",
    b"?": "?",
    "ü".encode(): "ü",
    "拿".encode(): "拿",
    b"\x1b[A": "up",
    b"\x1b[5~": "page_up",
    b"\x1b[6~": "page_down",
    b"\x1b[1;2C": "other",
    b"\x1b[200~": "other",
    b"\x1bx": "other",
    b"\x0c": "other",
}


def test_each_key_has_its_name(terminal):
    controller, stdin = terminal
    with start(stdin, len(KEYS)) as program:
        assert program.stdout.readline() == "listening\n"
        for pressed, name in KEYS.items():
            os.write(controller, pressed)
            assert program.stdout.readline() == name + "\n"
        assert program.wait(10) == 0


def test_a_key_whose_bytes_come_one_by_one_is_one_key(terminal):
    controller, stdin = terminal
    with start(stdin, 4) as program:
        assert program.stdout.readline() == "listening\n"
        for pressed, name in ((b"\x1b[C", "right"), (b"\x1bOD", "left"), ("拿".encode(), "拿")):
            for byte in pressed:
                os.write(controller, bytes([byte]))
                time.sleep(0.04)  # as over a network
            assert program.stdout.readline() == name + "\n"
        os.write(controller, b"q")
        assert program.stdout.readline() == "q\n"


def test_keys_that_come_together_are_told_apart(terminal):
    controller, stdin = terminal
    with start(stdin, 5) as program:
        program.stdout.readline()
        os.write(controller, b"x\x1b[Aq\x1b[qu")
        assert [program.stdout.readline().strip() for _ in range(5)] == ["x", "up", "q", "other", "u"]


def test_the_terminal_is_left_as_it_was(terminal):
    controller, stdin = terminal
    before = termios.tcgetattr(stdin)
    with start(stdin, 1) as program:
        program.stdout.readline()
        os.write(controller, b"q")
        program.wait(10)
    assert termios.tcgetattr(stdin) == before


def test_nothing_is_read_where_there_is_no_terminal():
    with start(subprocess.DEVNULL, 0) as program:
        assert program.stdout.readline() == "deaf\n"

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
        print(events.get().command, flush=True)
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


@pytest.mark.parametrize(
    ("pressed", "command"),
    [
        (b"\x1b[C", "finish"),
        (b" ", "finish"),
        (b"\x1b[D", "again"),
        (b"\x1b", "stop"),
        (b"q", "stop"),
        (b"u", "undo"),
        (b"n", "finish"),
        (b"r", "again"),
        (b"\x1b\x1b", "stop"),
    ],
)
def test_keys_mean_what_they_mean_in_lerobot(terminal, pressed, command):
    controller, stdin = terminal
    with start(stdin, 1) as program:
        assert program.stdout.readline() == "listening\n"
        os.write(controller, pressed)
        assert program.stdout.readline() == command + "\n"
        assert program.wait(10) == 0


@pytest.mark.parametrize(("arrow", "command"), [(b"\x1b[C", "finish"), (b"\x1bOD", "again")])
def test_an_arrow_key_whose_bytes_come_one_by_one_is_no_escape(terminal, arrow, command):
    controller, stdin = terminal
    with start(stdin, 2) as program:
        assert program.stdout.readline() == "listening\n"
        for byte in arrow:
            os.write(controller, bytes([byte]))
            time.sleep(0.04)  # as over a network
        assert program.stdout.readline() == command + "\n"
        os.write(controller, b"q")
        assert program.stdout.readline() == "stop\n"


@pytest.mark.parametrize("sequence", [b"\x1b[A", b"\x1b[1;2C", b"\x1b[200~", b"\x1bx", b"\x1b["])
def test_sequences_of_other_keys_mean_nothing(terminal, sequence):
    controller, stdin = terminal
    with start(stdin, 1) as program:
        program.stdout.readline()
        os.write(controller, sequence)
        time.sleep(0.01)
        os.write(controller, b"qu" if sequence == b"\x1b[" else b"u")
        assert program.stdout.readline() == "undo\n"


def test_other_keys_mean_nothing(terminal):
    controller, stdin = terminal
    with start(stdin, 1) as program:
        program.stdout.readline()
        os.write(controller, b"x\x1b[Aq")
        assert program.stdout.readline() == "stop\n"


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

"""A whole recording as an operator sees it, on a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from filmed import filmed_dataset

from lerobot_recorder.spool import Spool

pytestmark = pytest.mark.skipif(find_spec("rclpy") is None, reason="no ROS 2 in this Python")

COMMAND = [sys.executable, "-c", "from lerobot_recorder.cli.app import main; main()"]
SMALL = [f"-phardware.{name}.{side}" for name in ("top", "wrist") for side in ("width=64", "height=48")]
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_LONGEST_S = 120


class Terminal:
    """A terminal with a recording in its foreground.

    Attributes:
        text: everything shown so far, without escape sequences; repainted lines appear again
    """

    def __init__(self, *arguments: str) -> None:
        self._controller, terminal = os.openpty()
        fcntl.ioctl(self._controller, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        self.text = ""
        self._process = subprocess.Popen(
            [*COMMAND, "record", "--hardware", "simulated", *SMALL, *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "160"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(terminal)

    def press(self, *keys: bytes) -> None:
        for key in keys:
            os.write(self._controller, key)
            time.sleep(0.04)  # as over a network

    def wait_for(self, pattern: str) -> str:
        """Wait until the text that follows what was waited for before has a pattern; return that text."""
        start, deadline = len(self.text), time.monotonic() + _LONGEST_S
        while not re.search(pattern, self.text[start:]):
            assert time.monotonic() < deadline, f"{pattern!r} was not shown: {self.text[-4000:]}"
            if not self._read():
                assert re.search(pattern, self.text[start:]), f"{pattern!r} was not shown: {self.text}"
        return self.text[start:]

    def end(self) -> int:
        """Wait for the end of the recording, and return its exit status."""
        while self._read():
            pass
        return self._process.wait(10)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._controller)

    def _read(self) -> bool:
        if not select.select([self._controller], [], [], 1)[0]:
            return self._process.poll() is None
        try:
            read = os.read(self._controller, 65536)
        except OSError:  # the other end is closed
            return False
        self.text += _ESCAPES.sub("", read.decode(errors="replace"))
        return bool(read)


@pytest.fixture
def terminal():
    made = []

    def make(*arguments: str) -> Terminal:
        made.append(Terminal(*arguments))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_an_operator_records_with_keys_and_is_told_what_matters(terminal, tmp_path: Path):
    root = tmp_path / "data"
    screen = terminal("--root", str(root), "--task", "Pick up the cube")
    start = screen.wait_for("ready   next: episode 0   0 saved")
    assert f"new dataset {root}" in start
    assert not re.search("missing|wrong|problem|nothing", start)
    screen.press(b"n")
    screen.wait_for("recording   episode 0")
    screen.press(b"\x1b", b"[", b"C")  # an arrow key, byte by byte
    screen.wait_for(r"episode 0 is saved: \d+ frames \(\d+\.\d s\)")
    screen.wait_for("next: episode 1   1 saved")
    screen.press(b"q")
    screen.wait_for("state +ending")
    assert screen.end() == 0
    assert "1 of 0" not in screen.text
    ending = screen.text[screen.text.rindex("ending") :]
    assert "keys" not in ending
    assert f"lerobot-recorder show {root} 0" in ending


def test_a_dataset_of_another_robot_is_refused_before_the_arm_moves(terminal, tmp_path: Path):
    root = filmed_dataset(tmp_path / "data")
    before = Spool(root).next_index([])
    screen = terminal("--root", str(root), "--num-episodes", "1", "--episode-time-s", "1")
    assert screen.end() == 1
    assert f"continuing {root}: {before} episodes there" in screen.text
    last = screen.text.splitlines()[-1]
    assert last.startswith("error: the recorder node ended: ")
    assert "cannot be appended to" in last
    assert "The follower" not in screen.text

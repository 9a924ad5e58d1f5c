"""A pseudo-terminal with a program in its foreground."""

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
from collections.abc import Mapping

COMMAND = [sys.executable, "-c", "from lerobot_recorder.cli.app import main; main()"]
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_LONGEST_S = 60


class Terminal:
    """A terminal in which ``lerobot-recorder`` runs.

    Attributes:
        text: everything shown so far, without escape sequences; repainted lines appear again
    """

    def __init__(
        self, *arguments: str, environment: Mapping[str, str] = {}, size: tuple[int, int] = (160, 50)
    ) -> None:
        self._controller, terminal = os.openpty()
        columns, lines = size
        fcntl.ioctl(self._controller, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.text = ""
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm-256color", **environment},
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
        deadline = time.monotonic() + _LONGEST_S
        while self._read():
            assert time.monotonic() < deadline, f"it did not end: {self.text[-4000:]}"
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

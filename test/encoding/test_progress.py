from __future__ import annotations

import os
import pty
import subprocess
import sys

from takes import a_take

from lerobot_recorder.encoding import BatchEncoder, EncoderStatus
from lerobot_recorder.spool import Spool


def test_the_progress_is_reported_while_leaving_the_block(tmp_path):
    a_take(Spool(tmp_path / "d"), "raw").save()
    seen: list[EncoderStatus] = []
    with BatchEncoder(tmp_path / "d", batch_size=5, on_progress=seen.append):
        assert not seen
    assert all(isinstance(status, EncoderStatus) for status in seen)
    assert seen


def test_a_terminal_gets_a_bar(tmp_path):
    a_take(Spool(tmp_path / "d"), "raw").save()
    program = (
        f"from lerobot_recorder import BatchEncoder\nwith BatchEncoder({str(tmp_path / 'd')!r}, 5): pass"
    )
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen([sys.executable, "-c", program], stderr=terminal, env=environment) as process:
        os.close(terminal)
        shown = b""
        while chunk := _read(controller):
            shown += chunk
        assert process.wait(60) == 0
    os.close(controller)
    assert b"looking for episodes" in shown


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 4096)
    except OSError:  # the other end is closed
        return b""

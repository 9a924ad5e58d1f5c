from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from takes import a_take

from lerobot_recorder.encoding import BatchEncoder, EncoderStatus, EncodingProgress, OverallProgress
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


class AnEncoder:
    """An encoder that reports what it is given."""

    def __init__(self, root: Path, *progress: EncodingProgress | None) -> None:
        self.root = root
        self.progress = list(progress)

    def status(self) -> EncoderStatus:
        return EncoderStatus(waiting=1, encoding=self.progress.pop(0))


def test_several_encoders_have_one_progress_that_never_goes_back(tmp_path):
    first = AnEncoder(tmp_path / "a", None, EncodingProgress(1, 10, 40), None, EncodingProgress(2, 5, 60))
    second = AnEncoder(tmp_path / "b", None, None, EncodingProgress(3, 20, 100), EncodingProgress(3, 50, 100))
    overall = OverallProgress()
    seen = [overall.add([first, second]) for _ in range(4)]
    assert [status.encoding for status in seen] == [
        None,
        EncodingProgress(1, 10, 40),
        EncodingProgress(3, 40 + 20, 140),
        EncodingProgress(5, 40 + 5 + 50, 200),
    ]
    assert seen[-1].waiting == 2


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 4096)
    except OSError:  # the other end is closed
        return b""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import os
from lerobot_recorder.encoding.worker import _send
reader, writer = os.pipe()
os.close(reader)
_send(os.fdopen(writer, "wb"), 15)
raise SystemExit("the worker goes on")
"""


def test_a_worker_whose_encoder_was_killed_ends_without_a_traceback():
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=False, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")

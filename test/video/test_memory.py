"""Memory that codecs have freed goes back to the computer."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import os
from pathlib import Path
from lerobot_recorder.video import return_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

blocks = [bytearray(100_000) for _ in range(600)]
kept = bytearray(100_000)  # lies above them, so the C library does not return them by itself
blocks.clear()
before = resident()
return_memory()
print(before - resident())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_freed_memory_is_returned():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=60
    )
    assert int(done.stdout) > 30e6

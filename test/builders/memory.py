"""How much memory something takes, measured in a process of its own.

``ru_maxrss`` does not do: a new process starts with the largest memory of the one that started it.
"""

from __future__ import annotations

import subprocess
import sys

_CHILD = """
import re, sys
from pathlib import Path
import cv2, numpy
import lerobot_recorder.images
{prepare}
def peak_kb():
    return int(re.findall("VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0])
data = sys.stdin.buffer.read()
before = peak_kb()
try:
    {act}
except Exception as error:
    print(type(error).__name__, error, file=sys.stderr)
print((peak_kb() - before) / 1024)
"""


def peak_mb(act: str, data: bytes = b"", prepare: str = "") -> float:
    """Return how many MB the largest memory of a process grew by.

    Args:
        act: what it does, one line of Python; ``data`` is there.
        data: bytes for it.
        prepare: lines before the measurement, as imports.
    """
    program = _CHILD.format(act=act, prepare=prepare)
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return float(done.stdout)

"""How much memory something takes, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys

_CHILD = """
import resource, sys
import cv2, numpy
import lerobot_recorder.images
{prepare}
data = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    {act}
except Exception as error:
    print(type(error).__name__, error, file=sys.stderr)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
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

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from pathlib import Path
import numpy as np
from lerobot_recorder.video import EncoderSettings, encode

def policies():
    return {os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").iterdir()}

found = set()
encode(
    [np.zeros((96, 64), np.uint8)] * 40,
    Path(sys.argv[1]),
    fps=30, width=64, height=64, settings=EncoderSettings().resolved(),
    progress=lambda frames: found.update(policies()),
)
print(found | policies() == {os.SCHED_OTHER})
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are listed by Linux")
def test_no_thread_becomes_real_time_because_a_video_is_encoded(tmp_path):
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "a.mp4")]
    done = subprocess.run(["nice", *program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"

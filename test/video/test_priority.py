from __future__ import annotations

import os
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


FORBIDDEN = """
import os
from lerobot_recorder.video.priority import forbid_real_time

forbid_real_time()
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
except PermissionError:
    print("refused")
"""


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux has it")
@pytest.mark.parametrize(("nice", "policy"), [(18, "SCHED_OTHER"), (19, "SCHED_IDLE")])
def test_the_lowest_priority_is_interrupted_at_once(nice, policy):
    program = (
        "import os; from lerobot_recorder.video.priority import yield_to_others; "
        f"yield_to_others({nice}); print(os.sched_getscheduler(0) == os.{policy}, os.nice(0))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", str(nice)]


def test_a_restricted_thread_cannot_become_real_time_even_as_root():
    done = subprocess.run([sys.executable, "-c", FORBIDDEN], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "refused"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are listed by Linux")
def test_encoding_makes_no_thread_real_time(tmp_path):
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "a.mp4")]
    done = subprocess.run(["nice", *program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"

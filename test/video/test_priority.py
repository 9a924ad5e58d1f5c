from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lerobot_recorder.video import EncoderSettings, encode

PLANES = np.zeros((96, 64), np.uint8)


def policies() -> set[int]:
    tasks = (int(task.name) for task in Path("/proc/self/task").iterdir())
    return {os.sched_getscheduler(task) for task in tasks}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are listed by Linux")
def test_no_thread_becomes_real_time_because_a_video_is_encoded(tmp_path):
    before, during = policies(), set()
    encode(
        [PLANES] * 40,
        tmp_path / "a.mp4",
        fps=30,
        width=64,
        height=64,
        settings=EncoderSettings().resolved(),
        progress=lambda frames: during.update(policies()),
    )
    assert during == policies() == before == {os.SCHED_OTHER}

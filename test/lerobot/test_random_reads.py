"""LeRobot's default reader finds every frame in any order; LEROBOT_PYTHON names a Python that has it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numbered
import pytest

from lerobot_recorder.video import available_encoders

PYTHON = os.environ.get("LEROBOT_PYTHON")
SCRIPT = Path(__file__).with_name("random_reads.py")
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"
)


def lerobot(*arguments: object) -> str:
    foreign = ("LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment |= {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [str(PYTHON), "-P", *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("vcodec", ["libsvtav1", "h264", "hevc", "libaom-av1", "depth"])
def test_frames_read_in_random_order_are_those_asked_for(tmp_path, vcodec):
    root = tmp_path / vcodec
    if vcodec in (*available_encoders(), "depth"):
        numbered.make_dataset(root, vcodec)
    else:  # LeRobot's PyAV has it
        lerobot(numbered.__file__, root, vcodec)
    found = json.loads(lerobot(SCRIPT, root).splitlines()[-1])[str(root)]
    assert found == {"frames": 3 * 61, "failures": []}

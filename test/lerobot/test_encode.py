"""Videos are, packet for packet, those of LeRobot; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PYTHON = os.environ.get("LEROBOT_PYTHON")
SCRIPT = Path(__file__).with_name("encode.py")
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"
)


def test_packets_equal_lerobots_of_the_same_images_with_the_same_pyav(tmp_path):
    foreign = ("LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    result = subprocess.run(
        [str(PYTHON), "-P", str(SCRIPT), str(tmp_path)],
        env=environment | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("ok ") == 6

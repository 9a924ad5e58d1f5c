"""Every flag of ``lerobot-record`` is in our table; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import json
import os
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from lerobot_recorder.cli.lerobot_flags import CAMERA_KEYS, FLAGS

PYTHON = os.environ.get("LEROBOT_PYTHON")

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"
)


def test_every_flag_has_a_counterpart_or_a_reason():
    foreign = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    script = Path(__file__).with_name("flags.py")
    done = subprocess.run(
        [str(PYTHON), str(script)], env=environment, check=True, capture_output=True, text=True, timeout=300
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    patterns = [flag.name for flag in FLAGS]
    missing = [
        name
        for name in theirs["flags"]
        if not any(fnmatchcase(name, pattern) for pattern in patterns) and "arm_config" not in name
    ]
    assert not missing
    invented = [
        pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in theirs["flags"])
    ]
    assert invented == [
        "robot.discover_packages_path",
        "teleop.discover_packages_path",
    ]  # of LeRobot's parser
    assert sorted(CAMERA_KEYS) == sorted([*theirs["camera"], "type"])

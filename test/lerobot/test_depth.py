"""Depth, as LeRobot itself sees it; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.recording import EpisodeRecorder

PYTHON = os.environ.get("LEROBOT_PYTHON")
SCRIPT = Path(__file__).with_name("depth.py")
KEY = "observation.images.depth"

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"
)


def compare(root: Path, key: str, maps: np.ndarray, folder: Path) -> None:
    """Let LeRobot load a dataset, and make one of the same maps."""
    np.save(folder / "maps.npy", maps)
    foreign = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    result = subprocess.run(
        [str(PYTHON), str(SCRIPT), str(root), key, str(folder / "maps.npy")],
        env=environment | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "FAILED" not in result.stdout


def test_a_robot_that_is_not_ours_loads_in_lerobot_with_its_depth(tmp_path):
    pytest.importorskip("rclpy")
    from foreign_recording import record_foreign_robot
    from foreign_robot import depth_mm

    root = record_foreign_robot(tmp_path)
    images = len(np.load(tmp_path / "sent.npz")["state"]) // 2 + 1
    maps = np.stack([depth_mm(number) for number in range(images)])
    compare(root, "observation.images.wrist_depth", maps, tmp_path)


@pytest.mark.parametrize(("dtype", "unit"), [(np.uint16, "mm"), (np.float32, "m")])
def test_depth_in_either_unit_is_to_the_bit_what_lerobot_makes_of_it(tmp_path, dtype, unit):
    slope = np.linspace(0.2, 12.0, 64 * 48).reshape(48, 64)  # beyond the 10 m that LeRobot keeps
    metres = np.stack([slope + 0.01 * number for number in range(40)])
    maps = (metres * (1000 if unit == "mm" else 1)).astype(dtype)
    info = {"is_depth_map": True, "depth_unit": unit}
    features = {KEY: {"dtype": "video", "shape": (48, 64, 1), "names": None, "info": info}}
    with EpisodeRecorder(tmp_path / "data", features, 30) as recorder, BatchEncoder(tmp_path / "data"):
        for part in (maps[:25], maps[25:]):
            with recorder.episode("look") as episode:
                for depth in part:
                    episode.add({KEY: depth})
    compare(tmp_path / "data", KEY, maps, tmp_path)

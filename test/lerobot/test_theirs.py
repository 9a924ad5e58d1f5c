"""What LeRobot records and edits has no faults; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from lerobot_recorder.dataset.check import check
from lerobot_recorder.video import VideoDecoder, probe

PYTHON = os.environ.get("LEROBOT_PYTHON")
SCRIPT = Path(__file__).with_name("theirs.py")

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"
)

FAULTS = {"converted": ["{root}/meta/stats.json: no min, max, mean, std, count of observation.images.still."]}
"""LeRobot's converter forgets the statistics of the videos, and lerobot-train then fails on the dataset."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("theirs")
    foreign = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HOME": str(output / "home")}
    result = subprocess.run(
        [str(PYTHON), str(SCRIPT), str(output / "datasets")],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    return output / "datasets"


def test_what_lerobot_records_and_edits_has_no_faults(recorded: Path) -> None:
    roots = sorted(recorded.iterdir())
    assert len(roots) == 18
    for root in roots:
        expected = [fault.format(root=root) for fault in FAULTS.get(root.name, [])]
        assert list(check(root, probe, decoder=VideoDecoder())) == expected, root.name


def test_val_split_is_no_fault(recorded: Path) -> None:
    path = recorded / "recorded/meta/info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "splits": {"train": "0:3", "val": "3:4"}}))
    assert list(check(recorded / "recorded", probe)) == []

"""What LeRobot records and edits has no faults; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lerobot_run import NO_LEROBOT, PYTHON, run_lerobot

from lerobot_recorder.dataset import check
from lerobot_recorder.video import VideoDecoder, probe

SCRIPT = Path(__file__).with_name("theirs.py")

pytestmark = pytest.mark.skipif(not PYTHON, reason=NO_LEROBOT)

FAULTS = {"converted": ["{root}/meta/stats.json: no min, max, mean, std, count of observation.images.still."]}
"""LeRobot's converter forgets the statistics of the videos, and lerobot-train then fails on the dataset."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("theirs")
    run_lerobot(output / "home", SCRIPT, output / "datasets")
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

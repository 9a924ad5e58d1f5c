"""LeRobot 0.3.3 loads a copy in format v2.1, and finds the same frames as LeRobot 0.6.1 in the dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filmed import filmed_dataset
from lerobot_run import PYTHON, V21_PYTHON, run_lerobot

from lerobot_recorder.sharing import export_v21

SCRIPT = Path(__file__).with_name("frames.py")

pytestmark = pytest.mark.skipif(
    not (PYTHON and V21_PYTHON),
    reason="LEROBOT_PYTHON and LEROBOT_V21_PYTHON name no LeRobot 0.6.1 and 0.3.3",
)


@pytest.mark.parametrize("vcodec", ["libsvtav1", "h264", "hevc"])
def test_every_frame_is_the_same_in_both_formats(tmp_path: Path, vcodec: str) -> None:
    root = filmed_dataset(tmp_path / "v30", (11, 30, 7, 25), vcodec=vcodec)
    export_v21(root, tmp_path / "v21")
    run_lerobot(tmp_path / "home", SCRIPT, root, tmp_path / "new.npz")
    run_lerobot(tmp_path / "old-home", SCRIPT, tmp_path / "v21", tmp_path / "old.npz", python=V21_PYTHON)
    new, old = np.load(tmp_path / "new.npz"), np.load(tmp_path / "old.npz")
    assert set(new) == set(old)
    assert len(new["index"]) == 73
    assert [key for key in new if not np.array_equal(new[key], old[key])] == []

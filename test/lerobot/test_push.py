"""LeRobot loads what was uploaded, from a stand-in of the Hub."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from filmed import filmed_dataset
from hub import local_hub
from lerobot_run import NO_LEROBOT, PYTHON, run_lerobot

from lerobot_recorder.sharing import push

SCRIPT = Path(__file__).with_name("frames.py")

pytestmark = [
    pytest.mark.skipif(not PYTHON, reason=NO_LEROBOT),
    pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed"),
]


def test_lerobot_downloads_every_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    root = filmed_dataset(tmp_path / "dataset", (11, 30, 7), vcodec="h264")
    run_lerobot(tmp_path / "home", SCRIPT, root, tmp_path / "local.npz")
    with local_hub() as hub:
        push(root, "me/pick", "apache-2.0", endpoint=hub.url, token="hf_test")
        online = {
            "HF_HUB_OFFLINE": "0",
            "HF_ENDPOINT": hub.url,
            "NO_PROXY": "127.0.0.1",
            "HF_HUB_DISABLE_XET": "1",
        }
        run_lerobot(tmp_path / "other", SCRIPT, "me/pick", tmp_path / "hub.npz", **online)
    local, downloaded = np.load(tmp_path / "local.npz"), np.load(tmp_path / "hub.npz")
    assert set(local) == set(downloaded)
    assert [key for key in local if not np.array_equal(local[key], downloaded[key])] == []

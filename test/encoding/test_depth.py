from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.video import DepthSettings, quantize_depth

KEY = "observation.images.depth"
INFO = {"is_depth_map": True, "depth_unit": "mm"}
FEATURES = {KEY: {"dtype": "video", "shape": (48, 64, 1), "names": None, "info": INFO}}
MAPS = np.linspace(200, 1900, 3 * 48 * 64).astype(np.uint16).reshape(3, 48, 64)


def record(root: Path, depth: DepthSettings | None = None) -> None:
    recorder = EpisodeRecorder(root, FEATURES, 30)
    with recorder, BatchEncoder(root, depth=depth), recorder.episode("look") as episode:
        for depth_map in MAPS:
            episode.add({KEY: depth_map})


def codes(root: Path) -> np.ndarray:
    """Decode all codes, as they are in the file."""
    with av.open(str(next(root.glob("videos/*/*/*.mp4")))) as container:
        return np.stack([frame.to_ndarray(format="gray12le") for frame in container.decode(video=0)])


def test_codes_mean_the_same_in_all_episodes_of_a_dataset(tmp_path):
    near = DepthSettings(depth_min=0.1, depth_max=2.0, use_log=False)
    record(tmp_path / "data", near)
    record(tmp_path / "data")
    expected = np.stack([quantize_depth(depth_map, near) for depth_map in MAPS])
    assert np.array_equal(codes(tmp_path / "data"), np.concatenate([expected, expected]))
    info = load_info(tmp_path / "data").features[KEY]["info"]
    assert (info["video.depth_max"], info["video.use_log"]) == (2.0, False)


def test_nothing_is_printed_while_depth_is_encoded(tmp_path, capfd):
    record(tmp_path / "data")
    assert capfd.readouterr() == ("", "")

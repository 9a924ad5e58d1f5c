"""Changes of settings while the encoder runs, and its status."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.dataset import check
from lerobot_recorder.errors import ConfigError, EncoderUnavailableError
from lerobot_recorder.video import EncoderSettings, available_encoders, probe

KEY = "observation.images.top"
FEATURES = {
    "observation.state": {"dtype": "float32", "shape": (1,), "names": ["a.pos"]},
    KEY: {"dtype": "video", "shape": (64, 64, 3), "names": ["height", "width", "channels"]},
}


def record(root: Path, *lengths: int) -> None:
    with EpisodeRecorder(root, FEATURES, 30) as recorder:
        for length in lengths:
            with recorder.episode("Pick up") as episode:
                for number in range(length):
                    image = np.full((64, 64, 3), number % 256, np.uint8)
                    episode.add({"observation.state": np.full(1, number, np.float32), KEY: image})


def wait_for(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def video_tags(root: Path) -> list[dict[str, str]]:
    return [json.loads(probe(path).tag) for path in sorted(root.glob(f"videos/{KEY}/*/*.mp4"))]


@pytest.mark.parametrize(
    ("change", "noted"),
    [
        ({"vcodec": "h264", "preset": None}, {"vcodec": "h264"}),
        ({"pix_fmt": "yuv420p10le"}, {"pix_fmt": "yuv420p10le"}),
        ({"crf": 45}, {"crf": "45"}),
        ({"g": 15}, {"g": "15"}),
        ({"preset": 7}, {"preset": "7"}),
    ],
)
def test_a_change_of_the_video_holds_from_the_next_batch_in_a_file_of_its_own(tmp_path, change, noted):
    if change.get("vcodec", "libsvtav1") not in available_encoders():
        pytest.skip("this PyAV lacks the codec")
    root = tmp_path / "data"
    record(root, 4)
    with BatchEncoder(root) as encoder:
        wait_for(lambda: encoder.status().committed == 1)
        encoder.settings = replace(encoder.settings, **change)
        record(root, 5)
    before, after = video_tags(root)
    assert before == json.loads(EncoderSettings().resolved().tag())
    assert after.items() >= noted.items()
    assert list(check(root, probe)) == []


def test_an_invalid_change_is_refused_and_the_old_settings_stay(tmp_path):
    with BatchEncoder(tmp_path / "data") as encoder:
        missing = next(name for name in ("h264_nvenc", "h264_vaapi") if name not in available_encoders())
        with pytest.raises(EncoderUnavailableError, match=f"no encoder {missing}; it has .*libsvtav1"):
            encoder.settings = EncoderSettings(vcodec=missing)
        with pytest.raises(ConfigError, match="yuv444p"):
            encoder.settings = EncoderSettings(pix_fmt="yuv444p")
        for name in ("batch_size", "parallel_encodings", "nice"):
            with pytest.raises(ConfigError, match=r"expected .*, found -1"):
                setattr(encoder, name, -1)
        assert encoder.settings == EncoderSettings().resolved()


def workers(encoder: BatchEncoder) -> list[int]:
    return [process.pid for process in list(encoder._pool._processes)] if encoder._pool else []


def test_parallel_encodings_and_nice_hold_from_the_next_batch(tmp_path):
    root = tmp_path / "data"
    record(root, 60, 60, 60)
    encoder = BatchEncoder(root, batch_size=3, parallel_encodings=1, nice=3, encode_on_exit=False)
    counted = set()
    try:
        wait_for(lambda: counted.add(len(workers(encoder))) or encoder.status().committed == 3)
        assert max(counted) == 1
        assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in workers(encoder)] == [3]
        encoder.parallel_encodings, encoder.nice = 3, 7
        record(root, 60, 60, 60)
        wait_for(lambda: encoder.status().committed == 6)
        assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in workers(encoder)] == [7, 7, 7]
    finally:
        encoder.close()


def test_an_encoder_that_falls_behind_reports_it(tmp_path):
    root = tmp_path / "data"
    encoder = BatchEncoder(root, batch_size=2, encode_on_exit=False)
    try:
        record(root, 30, 30)
        wait_for(lambda: encoder.status().committed == 2)
        encoder.paused = True
        record(root, 30, 45, 60)
        wait_for(lambda: encoder.status().waiting == 3)
        status = encoder.status()
        assert status.state == "paused"
        assert status.waiting_s == pytest.approx(4.5)
        assert status.waiting_bytes > 135 * 64 * 64 * 3 // 2
        assert status.eta_s is not None
        assert status.eta_s > 0
    finally:
        encoder.close()


def full(root: Path) -> None:
    """Make the dataset's files count as full."""
    path = root / "meta" / "info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "data_files_size_in_mb": 1e-6, "video_files_size_in_mb": 1e-6}))


def test_a_dataset_whose_last_files_are_full_continues_in_new_ones(tmp_path):
    root = tmp_path / "data"
    record(root, 4)
    with BatchEncoder(root):
        pass
    before = {path: path.read_bytes() for path in root.glob("*/**/file-000.*") if "meta" not in path.parts}
    full(root)
    record(root, 5)
    with BatchEncoder(root):
        pass
    assert {path: path.read_bytes() for path in before} == before
    for kind in ("data", f"videos/{KEY}"):
        assert [path.stem for path in sorted(root.glob(f"{kind}/chunk-000/*"))] == ["file-000", "file-001"]
    assert list(check(root, probe)) == []

"""The `info` of videos that are encoded differently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from encoded import CAMERA, LineFiles, commit, encoded_episode

from lerobot_recorder.dataset import DatasetWriter, EncodedEpisode, EncodedVideo
from lerobot_recorder.dataset.episode import with_video_info
from lerobot_recorder.errors import DatasetMismatchError

ENCODED: dict[str, Any] = {
    "video.height": 4,
    "video.codec": "av1",
    "video.pix_fmt": "yuv420p",
    "video.g": 2,
    "video.crf": 30,
    "video.extra_options": {},
}


def episode(directory: Path, number: int, **changed: Any) -> EncodedEpisode:
    made = encoded_episode(directory, number)
    info = {**ENCODED, **{f"video.{name}": value for name, value in changed.items()}}
    made.videos[CAMERA].info.clear()  # type: ignore[attr-defined]
    made.videos[CAMERA].info.update(info)  # type: ignore[attr-defined]
    return made


def info_of(root: Path) -> Any:
    return json.loads((root / "meta/info.json").read_text())["features"][CAMERA]["info"]


@pytest.mark.parametrize("batch", [1, 4])
def test_what_differs_is_null_as_after_a_merge_by_lerobot(tmp_path: Path, batch: int) -> None:
    takes = [
        episode(tmp_path, 0),
        episode(tmp_path, 1, crf=23),
        episode(tmp_path, 2, codec="h264", extra_options={"tune": "film"}),
        episode(tmp_path, 3),
    ]
    for start in range(0, 4, batch):
        commit(DatasetWriter(tmp_path / "dataset", LineFiles()), takes[start : start + batch])
    differing = {"video.codec": None, "video.crf": None, "video.extra_options": {}}
    assert info_of(tmp_path / "dataset") == {**ENCODED, **differing}


def test_entries_that_older_datasets_lack_are_null(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    commit(DatasetWriter(root, LineFiles()), [episode(tmp_path, 0)])
    path = root / "meta/info.json"
    content = json.loads(path.read_text())
    del content["features"][CAMERA]["info"]["video.crf"]
    path.write_text(json.dumps(content))
    commit(DatasetWriter(root, LineFiles()), [episode(tmp_path, 1)])
    assert info_of(root) == {**ENCODED, "video.crf": None}


def test_depth_that_would_be_decoded_wrong_is_refused() -> None:
    features: Any = {"depth": {"dtype": "video", "shape": (4, 6, 1), "info": {"video.depth_max": 10.0}}}
    same = EncodedVideo(Path(), 1, {"video.depth_max": 10.0})
    assert (
        with_video_info(features, {"depth": same}, is_first=False)["depth"]["info"]["video.depth_max"] == 10
    )
    other = EncodedVideo(Path(), 1, {"video.depth_max": 5.0})
    with pytest.raises(
        DatasetMismatchError, match=r"'depth' has video\.depth_max 10\.0 in the dataset, 5\.0 now"
    ):
        with_video_info(features, {"depth": other}, is_first=False)

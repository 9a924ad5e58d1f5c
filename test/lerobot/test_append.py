"""Datasets that we and LeRobot continue in turns; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoded import CAMERA, commit
from filmed import FILMED_FEATURES, filmed_episode, pictures

from lerobot_recorder.dataset import DatasetWriter, check, check_appendable
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.placement import is_readable
from lerobot_recorder.video import EncoderSettings, Mp4Files, probe

PYTHON = os.environ.get("LEROBOT_PYTHON")
SCRIPT = Path(__file__).with_name("append.py")

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"
)


def lerobot(command: str, *arguments: object) -> str:
    foreign = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(
        [str(PYTHON), str(SCRIPT), command, *map(str, arguments)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def read(root: Path, *rows: int) -> dict[str, np.ndarray]:
    content = json.loads(lerobot("read", root, *rows).splitlines()[-1])
    return {key: np.array(values) for key, values in content.items()}


def append(root: Path, *numbers: int, length: int = 12, fps: int = 30, **settings: Any) -> None:
    chosen = EncoderSettings(**settings).resolved()
    clips = root.with_name(f"{root.name}-clips")
    episodes = [filmed_episode(clips, n, length, chosen, f"ours {n}", fps) for n in numbers]
    commit(DatasetWriter(root, Mp4Files()), episodes, features=FILMED_FEATURES, fps=fps)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset that LeRobot recorded: two episodes of 20 frames."""
    root = tmp_path_factory.mktemp("theirs") / "dataset"
    lerobot("record", root, json.dumps(FILMED_FEATURES))
    return root


def means(*numbers: int, length: int = 12) -> np.ndarray:
    return np.concatenate([pictures(number, length).mean(axis=(1, 2)) for number in numbers])


def test_lerobot_and_we_continue_a_dataset_in_turns(theirs: Path, tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(theirs, root)
    for number in (5, 6):
        check_appendable(root)
        append(root, number)
        assert list(check(root, probe)) == []
    lerobot("resume", root)
    check_appendable(root)
    append(root, 7, 8)
    assert list(check(root, probe)) == []

    content = read(root)
    assert np.bincount(content["episode"]).tolist() == [20, 20, 12, 12, 20, 12, 12]
    tasks = ["theirs 0", "theirs 1", "ours 5", "ours 6", "theirs 2", "ours 7", "ours 8"]
    assert list(dict.fromkeys(content["task"])) == tasks
    ours = np.isin(content["episode"], (2, 3, 5, 6))
    np.testing.assert_allclose(content["mean"][ours], means(5, 6, 7, 8), atol=3)
    theirs_rows = content["state"][~ours]
    np.testing.assert_allclose(content["mean"][~ours].mean(axis=1), theirs_rows @ [1, 10], atol=3)


def test_lerobot_merges_ours_with_theirs_whatever_the_settings(theirs: Path, tmp_path: Path) -> None:
    ours, mixed = tmp_path / "ours", tmp_path / "mixed"
    append(ours, 1, 2)
    append(ours, 3, crf=40, g=4)
    shutil.copytree(theirs, mixed)
    append(mixed, 4, crf=40)
    for root, nulls in ((ours, {"video.crf", "video.g"}), (mixed, {"video.crf"})):
        info = load_info(root)
        assert info is not None
        noted = info.features[CAMERA]["info"]
        unknown = {name for name, value in noted.items() if value is None}
        assert unknown - {"video.preset"} == nulls  # the right preset depends on crf and g
        assert (noted["video.codec"], noted["video.extra_options"]) == ("av1", {})
    for number, roots in enumerate([(ours, theirs), (theirs, ours), (mixed, ours)]):
        merged = tmp_path / f"merged-{number}"
        lerobot("merge", merged, *roots)
        assert list(check(merged, probe)) == []
        check_appendable(merged)
        append(merged, 9)
        assert list(check(merged, probe)) == []
    content = read(merged)
    assert np.bincount(content["episode"]).tolist() == [20, 20, 12, 12, 12, 12, 12]
    np.testing.assert_allclose(content["mean"][40:], means(4, 1, 2, 3, 9), atol=6)


def test_lerobot_loads_long_episodes_however_many_there_are(tmp_path: Path) -> None:
    fps, length = 15, 3000
    root = tmp_path / "dataset"
    for number in range(7):
        append(root, number, length=length, fps=fps, vcodec="h264", preset="ultrafast", crf=40)
    assert not is_readable(5 * length, length, fps)
    assert len(list(root.rglob("*.mp4"))) == 2
    rows = [7 * length - 1 - step for step in range(0, 900, 11)] + [6 * length - 1, 5 * length - 1, 0]
    content = read(root, *rows)
    assert content["episode"].tolist() == [row // length for row in rows]
    expected = [pictures(row // length, length)[row % length].mean(axis=(0, 1)) for row in rows[-3:]]
    np.testing.assert_allclose(content["mean"][-3:], expected, atol=6)


def test_lerobot_loads_rows_without_a_finite_value(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    settings = EncoderSettings().resolved()
    for number in range(2):
        episode = filmed_episode(tmp_path, number, 6, settings, "ours")
        episode.rows["observation.state"][:, number] = np.nan  # type: ignore[index]
        commit(DatasetWriter(root, Mp4Files()), [episode], features=FILMED_FEATURES)
    stats = json.loads((root / "meta/stats.json").read_text(), parse_constant=pytest.fail)
    assert stats["observation.state"]["count"] == [12]
    assert list(check(root, probe)) == []
    lerobot("resume", root)
    json.loads((root / "meta/stats.json").read_text(), parse_constant=pytest.fail)
    assert read(root)["episode"].tolist() == [0] * 6 + [1] * 6 + [2] * 20

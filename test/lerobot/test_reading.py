"""What the docs say about reading with LeRobot 0.6.1, and that `check` finds what it cannot read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from encoded import CAMERA, commit
from filmed import FILMED_FEATURES, filmed_dataset, filmed_episode
from lerobot_run import NO_LEROBOT, PYTHON, environment, run_lerobot

from lerobot_recorder.dataset import DatasetWriter, check, placement
from lerobot_recorder.video import EncoderSettings, Mp4Files, VideoDecoder, probe

SCRIPT = Path(__file__).with_name("reading.py")

pytestmark = pytest.mark.skipif(not PYTHON, reason=NO_LEROBOT)


def read(tmp_path: Path, *arguments: object) -> list:
    return json.loads(run_lerobot(tmp_path / "home", SCRIPT, *arguments).splitlines()[-1])


def test_check_counts_the_rows_that_are_too_far_into_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "is_readable", lambda *_: True)
    root = filmed_dataset(tmp_path / "dataset", [3000] * 6, fps=15, vcodec="h264")
    assert len(list(root.rglob("*.mp4"))) == 1
    (fault,) = check(root, probe)
    refused = read(tmp_path, "rows", root, 15_000)
    assert len(refused) == 144
    assert (
        f"the pictures of 144 rows in 1 episodes, the first is row {refused[0] - 15_000} of episode 5"
        in fault
    )


@pytest.mark.parametrize("vcodec", ["libsvtav1", "h264", "hevc"])
@pytest.mark.parametrize("g", [2, 12])
def test_deep_finds_what_a_loader_cannot_read_at_random(tmp_path: Path, vcodec: str, g: int) -> None:
    root = filmed_dataset(tmp_path / "dataset", [30, 40, 20], vcodec=vcodec, g=g)
    (refused,) = read(tmp_path, "random", root)
    assert bool(list(check(root, probe, decoder=VideoDecoder()))) == bool(refused)


def test_process_that_has_decoded_needs_a_cleared_cache(tmp_path: Path) -> None:
    settings = EncoderSettings().resolved()
    episodes = [filmed_episode(tmp_path / "clips", number, 20, settings, "pick") for number in range(2)]
    writer = DatasetWriter(tmp_path / "dataset", Mp4Files())
    commit(writer, episodes[:1], features=FILMED_FEATURES)
    with subprocess.Popen(
        [str(PYTHON), str(SCRIPT), "again", str(writer.root)],
        env=environment(tmp_path / "home"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "read\n"
        commit(writer, episodes[1:], features=FILMED_FEATURES)
        output = process.communicate("\n", timeout=300)[0]
    assert json.loads(output) == [[], ["IndexError"], []]


@pytest.mark.parametrize(("files", "found"), [(1, "40"), (2, "IndexError")])
def test_streaming_reader_knows_one_video_file_only(tmp_path: Path, files: int, found: str) -> None:
    settings = EncoderSettings().resolved()
    episodes = [filmed_episode(tmp_path / "clips", number, 20, settings, "pick") for number in range(2)]
    writer = DatasetWriter(
        tmp_path / "dataset", Mp4Files(), video_files_size_in_mb=200 if files == 1 else 0.005
    )
    commit(writer, episodes, features=FILMED_FEATURES)
    assert len(list((writer.root / "videos" / CAMERA).rglob("*.mp4"))) == files
    assert read(tmp_path, "stream", writer.root) == [found]

"""What is known of episodes, as a command prints it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from encoded import LineFiles, commit, encoded_episode

from lerobot_recorder.dataset import DatasetWriter, StreamAges
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.recording import EpisodeRecorder

FPS = 30
LINE = {
    "started_at_ns": 1_764_000_000_000_000_000,
    "clock": "system",
    "success": True,
    "verdict": "bad",
    "reasons": ["front: 2 of 6 ticks had no sample within 0.5 s (the oldest was 0.70 s old)"],
    "notes": ["force: only 2 of 6 rows have a new sample (10.0 a second), fps is 30"],
    "accepted": True,
    "ended_by": "save",
    "ticks": {"late": 3, "max_lateness_s": 0.021},
    "streams": {"front": {"stale_ticks": 2, "faults": {"a message is older than the one before it": 4}}},
}


def slow(rows: int, period: int, first_s: float = 0.01) -> StreamAges:
    """A stream of which only every so many rows have a new sample."""
    age_s = first_s + np.arange(rows) % period / FPS
    return StreamAges(age_s.astype(np.float32), np.zeros(rows, np.int64))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "dataset"
    recorded = dataclasses.replace(
        encoded_episode(tmp_path, 0, 6, task="Pick up [the] cube"),
        recording=LINE,
        ages={"front": slow(6, 1), "force": slow(6, 3)},
    )
    commit(DatasetWriter(root, LineFiles()), [recorded, encoded_episode(tmp_path, 1, 9)])
    return root


def test_all_that_is_known_of_an_episode_is_printed(invoke, root):
    result = invoke("show", root, 0)
    assert result.exit_code == 0, result.output
    lines = {line[:15].strip(): line[15:] for line in result.output.splitlines()}
    assert lines["task"] == "Pick up [the] cube"
    assert lines["length"] == "6 frames, 0.2 s at 30 fps"
    assert lines["recorded"] == "2025-11-24 16:00:00 UTC, as episode-0"
    assert lines["verdict"] == "bad, accepted, note"
    assert lines["reason"].startswith("front: 2 of 6")
    assert lines["note"].startswith("force: only 2 of 6")
    assert lines["success"] == "yes"
    assert lines["late rows"] == "3, by at most 21.0 ms"


def test_each_stream_has_its_rate_and_ages(invoke, root):
    rows = [line.split() for line in invoke("show", root, 0).output.splitlines()]
    assert ["force", "2", "of", "6", "10.0", "43.3", "76.7", "76.7"] in rows
    assert next(row for row in rows if row[:1] == ["front"])[:9] == [
        "front", "6", "of", "6", "30.0", "10.0", "10.0", "10.0", "2",
    ]  # fmt: skip


def test_without_an_episode_there_is_a_line_for_each(invoke, root):
    assert "bad, accepted, note" in invoke("show", root).output
    (root / "meta/recordings/chunk-000/file-000.jsonl").write_text("")
    lines = invoke("show", root).output.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["0", "6", "0.2", "unknown", "unknown", "Pick", "up", "[the]", "cube"],
        ["1", "9", "0.3", "unknown", "unknown", "pick"],
    ]
    assert "meta/recordings has no line" in invoke("show", root, 0).output


def test_what_is_not_there_is_an_error(invoke, root, tmp_path):
    result = invoke("show", root, 2)
    assert result.exit_code == 1
    assert "no episode 2, it has 0 to 1" in result.output
    assert "no meta/info.json" in invoke("show", tmp_path).output


@pytest.mark.parametrize("arguments", [(), (1,)])
def test_the_contact_sheet_is_drawn_on_request(invoke, tmp_path, arguments):
    root = tmp_path / "real"
    state = {"dtype": "float32", "shape": (2,), "names": ["a", "b"]}
    camera = {"dtype": "video", "shape": (48, 64, 3), "names": ["height", "width", "channels"]}
    with (
        EpisodeRecorder(root, {"observation.state": state, "top": camera}, 30) as recorder,
        BatchEncoder(root),
    ):
        for _ in range(2):
            with recorder.episode("pick") as episode:
                for number in range(4):
                    image = np.full((48, 64, 3), number, np.uint8)
                    episode.add({"observation.state": np.zeros(2, np.float32), "top": image})
    sheet = tmp_path / "sheets/sheet.png"
    result = invoke("show", root, *arguments, "-o", sheet)
    assert result.exit_code == 0, result.output
    assert cv2.imread(str(sheet)).shape[0] > 300

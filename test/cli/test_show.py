"""What is known of episodes, as a command prints it."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from encoded import LineFiles, commit, encoded_episode
from filmed import filmed_dataset

from lerobot_recorder.dataset import DatasetWriter, StreamAges, setup_id
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


def facts(output: str) -> dict[str, str]:
    return {line[:15].strip(): line[15:] for line in output.splitlines()}


def test_all_that_is_known_of_an_episode_is_printed(invoke, root):
    result = invoke("show", root, 0)
    assert result.exit_code == 0, result.output
    lines = facts(result.output)
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
    assert [line.split() for line in lines[-2:]] == [
        ["0", "6", "0.2", "unknown", "unknown", "Pick", "up", "[the]", "cube"],
        ["1", "9", "0.3", "unknown", "unknown", "pick"],
    ]
    assert "meta/recordings has no line" in invoke("show", root, 0).output


def test_what_is_not_there_is_an_error(invoke, root, tmp_path):
    result = invoke("show", root, 2)
    assert result.exit_code == 1
    assert "no episode 2, it has 0 to 1" in result.output
    assert "no meta/info.json" in invoke("show", tmp_path).output


@pytest.mark.parametrize("command", ["show", "check"])
def test_what_is_no_dataset_is_an_error_with_a_way_out(invoke, root, tmp_path, command):
    (tmp_path / "cfg.yaml").touch()
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag/metadata.yaml").touch()
    (root / "meta/info.json").unlink()
    assert "or user/name; found a file" in invoke(command, tmp_path / "cfg.yaml").output
    assert "found a bag: metadata.yaml; `lerobot-recorder import`" in invoke(command, tmp_path / "bag").output
    assert f"`lerobot-recorder repair {root}` can write it anew" in invoke(command, root).output


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


def test_a_summary_comes_first(invoke, root):
    result = invoke("show", root)
    assert result.exit_code == 0, result.output
    lines = facts(result.output)
    assert lines["robot"] == "so100"
    assert lines["episodes"] == "2, 0.5 s, 15 frames at 30 fps"
    assert lines["tasks"] == "1 x Pick up [the] cube"
    assert lines["verdicts"] == "1 bad, 1 unknown"
    assert lines["success"] == "1 of 1 marked, 100%"
    assert re.fullmatch(r"[\d.]+ kB: videos [\d.]+ kB, data [\d.]+ kB, meta [\d.]+ kB", lines["size"])
    assert lines["cameras"] == "observation.images.top: 6x4 av1"
    assert ["force", "10.0", "43.3", "76.7", "76.7"] in [line.split() for line in result.output.splitlines()]


@pytest.mark.parametrize(
    ("option", "listed"),
    [
        (("--verdict", "bad"), [0]),
        (("--verdict", "unknown"), [1]),
        (("--task", "CUBE"), [0]),
        (("--verdict", "good"), []),
        ((), [0, 1]),
    ],
)
def test_the_list_can_be_limited(invoke, root, option, listed):
    result = invoke("show", root, "--json", *option)
    assert result.exit_code == 0, result.output
    assert [each["episode"] for each in json.loads(result.output)["list"]] == listed


def test_json_has_what_the_tables_have(invoke, root):
    found = json.loads(invoke("show", root, "--json").output)
    assert (found["episodes"], found["frames"], found["fps"]) == (2, 15, 30)
    assert found["tasks"] == {"Pick up [the] cube": 1, "pick": 1}
    assert found["success"] == {"succeeded": 1, "marked": 1}
    assert found["streams"]["force"]["rate_hz"] == pytest.approx(10)
    assert found["list"][0]["reasons"] == LINE["reasons"]
    episode = json.loads(invoke("show", root, 0, "--json").output)
    assert (episode["verdict"], episode["accepted"], episode["success"]) == ("bad", True, True)
    assert episode["recording"]["ended_by"] == "save"
    assert episode["streams"]["force"]["age_s"]["max"] == pytest.approx(0.0767, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--verdict", "nice"), "expected good, bad or unknown"),
        ((0, "--task", "cube"), "leave out the number"),
    ],
)
def test_options_that_cannot_be_used_are_errors(invoke, root, arguments, fault):
    result = invoke("show", root, *arguments)
    assert result.exit_code == 1
    assert fault in result.output


@pytest.mark.parametrize("arguments", [(), (1,)])
def test_a_report_has_its_pictures_inside(invoke, tmp_path, arguments):
    pytest.importorskip("matplotlib")
    root = filmed_dataset(tmp_path / "<b>data", (4, 5), vcodec="h264")
    result = invoke("show", root, *arguments, "--html", tmp_path / "new/report.html")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "new/report.html").read_text()
    assert text.count('src="data:image/jpeg;base64,/9j/') == (1 if arguments else 2)
    assert not re.search(r"https?:|<script|<link|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "&lt;b&gt;data" in text
    assert "<b>" not in text


def test_rerun_opens_the_dataset_on_this_computer_only(invoke, root, tmp_path, monkeypatch):
    program = tmp_path / "bin/rerun"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{tmp_path}/arguments"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    result = invoke("show", root, "--rerun")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "arguments").read_text().splitlines() == ["--bind", "127.0.0.1", str(root)]


def test_without_rerun_its_installation_is_named(invoke, root, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    result = invoke("show", root, "--rerun")
    assert result.exit_code == 1
    assert "pip install rerun-sdk" in result.output


def test_what_values_mean_and_the_set_up_are_shown(invoke, tmp_path):
    features = {"action": {"dtype": "float32", "shape": (1,), "names": ["a.pos"]}}
    part = {"stream": "action", "topic": "/commands", "meaning": "absolute joint positions, as commanded"}
    part |= {"unit": "degrees", "unit_meaning": "degrees"}
    setup = {"setup.json": json.dumps({"features": {"action": [part]}})}
    with (
        EpisodeRecorder(tmp_path / "data", features, 30, setup=setup) as recorder,
        recorder.episode("Pick") as episode,
    ):
        episode.add({"action": np.zeros(1, np.float32)})
    with BatchEncoder(tmp_path / "data"):
        pass
    shown = invoke("show", tmp_path / "data", "0").output
    assert f"meta/recordings/setup/{setup_id(setup)}" in shown
    assert "absolute joint positions, as commanded, degrees; from /commands" in shown

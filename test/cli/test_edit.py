"""The commands of ``edit``, on a dataset with real videos."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numbered import FEATURES, KEY, picture
from typer.testing import CliRunner

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.cli.app import app
from lerobot_recorder.dataset import DatasetWriter, History, RecordedEpisode, load_info
from lerobot_recorder.video import EncoderSettings


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("original") / "data"
    with EpisodeRecorder(root, FEATURES, 30) as recorder:
        for length in (30, 4, 60):
            with recorder.episode("Pick") as episode:
                for number in range(length):
                    episode.add({"observation.state": np.full(1, number, np.float32), KEY: picture(number)})
    with BatchEncoder(root, settings=EncoderSettings(vcodec="h264")):
        pass
    return root


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "data"))


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["edit", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def lengths(root: Path) -> list[int]:
    return [RecordedEpisode(root, number).length for number in range(load_info(root).total_episodes)]


def test_a_dry_run_prints_what_would_change(root):
    output = run("delete", root, "--shorter-than", 0.5, "--dry-run")
    assert "1        delete" in output
    assert "1 other episode gets another number: 2 becomes 1" in output
    assert "nothing was changed" in output
    assert lengths(root) == [30, 4, 60]


def test_episodes_are_deleted_trimmed_split_and_brought_back(root):
    run("delete", root, "--shorter-than", 0.5)
    assert lengths(root) == [30, 60]
    assert "1 (1.00 s)" in run("trim", root, 1, "--from", 0.5, "--to", 1.5)
    run("split", root, 1, "--at", 0.4)
    assert lengths(root) == [30, 12, 18]
    run("task", root, "0-1", "Place")
    run("success", root, "all", "no")
    assert RecordedEpisode(root, 2).recording["success"] is False
    assert [RecordedEpisode(root, number).task for number in range(3)] == ["Place", "Place", "Pick"]
    for _ in range(5):
        last = run("undo", root)
    assert last.startswith("undid: delete 1 episode (")
    assert last.strip().endswith(": 3 episodes had become 2")
    assert lengths(root) == [30, 4, 60]


def test_edits_become_final(root):
    run("keep", root, "0,2")
    assert re.match(r"made 1 edit final: \d.* [kM]B are free", run("forget", root))
    assert run("forget", root) == "all edits are final already\n"
    result = CliRunner().invoke(app, ["edit", "undo", str(root)])
    assert result.exit_code == 1
    assert "there is no edit to undo" in result.stderr


def test_another_dataset_is_added(root, tmp_path):
    other = tmp_path / "other"
    with EpisodeRecorder(other, FEATURES, 30) as recorder, recorder.episode("Pick") as episode:
        episode.add({"observation.state": np.zeros(1, np.float32), KEY: picture(3)})
    with BatchEncoder(other, settings=EncoderSettings(vcodec="h264")):
        pass
    assert re.search(r"(?s)0 +from .*0\.03 s +Pick +3 \(0\.03 s\)", run("merge", root, other))
    assert lengths(root) == [30, 4, 60, 1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("delete", "9"), "no episode 9; it has 0 to 2"),
        (("delete", "1-x"), "expected numbers and ranges such as 3,7-9"),
        (("delete",), "no episodes are chosen"),
        (("delete", "--verdict", "ugly"), "expected good or bad"),
        (("delete", "--shorter-than", "nan"), "expected a positive number of seconds, found nan"),
        (("delete", "-1"), "expected a number from 0 on, found -1"),
        (("trim", "0", "--from", "inf"), "expected a time in it, found inf s"),
        (("split", "0", "--at", "nan"), "expected a time in it, found nan s"),
        (("success", "0", "maybe"), "expected yes or no"),
    ],
)
def test_a_mistake_is_one_sentence(root, arguments, reason):
    command, *others = arguments
    result = CliRunner().invoke(app, ["edit", command, str(root), *others])
    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert lengths(root) == [30, 4, 60]


def test_what_is_so_already_is_no_edit(root):
    run("success", root, 0, "yes")
    assert "failure, was success" in run("success", root, 0, "no")
    for arguments in (("keep", root, "0-2"), ("success", root, 0, "no"), ("task", root, 1, "Pick")):
        assert run(*arguments) == "nothing to change: the episodes are like that already\n"
    assert run("undo", root).startswith("undid: failure of episode 0")


def test_nothing_is_written_to_find_no_edit_to_undo(root, monkeypatch):
    monkeypatch.setattr(DatasetWriter, "exclusive", None)
    result = CliRunner().invoke(app, ["edit", "undo", str(root)])
    assert result.stderr == f"error: {root}: there is no edit to undo\n"


@pytest.mark.parametrize(
    ("step", "result"), [("begin", "nothing was changed"), ("apply", "the edit was made")]
)
def test_an_interrupted_edit_names_what_became_of_it(root, monkeypatch, step, result):
    act = getattr(History, step)

    def interrupted(*arguments: Any, **named: Any) -> None:
        act(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(History, step, interrupted)
    run = CliRunner().invoke(app, ["edit", "delete", str(root), "0"])
    assert (run.exit_code, run.stderr) == (130, f"interrupted: {result}\n")
    assert lengths(root) == ([4, 60] if step == "apply" else [30, 4, 60])


def test_tasks_and_marks_change_where_conditions_are_met(root):
    assert "0        failure" in run("success", root, "all", "no", "--shorter-than", 1.5)
    run("task", root, "0-2", "Place", "--failed", "--task", "Pick")
    assert [RecordedEpisode(root, number).task for number in range(3)] == ["Place", "Place", "Pick"]
    assert [RecordedEpisode(root, number).recording["success"] for number in range(3)] == [False, False, None]

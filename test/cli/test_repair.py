"""What `repair` prints, and its exit status."""

from __future__ import annotations

from pathlib import Path

import pytest
from damages import DAMAGES
from filmed import filmed_dataset
from typer.testing import CliRunner, Result

from lerobot_recorder.cli.app import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return filmed_dataset(tmp_path / "dataset")


def test_faults_are_printed_before_they_are_repaired(root: Path) -> None:
    DAMAGES["video: fewer frames"](root)
    planned = run("repair", root)
    assert planned.exit_code == 1
    assert "has 12 frames for 15 rows" in planned.stdout
    assert planned.stdout.splitlines()[-1] == (
        f"{root}: would have 3 episodes, 12 frames; lost: 3 of 6 rows of episode 2"
    )
    done = run("repair", root, "--apply")
    assert done.exit_code == 0
    assert (
        done.stdout.splitlines()[-1] == f"{root}: has 3 episodes, 12 frames; lost: 3 of 6 rows of episode 2"
    )
    assert run("check", root).exit_code == 0
    assert run("edit", "undo", root).exit_code == 0
    assert run("check", root).exit_code == 1


def test_nothing_is_done_without_faults(root: Path) -> None:
    result = run("repair", root, "--apply")
    assert (result.exit_code, result.stdout) == (0, f"{root}: no faults, nothing to repair\n")


def test_what_cannot_be_repaired_is_one_sentence(root: Path) -> None:
    DAMAGES["data: garbage"](root)
    result = run("repair", root)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {root}: no rows can be read")

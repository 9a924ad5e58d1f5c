"""What `check` prints, and its exit status."""

from __future__ import annotations

from pathlib import Path

import pytest
from filmed import filmed_dataset
from typer.testing import CliRunner, Result

from lerobot_recorder.cli.app import app
from lerobot_recorder.dataset.recordings import recording_line


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return filmed_dataset(tmp_path / "dataset")


@pytest.mark.parametrize("options", [[], ["--deep"]])
def test_clean_dataset_ends_with_status_0(root: Path, options: list[str]) -> None:
    result = run(root, *options)
    assert (result.exit_code, result.stdout) == (0, f"{root}: no faults in 3 episodes, 15 frames\n")


def test_faults_end_with_status_1(root: Path) -> None:
    (root / "meta/stats.json").unlink()
    result = run(root)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{root / 'meta/stats.json'}: cannot be read")


def test_episodes_of_the_same_recording_are_mentioned(root: Path) -> None:
    parts = ((0, "a", 0.0), (1, "a", 4 / 30), (2, "a", 0.0))
    path = root / "meta/recordings/chunk-000/file-000.jsonl"
    lines = [recording_line(n, name, {"started_at_ns": round(start * 1e9)}) for n, name, start in parts]
    path.write_text("".join(lines))
    result = run(root)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == (
        "note: episodes 0 and 2 are of the same recording. "
        f"Remove one with: lerobot-recorder edit delete {root} 2"
    )


def test_episodes_that_are_not_encoded_are_mentioned(root: Path) -> None:
    spool = root.with_name("dataset.spool")
    for name in ("ready/a", "ready/b", "failed/c"):
        (spool / name).mkdir(parents=True)
    result = run(root)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == [
        f"note: 2 episodes wait in {spool}. Encode with: lerobot-recorder encode {root}",
        f"note: 1 episode could not be encoded; the reasons are in {spool / 'failed'}. "
        f"Try again: lerobot-recorder encode --retry-failed {root}",
    ]

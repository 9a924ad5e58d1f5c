"""Edited datasets, as LeRobot itself sees them; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from lerobot_run import NO_LEROBOT, PYTHON, run_lerobot
from numbered import record

from lerobot_recorder import BatchEncoder
from lerobot_recorder.editing import DatasetEditor

LENGTHS = (21, 8, 33, 17)
SCRIPT = Path(__file__).with_name("read_numbers.py")

EDITS: dict[str, tuple[Callable[[DatasetEditor], object], list[range]]] = {
    "delete": (lambda editor: editor.delete([1]), [range(21), range(29, 62), range(62, 79)]),
    "trim": (
        lambda editor: editor.trim(2, 5 / 30, 20 / 30),
        [range(21), range(21, 29), range(34, 49), range(62, 79)],
    ),
    "split": (
        lambda editor: editor.split(0, 7 / 30),
        [range(7), range(7, 21), range(21, 29), range(29, 62), range(62, 79)],
    ),
    "task": (
        lambda editor: editor.set_task([3], "Stack"),
        [range(21), range(21, 29), range(29, 62), range(62, 79)],
    ),
}

pytestmark = pytest.mark.skipif(not PYTHON, reason=NO_LEROBOT)


def test_lerobot_finds_every_frame_of_edited_datasets(tmp_path: Path) -> None:
    original = tmp_path / "original"
    first = 0
    for length in LENGTHS:
        record(original, list(range(first, first + length)))
        first += length
    with BatchEncoder(original):
        pass
    for name, (act, _) in EDITS.items():
        act(DatasetEditor(Path(shutil.copytree(original, tmp_path / name))))
    output = run_lerobot(tmp_path / "home", SCRIPT, *(tmp_path / name for name in EDITS))
    found = dict(zip(EDITS, json.loads(output.splitlines()[-1]), strict=True))
    for name, (_, expected) in EDITS.items():
        shown = [list(numbers) for numbers in expected]
        assert [episode["rows"] for episode in found[name]] == shown, name
        assert [episode["pictures"] for episode in found[name]] == shown, name
    assert [episode["task"] for episode in found["task"]] == ["Count"] * 3 + ["Stack"]

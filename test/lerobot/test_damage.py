"""`check` finds a fault wherever LeRobot fails; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from damages import DAMAGES, HARMLESS
from filmed import filmed_dataset
from lerobot_run import NO_LEROBOT, PYTHON, run_lerobot

from lerobot_recorder.dataset import check
from lerobot_recorder.dataset.files import CHECKSUMS_PATH
from lerobot_recorder.video import probe

SCRIPT = Path(__file__).with_name("damaged.py")

pytestmark = pytest.mark.skipif(not PYTHON, reason=NO_LEROBOT)

UNNOTICED = {
    "episodes: stray file",
    "episodes: no bounds",
    "data: stray file",
    "stats: too few values",
    "stats: too many values",
    "stats: too few channels",
}
"""Faults that LeRobot does not notice when it reads frames one by one; it normalizes them in training."""


def test_check_finds_a_fault_exactly_where_lerobot_fails(tmp_path: Path) -> None:
    sound = filmed_dataset(tmp_path / "sound")
    (sound / CHECKSUMS_PATH).unlink()  # as of another program
    roots = {}
    for number, (kind, damage) in enumerate({**DAMAGES, **HARMLESS}.items()):
        roots[kind] = Path(shutil.copytree(sound, tmp_path / f"damage-{number}"))
        damage(roots[kind])
    results = json.loads(run_lerobot(tmp_path / "home", SCRIPT, sound, *roots.values()).splitlines()[-1])
    for kind, root in roots.items():
        result, faults = results[str(root)], list(check(root, probe))
        print(f"{kind}: LeRobot: {result}, check: {faults}")
        reads_the_same = kind in HARMLESS or kind in UNNOTICED
        assert (result == "same") == reads_the_same, (kind, result)
        assert bool(faults) == (kind in DAMAGES), kind

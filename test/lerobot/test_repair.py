"""LeRobot loads what `repair` has saved; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from damages import DAMAGES
from filmed import filmed_dataset
from lerobot_run import NO_LEROBOT, PYTHON, run_lerobot

from lerobot_recorder.dataset import check
from lerobot_recorder.editing import repair
from lerobot_recorder.video import VideoDecoder, probe

COMPARE, KILLED = (Path(__file__).with_name(f"{name}.py") for name in ("damaged", "killed"))
DIFFERS = {
    "info: feature of another dtype",
    "data: no action",
    "data: last row missing",
    "data: last episode missing",
    "data: extra column",
    "data: action too long",
    "data: one action too long",
    "data: action a string",
    "data: one action null",
    "data: one number of an action null",
    "data: another task",
    "data: task_index negative",
    "data: task_index too large",
    "data: another action",
    "data: cut",
    "tasks: missing",
    "video: missing",
    "video: garbage",
    "video: empty",
    "video: cut",
    "video: fewer frames",
    "video: of another rate",
}
"""Damages after which values are lost or others."""

HOPELESS = {"data: missing", "data: garbage", "data: no rows", "video: git LFS pointer"}

pytestmark = pytest.mark.skipif(not PYTHON, reason=NO_LEROBOT)


def test_nothing_is_lost_of_what_a_killed_lerobot_has_recorded(tmp_path: Path) -> None:
    run_lerobot(tmp_path / "home", KILLED, tmp_path / "datasets")
    for kind in ("all", "arrays"):
        killed = tmp_path / "datasets" / f"{kind}-killed"
        assert list(check(killed, probe))
        report = repair(killed, apply=True)
        assert (report.episodes, report.lost) == (12, [])
        assert list(check(killed, probe, decoder=VideoDecoder())) == []
        finished = tmp_path / "datasets" / kind
        results = json.loads(run_lerobot(tmp_path / "home", COMPARE, finished, killed).splitlines()[-1])
        assert results == {str(killed): "same"}


def test_lerobot_loads_every_repaired_dataset(tmp_path: Path) -> None:
    sound = filmed_dataset(tmp_path / "sound")
    roots = {}
    for number, kind in enumerate(sorted(set(DAMAGES) - HOPELESS)):
        roots[kind] = Path(shutil.copytree(sound, tmp_path / f"damage-{number}"))
        DAMAGES[kind](roots[kind])
        repair(roots[kind], apply=True)
    results = json.loads(run_lerobot(tmp_path / "home", COMPARE, sound, *roots.values()).splitlines()[-1])
    for kind, root in roots.items():
        assert results[str(root)] in ("same", "differs"), (kind, results[str(root)])
        if kind not in DIFFERS:
            assert results[str(root)] == "same", kind

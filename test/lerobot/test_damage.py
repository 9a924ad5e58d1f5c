"""`check` finds a fault wherever LeRobot fails; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from damages import DAMAGES, HARMLESS
from filmed import filmed_dataset

from lerobot_recorder.dataset.check import check
from lerobot_recorder.dataset.checksums import CHECKSUMS_PATH
from lerobot_recorder.video import probe

PYTHON = os.environ.get("LEROBOT_PYTHON")
SCRIPT = Path(__file__).with_name("damaged.py")

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"
)

UNNOTICED = {"episodes: stray file", "episodes: no bounds", "data: stray file"}
"""Faults that LeRobot does not notice when it reads frames one by one."""


def read_with_lerobot(sound: Path, roots: list[Path], home: Path) -> dict[str, str]:
    """Return what LeRobot makes of each dataset: "same" as the sound one, "differs", or an error."""
    foreign = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HOME": str(home)}
    result = subprocess.run(
        [str(PYTHON), str(SCRIPT), str(sound), *map(str, roots)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout.splitlines()[-1]))


def test_check_finds_a_fault_exactly_where_lerobot_fails(tmp_path: Path) -> None:
    sound = filmed_dataset(tmp_path / "sound")
    (sound / CHECKSUMS_PATH).unlink()  # as of another program
    roots = {}
    for number, (kind, damage) in enumerate({**DAMAGES, **HARMLESS}.items()):
        roots[kind] = Path(shutil.copytree(sound, tmp_path / f"damage-{number}"))
        damage(roots[kind])
    results = read_with_lerobot(sound, list(roots.values()), tmp_path / "home")
    for kind, root in roots.items():
        result, faults = results[str(root)], list(check(root, probe))
        print(f"{kind}: LeRobot: {result}, check: {faults}")
        reads_the_same = kind in HARMLESS or kind in UNNOTICED
        assert (result == "same") == reads_the_same, (kind, result)
        assert bool(faults) == (kind in DAMAGES), kind

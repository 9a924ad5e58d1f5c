"""A committing process is killed at random times and restarted until everything is committed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import commit_until_killed
import pyarrow as pa
from encoded import faults

from lerobot_recorder.dataset import tables
from lerobot_recorder.dataset.layout import DatasetLayout

EPISODES = 24
KILLS = 4


def start(root: Path, spool: Path) -> subprocess.Popen[bytes]:
    script = Path(commit_until_killed.__file__)
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, str(script), str(root), str(spool), str(EPISODES)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )


def test_killed_process_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    root, spool = tmp_path / "dataset", tmp_path / "spool"
    spool.mkdir()
    for k in range(EPISODES):
        (spool / f"episode-{k}").touch()
    chance = random.Random(0)
    for _ in range(KILLS):
        with start(root, spool) as process:
            assert process.stdout is not None
            for _ in range(chance.randint(1, 4)):
                process.stdout.readline()
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
        if root.exists():
            assert all("is unfinished" in fault for fault in faults(root))
    with start(root, spool) as process:
        assert process.stdout is not None
        process.stdout.read()
    assert process.returncode == 0
    rows = pa.concat_tables([tables.read_table(path) for path in DatasetLayout(root).data_files()])
    assert [state[0] for state in rows["observation.state"].to_pylist()] == [
        k for k in range(EPISODES) for _ in range(5)
    ]
    assert faults(root) == []
    assert [path.name for path in spool.iterdir()] == ["videos"]

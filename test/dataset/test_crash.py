"""A commit that is stopped before any of its file operations, and started again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from encoded import LineFiles, commit, encoded_episode, faults
from reaper import REAPER, Killed, make_audible

from lerobot_recorder.dataset import DatasetWriter, EncodedEpisode, tables
from lerobot_recorder.dataset.layout import DatasetLayout

MIB = 1024**2
LIMITS: dict[str, Any] = {"data_files_size_in_mb": 15_000 / MIB, "video_files_size_in_mb": 17_000 / MIB}
"""Two of the episodes fit into a file, three do not."""


@pytest.fixture(autouse=True)
def audible(monkeypatch: pytest.MonkeyPatch) -> None:
    make_audible(monkeypatch)


class Spool:
    """Spooled episodes: a file each, which is removed when the episode is in the dataset."""

    def __init__(self, directory: Path, takes: Sequence[EncodedEpisode]) -> None:
        self._directory = directory
        self._takes = {take.episode_id: take for take in takes}
        directory.mkdir(exist_ok=True)
        for name in self._takes:
            (directory / name).touch()

    def waiting(self) -> list[EncodedEpisode]:
        return [take for name, take in self._takes.items() if (self._directory / name).exists()]

    def forget(self, names: Sequence[str]) -> None:
        for name in names:
            (self._directory / name).unlink(missing_ok=True)


def run(root: Path, spool: Spool) -> None:
    """Recover and commit, as an encoder does at its start."""
    writer = DatasetWriter(root, LineFiles(), forget=spool.forget, **LIMITS)
    writer.recover()
    if waiting := spool.waiting():
        commit(writer, waiting)


def snapshot(root: Path) -> dict[str, object]:
    """Return the contents of the dataset; of parquet files the table only."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): _content(path) for path in paths}


def _content(path: Path) -> object:
    return tables.read_table(path) if path.suffix == ".parquet" else path.read_bytes()


def recorded(root: Path) -> list[float]:
    """Return the numbers of the episodes in the dataset, from their rows."""
    found = [tables.read_table(path) for path in DatasetLayout(root).data_files()]
    rows = pa.concat_tables(found)
    first = rows.filter(pc.equal(rows["frame_index"], 0))
    return [state[0] for state in first["observation.state"].to_pylist()]


@pytest.mark.parametrize("already", [0, 1])
def test_commit_stopped_anywhere_is_finished_once(tmp_path: Path, already: int) -> None:
    takes = [
        encoded_episode(tmp_path / "videos", k, 200 + k, task=f"task {k % 3}") for k in range(already + 3)
    ]
    base = tmp_path / "base"
    if already:
        commit(DatasetWriter(base / "dataset", LineFiles(), **LIMITS), takes[:already])
    else:
        base.mkdir()

    def fresh(name: str) -> tuple[Path, Spool]:
        shutil.copytree(base, tmp_path / name)
        return tmp_path / name / "dataset", Spool(tmp_path / name / "spool", takes[already:])

    root, spool = fresh("whole")
    with REAPER.after(None):
        run(root, spool)
    operations, wanted = REAPER.count, snapshot(root)
    assert operations > 40
    assert len(DatasetLayout(root).data_files()) == len(list(root.rglob("*.mp4"))) == 2
    assert faults(root) == []

    for stop in range(operations):
        root, spool = fresh("stopped")
        with REAPER.after(stop), pytest.raises(Killed):
            run(root, spool)
        if root.exists():
            assert all("is unfinished" in fault for fault in faults(root)), (stop, faults(root))
        else:
            assert not already, stop
        run(root, spool)
        assert recorded(root) == list(range(already + 3)), stop
        assert snapshot(root) == wanted, stop
        assert spool.waiting() == [], stop
        shutil.rmtree(root.parent)


def test_recovery_stopped_anywhere_is_finished_once(tmp_path: Path) -> None:
    takes = [encoded_episode(tmp_path / "videos", k, 5) for k in range(4)]
    base = tmp_path / "base"
    commit(DatasetWriter(base / "dataset", LineFiles(), **LIMITS), takes[:2])
    spool = Spool(base / "spool", takes[2:])

    def refuse(names: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        commit(DatasetWriter(base / "dataset", LineFiles(), forget=refuse, **LIMITS), takes[2:])

    operations = None
    stop = 0
    while operations is None or stop < operations:
        shutil.copytree(base, tmp_path / "run")
        root, spool = tmp_path / "run/dataset", Spool(tmp_path / "run/spool", takes[2:])
        if operations is None:
            with REAPER.after(None):
                run(root, spool)
            operations = REAPER.count
        else:
            with REAPER.after(stop), pytest.raises(Killed):
                run(root, spool)
            stop += 1
        run(root, spool)
        assert recorded(root) == [0, 1, 2, 3]
        assert faults(root) == []
        shutil.rmtree(tmp_path / "run")

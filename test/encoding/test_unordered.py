"""A power cut during a commit leaves each episode in the dataset once, in any order of directory writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from unordered import UnorderedDirectories
from vectors import numbers_in, record

from lerobot_recorder.dataset import DatasetWriter
from lerobot_recorder.encoding.batch import Batch
from lerobot_recorder.encoding.earlier import SeenDataset
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import Mp4Files

NO_CAMERAS: Any = None


def encode(root: Path) -> None:
    """Do what an encoder does at its start: finish what was interrupted, then commit what waits."""
    with Spool(root) as spool:
        spool.create()
        writer = DatasetWriter(root, Mp4Files(), forget=spool.forget)
        writer.recover()
        spool.recover()
        batch = Batch(
            spool, writer, NO_CAMERAS, job_of=NO_CAMERAS, jobs_of=NO_CAMERAS, seen=SeenDataset(root)
        )
        batch.begin(spool.ready())
        batch.commit()
        batch.release()
        assert spool.waiting() == spool.failed() == []


class Disk:
    """A disk with a dataset and its spool, whose power fails between any two operations."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "disk" / "data"
        self.root.parent.mkdir()
        self.expected: list[int] = []
        self.cuts = 0
        self._after = folder / "after"

    def fails(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> UnorderedDirectories:
        (folder / "store").mkdir()
        self.device = UnorderedDirectories(self.root.parent, folder / "store", self._cut)
        self.device.install(monkeypatch)
        return self.device

    def _cut(self) -> None:
        for _ in self.device.states(self._after):
            self.cuts += 1
            root = self._after / "data"
            encode(root)
            assert numbers_in(root) == self.expected, self.cuts


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.device.close()
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("existing", [[], [0]])
def test_while_an_episode_is_committed(disk, tmp_path, monkeypatch, existing):
    if existing:
        record(disk.root, *existing)
        encode(disk.root)
    record(disk.root, 1)
    disk.expected = [*existing, 1]
    disk.fails(tmp_path, monkeypatch)
    encode(disk.root)
    assert disk.cuts > 50

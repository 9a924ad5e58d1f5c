"""A power cut neither loses nor doubles an episode, even if directories are written in any order."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from takes import a_header, a_take
from unordered import UnorderedDirectories

from lerobot_recorder.spool import Spool, TakeFiles, take_files

OFFERED = ("ready", "rejected", "failed")


class PowerCuts:
    """Cuts the power repeatedly while an operator and an encoder work, and restarts each time."""

    def __init__(self, directory: Path) -> None:
        self.spool = Spool(directory / "dataset")
        self.spool.create()
        (directory / "store").mkdir()
        self.device = UnorderedDirectories(self.spool.path, directory / "store", self.cut)
        self.cuts = 0
        self._after = Spool(directory / "after" / "dataset")
        self._after.path.parent.mkdir()
        self._kept: dict[str, bool | None] = {}
        self._committed: set[str] = set()

    @contextmanager
    def changing(self, episode_id: str, *, kept: bool) -> Iterator[None]:
        """Expect an episode to exist, or to be gone, after the acknowledgement; before, either is right."""
        if self._kept.get(episode_id) is not kept:
            self._kept[episode_id] = None
        yield
        self._kept[episode_id] = kept

    def commit(self, episode_id: str) -> None:
        """Put an episode into the dataset; the journal of the commit will remove it from the spool."""
        self._committed.add(episode_id)

    def cut(self) -> None:
        for _ in self.device.states(self._after.path):
            self.cuts += 1
            self.restart()

    def restart(self) -> None:
        """Do what recorder and encoder do at their start, and check each episode."""
        with Spool(self._after.root) as spool:
            spool.forget(sorted(self._committed))
            spool.recover(cut_short=False)
            spool.recover()
            for episode_id, kept in self._kept.items():
                found = [state for state in OFFERED if (spool.directory(state) / episode_id).is_dir()]
                allowed = {None: (0, 1), True: (1,), False: (0,)}[kept]
                assert len(found) in allowed, (episode_id, kept, found, self.cuts)
            for state in ("recording", "prepared", "claimed", "committing"):
                assert not list(spool.directory(state).iterdir())
            self.encode_all(spool)

    @staticmethod
    def encode_all(spool: Spool) -> None:
        for episode in spool.ready():
            claimed = spool.claim(episode)
            assert claimed is not None
            sealed = spool.seal(claimed)
            assert sealed is not None
            sealed.verify()
            spool.forget([sealed.episode_id])
        assert spool.ready() == spool.claimed() == []


@pytest.fixture
def power(tmp_path, monkeypatch) -> Iterator[PowerCuts]:
    monkeypatch.setattr(take_files, "_BALLAST_BYTES", 16)
    power = PowerCuts(tmp_path)
    power.device.install(monkeypatch)
    yield power
    power.device.close()
    shutil.rmtree(tmp_path)


def saved(power: PowerCuts) -> str:
    take = a_take(power.spool, length=2)
    episode_id = take.header.episode_id
    with power.changing(episode_id, kept=True):
        take.save()
    return episode_id


def test_while_an_episode_is_saved_and_encoded(power):
    first, second = saved(power), saved(power)
    claimed = power.spool.claim(power.spool.ready()[0])
    power.spool.release(claimed)
    for episode_id in (first, second):
        claimed = power.spool.claim(power.spool.find(episode_id))
        assert power.spool.seal(claimed) is not None
        with power.changing(episode_id, kept=False):
            power.commit(episode_id)
            power.spool.forget([episode_id])
    assert power.cuts > 100


def test_while_takes_follow_each_other_at_once(power):
    prepared = None
    for _ in range(3):
        take = a_take(power.spool, "raw", "png", length=2, prepared=prepared)
        prepared = TakeFiles(power.spool, a_header("raw", "png").cameras)
        with power.changing(take.header.episode_id, kept=True):
            take.save()
    prepared.remove()
    assert power.cuts > 100


def test_while_an_episode_is_deleted_and_brought_back(power):
    episode_id = saved(power)
    for _ in range(3):
        with power.changing(episode_id, kept=False):
            power.spool.delete_last()
        with power.changing(episode_id, kept=True):
            power.spool.undo_delete()
    take = a_take(power.spool, length=2)
    with power.changing(take.header.episode_id, kept=False):
        take.discard()
    with power.changing(take.header.episode_id, kept=True):
        power.spool.undo_delete()
    assert power.cuts > 100


def test_while_a_take_is_rejected_and_accepted(power):
    for _ in range(2):
        take = a_take(power.spool, length=2)
        with power.changing(take.header.episode_id, kept=True):
            take.reject("bad")
        power.spool.accept()
        assert power.spool.mark_success(True) == take.header.episode_id
    assert power.cuts > 50


def test_while_an_episode_fails_and_is_tried_again(power):
    for _ in range(2):
        saved(power)
        power.spool.fail(power.spool.claim(power.spool.ready()[-1]), "the codec refused it")
        power.spool.retry()
    assert power.cuts > 50

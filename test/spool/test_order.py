"""Episodes keep their order when the clock is set."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from takes import a_take

from lerobot_recorder.dataset.recordings import recorded_ids
from lerobot_recorder.spool import Spool, identifiers
from lerobot_recorder.spool.identifiers import is_episode_id, new_episode_id


class SetClock(datetime):
    """A clock that is set by the test."""

    by = timedelta(0)

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + cls.by


@pytest.fixture
def set_clock(monkeypatch):
    def set_by(**parts: int) -> None:
        monkeypatch.setattr(SetClock, "by", timedelta(**parts))

    monkeypatch.setattr(identifiers, "datetime", SetClock)
    return set_by


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "dataset")


def saved(spool: Spool) -> str:
    return a_take(spool, length=1, episode_id=spool.new_episode_id()).save().episode_id


def test_an_identifier_is_its_time_unless_the_clock_is_behind():
    now = datetime.now(timezone.utc)
    episode_id = new_episode_id(after="20200101T000000.000000Z-ffff")
    assert is_episode_id(episode_id)
    assert episode_id > f"{now:%Y%m%dT%H%M%S}"
    assert new_episode_id(after="22000101T000000.999999Z-ffff").startswith("22000101T000001.000000Z-")


@pytest.mark.parametrize(
    "name", ["", "notes", "20261301T000000.000000Z-aaaa", "99991231T235959.999999Z-aaaa"]
)
def test_other_names_do_not_count(name):
    assert not is_episode_id(name)
    assert is_episode_id(new_episode_id(after=name))


@pytest.mark.parametrize("known_from", ["one object", "the spool", "a spool that is empty", "the dataset"])
def test_identifiers_never_go_back(spool, set_clock, known_from):
    first = saved(spool)
    if known_from == "a spool that is empty":
        spool.forget([first])
    if known_from == "the dataset":
        spool.forget([first])
        (spool.path / "last_id").write_bytes(b"\0\0\0")  # as after a power cut
        recordings = spool.root / "meta/recordings/chunk-000/file-000.jsonl"
        recordings.parent.mkdir(parents=True)
        recordings.write_text(json.dumps({"episode_index": 0, "episode_id": first}) + "\n")
    set_clock(days=-1)
    later = spool if known_from == "one object" else Spool(spool.root)
    assert first < saved(later) < saved(Spool(spool.root))


def test_the_last_episode_is_the_one_saved_last_after_the_clock_was_set_back(spool, set_clock):
    first = saved(spool)
    set_clock(hours=-1)
    second, third = saved(spool), saved(Spool(spool.root))
    assert [episode.episode_id for episode in Spool(spool.root).ready()] == [first, second, third]
    assert spool.delete_last() == third
    assert spool.mark_success(False) == second
    assert spool.delete_last() == second


def test_episodes_are_in_the_order_in_which_they_ended(spool):
    early, late = (a_take(spool, length=1, episode_id=spool.new_episode_id()) for _ in range(2))
    late.save()
    early.save()
    wanted = [late.header.episode_id, early.header.episode_id]
    assert [episode.episode_id for episode in spool.ready()] == wanted
    spool.claim(spool.ready()[0])
    assert [episode.episode_id for episode in spool.waiting()] == wanted
    assert spool.delete_last() == early.header.episode_id


def test_episodes_of_an_earlier_version_are_ordered_by_their_identifiers(spool):
    old, new = saved(spool), saved(spool)
    path = spool.directory("ready") / old / "manifest.json"
    content = json.loads(path.read_text())
    del content["ended_order"], content["checksum"]
    from lerobot_recorder.spool.manifest import _checksum

    path.write_text(json.dumps({**content, "checksum": _checksum(content)}))
    assert [episode.episode_id for episode in spool.ready()] == [old, new]
    spool.ready()[0].verify()


def test_an_episode_that_cannot_be_read_is_never_the_last(spool):
    readable, damaged = saved(spool), saved(spool)
    (spool.directory("ready") / damaged / "manifest.json").write_text("{")
    (spool.directory("ready") / "zzz").mkdir()
    assert Spool(spool.root).delete_last() == readable


def test_damaged_lines_of_the_recordings_are_skipped(tmp_path):
    folder = tmp_path / "meta/recordings/chunk-000"
    folder.mkdir(parents=True)
    (folder / "file-000.jsonl").write_bytes(b'{"episode_index": 0, "episode_id": "a"}\n\xff\xfe{"epis\n')
    (folder / "file-001.jsonl").write_text('{"episode_index": 1, "episode_id": "b", "success": null}\n')
    assert recorded_ids(tmp_path) == {"a", "b"}
    assert recorded_ids(tmp_path / "nothing") == set()

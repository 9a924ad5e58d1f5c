"""Deleted episodes and discarded takes can be brought back while there is room."""

from __future__ import annotations

from pathlib import Path

import pytest
from takes import FORMATS, a_take

from lerobot_recorder.errors import EpisodeDeletedError, SpoolError
from lerobot_recorder.spool import Spool, discarded


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "dataset")


def names(spool: Spool, state: str) -> list[str]:
    return sorted(path.name for path in spool.directory(state).iterdir())


def saved(spool: Spool, *formats: str):
    return a_take(spool, *formats, episode_id=spool.new_episode_id()).save()


def test_a_deleted_episode_is_brought_back_to_its_place(spool):
    first, last = saved(spool), saved(spool)
    assert spool.delete_last() == last.episode_id
    spool.recover()
    restored = Spool(spool.root).undo_delete()
    assert (restored.episode_id, restored.state) == (last.episode_id, "ready")
    restored.verify()
    assert [episode.episode_id for episode in spool.ready()] == [first.episode_id, last.episode_id]
    assert names(spool, "discarded") == []


def test_episodes_return_in_the_reverse_order_of_their_removal(spool):
    removed = [saved(spool).episode_id for _ in range(5)]
    for episode_id in removed:
        spool.delete_last(episode_id)
    assert [spool.undo_delete().episode_id for _ in removed] == removed[::-1]
    with pytest.raises(SpoolError, match="nothing to bring back"):
        spool.undo_delete()


def test_a_rejected_take_returns_to_rejected(spool):
    take = a_take(spool).reject("bad")
    spool.delete_last(take.episode_id)
    assert spool.undo_delete(take.episode_id).state == "rejected"


def test_an_episode_that_an_encoder_had_returns_and_can_be_claimed_at_once(spool):
    claimed = spool.claim(saved(spool))
    with Spool(spool.root) as operator:
        operator.delete_last()
        operator.undo_delete()
    assert spool.seal(claimed) is None
    again = spool.claim(spool.ready()[0])
    assert again is not None
    assert spool.seal(again) is not None


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize(("verdict", "state"), [("good", "ready"), ("bad", "rejected")])
def test_a_discarded_take_returns_as_if_it_had_been_saved(spool, image_format, verdict, state):
    take = a_take(spool, image_format)
    take.discard(verdict=verdict)
    assert names(spool, "recording") == []
    assert names(spool, "discarded") == [take.header.episode_id]
    restored = spool.undo_delete()
    assert (restored.state, restored.length) == (state, 5)
    restored.verify()


def test_a_damaged_take_is_not_brought_back(spool):
    take = a_take(spool, "raw")
    take.discard()
    path = spool.directory("discarded") / take.header.episode_id
    (path / "rows.bin").write_bytes(b"")
    with pytest.raises(SpoolError, match=r"rows\.bin has 0 bytes"):
        spool.undo_delete()
    assert path.exists()


def test_an_episode_in_the_dataset_is_not_brought_back(spool):
    episode_id = saved(spool).episode_id
    spool.delete_last()
    recordings = spool.root / "meta/recordings/chunk-000/file-000.jsonl"
    recordings.parent.mkdir(parents=True)
    recordings.write_text(f'{{"episode_index": 0, "episode_id": "{episode_id}"}}\n')
    with pytest.raises(SpoolError, match="is in the dataset already"):
        spool.undo_delete()


def test_deleting_twice_does_not_delete_the_episode_before(spool):
    first, last = saved(spool), saved(spool)
    spool.delete_last(last.episode_id)
    with pytest.raises(EpisodeDeletedError, match="the episode is deleted"):
        spool.delete_last(last.episode_id)
    assert [episode.episode_id for episode in spool.ready()] == [first.episode_id]


def test_the_newest_takes_stay_and_all_deleted_episodes(spool):
    deleted = [saved(spool).episode_id for _ in range(4)]
    for episode_id in deleted:
        spool.delete_last(episode_id)
    takes = [a_take(spool, episode_id=spool.new_episode_id()) for _ in range(discarded.KEPT_TAKES + 2)]
    for take in takes:
        take.discard()
    kept = [take.header.episode_id for take in takes[-discarded.KEPT_TAKES :]]
    assert names(spool, "discarded") == sorted([*deleted, *kept])
    assert names(spool, "erasing") == []


def test_on_a_nearly_full_disk_only_the_last_one_stays(spool, monkeypatch):
    removed = [saved(spool).episode_id for _ in range(3)]
    monkeypatch.setattr(discarded, "_room_is_short", lambda path: True)
    for episode_id in removed:
        spool.delete_last(episode_id)
    assert names(spool, "discarded") == [removed[-1]]


def test_the_oldest_are_erased_first_when_space_is_needed(spool, monkeypatch):
    removed = [saved(spool).episode_id for _ in range(3)]
    for episode_id in removed:
        spool.delete_last(episode_id)
    monkeypatch.setattr(Spool, "free_bytes", lambda spool: 100 * (4 - len(names(spool, "discarded"))))
    assert spool.make_room(100) is False
    assert spool.make_room(300) is True
    assert names(spool, "discarded") == [removed[-1]]
    assert spool.make_room(1000) is True
    assert spool.make_room(1000) is False

"""Moves of an episode between the states of the spool."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from takes import a_take

from lerobot_recorder.dataset.layout import spool_path
from lerobot_recorder.errors import EpisodeStateError, LockError, SpoolError
from lerobot_recorder.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "dataset")


def whereabouts(spool: Spool) -> dict[str, list[str]]:
    """The episodes by state, without the empty states."""
    states = (
        "recording",
        "ready",
        "claimed",
        "committing",
        "rejected",
        "failed",
        "discarded",
        "erasing",
        "prepared",
    )
    found = {state: sorted(path.name for path in spool.directory(state).glob("*")) for state in states}
    return {state: names for state, names in found.items() if names}


def test_the_spool_is_beside_the_dataset(spool):
    assert spool.path == spool_path(spool.root)


def test_a_spool_that_does_not_exist_is_empty(spool):
    assert spool.ready() == spool.claimed() == spool.rejected() == spool.failed() == spool.recover() == []
    assert not spool.path.exists()
    assert spool.free_bytes() > 0


def test_a_path_where_no_spool_can_be_created_is_refused_by_name(tmp_path):
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file" / "dataset")
    with pytest.raises(SpoolError, match=r"dataset\.spool cannot be written: .*; choose another root"):
        spool.require()


def test_only_its_owner_may_enter_it(spool):
    spool.path.mkdir()
    (spool.path / "ready").mkdir()
    (spool.path / "lock").touch(0o644)
    a_take(spool).save()
    found = [spool.path, *(path for path in spool.path.iterdir() if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in found} == {0o700}
    assert (spool.path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_spool_that_another_process_keeps_locked_is_an_error(spool, monkeypatch):
    monkeypatch.setattr("lerobot_recorder.locks.WAIT_S", 0.1)
    spool.create()
    with Spool(spool.root).locked(), pytest.raises(LockError, match=r"lock is locked by process \d+"):
        spool.require()


# The recorder's moves


def test_a_take_is_in_recording_until_it_is_saved(spool):
    writer = a_take(spool, "raw")
    name = writer.header.episode_id
    assert whereabouts(spool) == {"recording": [name]}
    assert writer.save().state == "ready"
    assert whereabouts(spool) == {"ready": [name]}


@pytest.mark.parametrize("hand_on", ["save", "accept"])
def test_an_episode_keeps_its_manifest_after_an_encoder_has_claimed_it(spool, hand_on):
    episode = a_take(spool).save() if hand_on == "save" else None
    if episode is None:
        a_take(spool).reject("bad")
        episode = spool.accept()
    spool.claim(episode)
    assert episode.manifest.length == 5


def test_a_rejected_take_keeps_its_reasons(spool):
    episode = a_take(spool).reject("the camera froze")
    assert (episode.state, episode.manifest.verdict, episode.manifest.reasons) == (
        "rejected",
        "bad",
        ("the camera froze",),
    )


def test_a_take_without_rows_is_discarded_for_good(spool):
    a_take(spool, "raw", "png", length=0).discard()
    assert whereabouts(spool) == {}


def test_an_ended_take_takes_no_more_rows(spool):
    writer = a_take(spool)
    writer.save()
    for call in (lambda: writer.append({}), writer.save, writer.reject, writer.discard):
        with pytest.raises(EpisodeStateError, match="already ended"):
            call()


# The encoder's moves


def test_ready_episodes_are_listed_oldest_first(spool):
    saved = [a_take(spool).save().episode_id for _ in range(3)]
    assert [episode.episode_id for episode in spool.ready()] == saved


def test_a_claimed_episode_goes_back_when_released(spool):
    episode = a_take(spool).save()
    claimed = spool.claim(episode)
    assert claimed is not None
    assert claimed.state == "claimed"
    assert [each.episode_id for each in spool.claimed()] == [episode.episode_id]
    spool.release(claimed)
    assert whereabouts(spool) == {"ready": [episode.episode_id]}
    assert spool.claim(episode) is not None


def test_an_episode_is_claimed_once(spool):
    episode = a_take(spool).save()
    assert spool.claim(episode) is not None
    assert Spool(spool.root).claim(episode) is None


def test_a_sealed_episode_can_be_removed_for_good(spool):
    claimed = spool.claim(a_take(spool, "png").save())
    assert claimed is not None
    sealed = spool.seal(claimed)
    assert sealed is not None
    assert sealed.state == "committing"
    spool.forget([sealed.episode_id])
    assert whereabouts(spool) == {}


def test_committed_episodes_are_removed_in_any_state(spool):
    names = [a_take(spool).save().episode_id for _ in range(3)]
    spool.claim(spool.ready()[0])
    spool.forget([*names[:2], "not there"])
    assert whereabouts(spool) == {"ready": [names[2]]}


def test_an_episode_that_failed_keeps_its_error_and_can_be_tried_again(spool):
    claimed = spool.claim(a_take(spool).save())
    assert claimed is not None
    failed = spool.fail(claimed, "the codec refused it")
    assert failed is not None
    assert [each.path for each in spool.failed()] == [failed.path]
    assert spool.error(failed) == "the codec refused it"
    again = spool.retry()
    assert again.state == "ready"
    assert spool.error(again) == ""
    again.verify()


def test_a_deleted_episode_is_not_sealed_failed_or_released(spool):
    claimed = spool.claim(a_take(spool).save())
    assert claimed is not None
    spool.delete_last()
    assert spool.seal(claimed) is None
    assert spool.fail(claimed, "gone") is None
    spool.release(claimed)
    assert whereabouts(spool) == {"discarded": [claimed.episode_id]}


def test_an_encoder_does_not_move_an_episode_that_another_one_has_claimed_since(spool):
    first = spool.claim(a_take(spool).save())
    with Spool(spool.root) as other:
        taken_back = spool.directory("claimed") / first.episode_id
        taken_back.rename(spool.directory("ready") / first.episode_id)
        assert other.claim(first) is not None
        assert spool.seal(first) is None
        assert spool.fail(first, "its files are gone") is None
        spool.release(first)
        assert whereabouts(spool) == {"claimed": [first.episode_id]}


# The operator's moves


def test_the_last_rejected_take_is_accepted(spool):
    a_take(spool).reject("bad")
    last = a_take(spool).reject("bad")
    accepted = spool.accept()
    assert (accepted.episode_id, accepted.state) == (last.episode_id, "ready")
    assert accepted.manifest.accepted
    assert accepted.manifest.reasons == ("bad",)


def test_there_is_nothing_to_accept(spool):
    with pytest.raises(SpoolError, match="no rejected take to accept"):
        spool.accept()


def test_the_last_saved_episode_is_deleted(spool):
    first, last = (a_take(spool).save().episode_id for _ in range(2))
    a_take(spool).reject("bad")
    assert spool.delete_last() == last
    assert [episode.episode_id for episode in spool.ready()] == [first]


def test_an_episode_being_committed_is_not_deleted(spool):
    claimed = spool.claim(a_take(spool).save())
    assert claimed is not None
    sealed = spool.seal(claimed)
    assert sealed is not None
    with pytest.raises(SpoolError, match="being added to the dataset"):
        spool.delete_last(sealed.episode_id)
    spool.forget([sealed.episode_id])
    with pytest.raises(SpoolError, match="in the dataset already"):
        spool.delete_last(sealed.episode_id)


def test_success_can_be_marked_until_the_commit(spool):
    claimed = spool.claim(a_take(spool).save())
    assert claimed is not None
    assert spool.mark_success(True) == claimed.episode_id
    sealed = spool.seal(claimed)
    assert sealed is not None
    assert sealed.manifest.success is True
    with pytest.raises(SpoolError, match="being added"):
        spool.mark_success(False, sealed.episode_id)


def test_an_episode_is_relabelled_until_the_commit(spool):
    claimed = spool.claim(a_take(spool).save())
    assert claimed is not None
    spool.set_task("Lift it", claimed.episode_id)
    sealed = spool.seal(claimed)
    assert sealed is not None
    assert sealed.manifest.task == "Lift it"
    with pytest.raises(SpoolError, match="being added"):
        spool.set_task("Place it", sealed.episode_id)


def test_an_error_names_the_state_of_an_episode(spool):
    ready = a_take(spool).save()
    with pytest.raises(SpoolError, match="no rejected take to accept: the episode waits for the encoder"):
        spool.accept(ready.episode_id)


# Several processes

CLAIM = """
import sys
from pathlib import Path
from lerobot_recorder.spool import Spool
spool = Spool(Path(sys.argv[1]))
print(sum(spool.claim(episode) is not None for episode in spool.ready()), flush=True)
sys.stdin.read()
"""


def claim_all(spool: Spool) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", CLAIM, str(spool.root)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def claimed_by(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_two_processes_share_the_episodes_without_taking_one_twice(spool):
    for _ in range(40):
        a_take(spool, length=1).save()
    processes = [claim_all(spool), claim_all(spool)]
    try:
        assert sum(claimed_by(process) for process in processes) == 40
        assert spool.recover() == []
        assert len(spool.claimed()) == 40, "claims of live processes were taken away"
        processes[0].kill()
        processes[0].wait()
        spool.recover()
        assert len(spool.ready()) + len(spool.claimed()) == 40
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    spool.recover()
    assert len(spool.ready()) == 40

"""What the operator's commands do with an episode that is in the dataset already."""

from __future__ import annotations

import threading

import pytest

from lerobot_recorder.dataset import DatasetWriter, RecordedEpisode, check, load_info
from lerobot_recorder.dataset.reader import read_counted
from lerobot_recorder.editing import DatasetEditor, RecorderEdits
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.errors import DatasetError, SpoolError
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings, probe

FAST = EncoderSettings(vcodec="h264")


@pytest.fixture
def robot(bench):
    made = bench(record_success=True)
    made.recorder.close()
    made.recorder = made.open(committed=RecorderEdits(made.root))
    return made


def save(robot, frames: int = 3) -> str:
    robot.start()
    robot.run(frames)
    return robot.recorder.save().result(10).episode_id


def commit(robot) -> None:
    with BatchEncoder(robot.root, settings=FAST, nice=10):  # a busy computer must not stop it completely
        pass


def lengths(robot) -> list[int]:
    assert list(check(robot.root, probe)) == []
    return read_counted(robot.root, load_info(robot.root), None).lengths.tolist()


def test_a_committed_episode_is_deleted_once_and_brought_back(robot):
    save(robot, 2)
    last = save(robot, 3)
    commit(robot)
    assert robot.recorder.delete_last().result(10) == (last, True, 1)
    assert lengths(robot) == [2]
    assert (robot.recorder.status().saved, robot.recorder.status().episode_index) == (1, 1)
    with pytest.raises(SpoolError, match="deleted"):
        robot.recorder.delete_last().result(10)
    assert lengths(robot) == [2]
    assert robot.recorder.undo_delete().result(10) == (last, "ready", True, 1)
    assert lengths(robot) == [2, 3]
    assert (robot.recorder.status().saved, robot.recorder.status().episode_index) == (2, 2)
    assert robot.recorder.delete_last().result(10) == (last, True, 1)


@pytest.mark.parametrize("command", ["mark", "delete"])
def test_a_command_waits_while_its_episode_is_being_added_to_the_dataset(robot, monkeypatch, command):
    began, may_end = threading.Event(), threading.Event()
    add = DatasetWriter.commit

    def slow_commit(*arguments, **options):
        began.set()
        assert may_end.wait(30)
        return add(*arguments, **options)

    monkeypatch.setattr(DatasetWriter, "commit", slow_commit)
    last = save(robot)
    encoder = threading.Thread(target=commit, args=(robot,))
    encoder.start()
    assert began.wait(30)
    recorder = robot.recorder
    asked = recorder.mark_success(True) if command == "mark" else recorder.delete_last()
    threading.Timer(0.2, may_end.set).start()
    assert asked.result(30)[0] == last
    encoder.join()
    assert (load_info(robot.root).total_episodes, len(Spool(robot.root).waiting())) == (command == "mark", 0)
    if command == "mark":
        assert RecordedEpisode(robot.root, 0).recording["success"] is True


def test_what_others_have_deleted_or_brought_back_is_counted(robot):
    save(robot, 2)
    save(robot, 3)
    commit(robot)
    waiting = save(robot, 4)
    recorder, spool = robot.recorder, Spool(robot.root)
    assert (recorder.recount().result(10), recorder.status().saved) == (0, 3)
    DatasetEditor(robot.root).delete([0])
    spool.delete_last(waiting)
    assert (recorder.recount().result(10), recorder.status().saved) == (-2, 1)
    assert (recorder.status().episode_index, recorder.status().last.state) == (1, "deleted")
    DatasetEditor(robot.root).undo()
    assert (recorder.recount().result(10), recorder.status().saved) == (1, 2)
    assert recorder.undo_delete().result(10) == (waiting, "ready", True, None)
    assert (recorder.recount().result(10), recorder.status().saved) == (0, 3)


def test_the_only_episode_is_deleted_and_comes_back_also_after_others(robot):
    first = save(robot, 2)
    commit(robot)
    (robot.root / "README.md").write_text("mine")
    assert robot.recorder.delete_last().result(10) == (first, True, 0)
    assert "has no episodes yet" in " ".join(check(robot.root, probe))
    assert (robot.root / "README.md").read_text() == "mine"
    assert robot.recorder.undo_delete().result(10) == (first, "ready", True, 0)
    assert lengths(robot) == [2]
    robot.recorder.delete_last().result(10)
    save(robot, 4)
    commit(robot)
    assert lengths(robot) == [4]
    assert robot.recorder.undo_delete().result(10) == (first, "ready", True, 0)
    assert lengths(robot) == [2, 4]


def test_removals_from_dataset_and_spool_come_back_in_reverse_order(robot):
    save(robot, 2)
    committed = save(robot, 3)
    commit(robot)
    robot.recorder.delete_last().result(10)
    waiting = save(robot, 4)
    robot.recorder.delete_last().result(10)
    assert robot.recorder.undo_delete().result(10) == (waiting, "ready", True, None)
    commit(robot)
    assert robot.recorder.undo_delete().result(10) == (committed, "ready", True, 1)
    assert lengths(robot) == [2, 3, 4]
    with pytest.raises(SpoolError, match="nothing to bring back"):
        robot.recorder.undo_delete().result(10)


def test_a_restarted_recorder_brings_back_what_the_last_one_deleted(robot):
    save(robot, 2)
    last = save(robot, 3)
    commit(robot)
    robot.recorder.delete_last().result(10)
    robot.recorder.close()
    robot.recorder = robot.open(committed=RecorderEdits(robot.root))
    assert robot.recorder.undo_delete().result(10) == (last, "ready", False, 1)
    assert lengths(robot) == [2, 3]


def test_committed_episodes_of_an_earlier_run_are_left_alone(robot):
    save(robot)
    save(robot)
    commit(robot)
    robot.recorder.close()
    robot.recorder = robot.open(committed=RecorderEdits(robot.root))
    with pytest.raises(SpoolError, match="no episode"):
        robot.recorder.delete_last().result(10)
    assert lengths(robot) == [3, 3]


def test_a_committed_episode_is_deleted_after_a_discarded_take(robot):
    save(robot, 2)
    last = save(robot, 3)
    commit(robot)
    robot.start()
    robot.run(2)
    robot.recorder.discard().result(10)
    assert robot.recorder.delete_last().result(10) == (last, True, 1)
    assert lengths(robot) == [2]


def test_a_mark_reaches_a_committed_episode(robot):
    save(robot)
    save(robot)
    commit(robot)
    for success in (True, False, True):
        assert robot.recorder.mark_success(success).result(10).number == 1
        episode = RecordedEpisode(robot.root, 1)
        assert episode.recording["success"] is success
        assert episode.vectors("next.success").rows[:, 0].tolist() == [False, False, success]
    assert list(check(robot.root, probe)) == []


def test_an_edit_that_came_later_is_not_undone_instead(robot):
    save(robot)
    save(robot)
    commit(robot)
    robot.recorder.delete_last().result(10)
    DatasetEditor(robot.root).set_task([0], "Other")
    with pytest.raises(DatasetError, match=r"the episode was deleted .* edited again since"):
        robot.recorder.undo_delete().result(10)
    assert lengths(robot) == [3]


def test_an_episode_that_is_being_committed_is_deleted_afterwards(robot, monkeypatch):
    """The encoder has it in ``committing/`` when the command arrives, and the edit waits for the commit."""
    save(robot, 2)
    last = save(robot, 3)
    deleted = []
    forget = Spool.forget

    def delete_meanwhile(spool, names):
        if not deleted:
            deleted.append(robot.recorder.delete_last())
        forget(spool, names)

    monkeypatch.setattr(Spool, "forget", delete_meanwhile)
    commit(robot)
    assert deleted[0].result(30) == (last, True, 1)
    assert lengths(robot) == [2]

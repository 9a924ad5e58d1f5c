from __future__ import annotations

import pytest

from lerobot_recorder.errors import EpisodeStateError
from lerobot_recorder.recording import Outcome, Schedule

SAVED = Outcome("a", "ready", 10, 1.0, "task")
REJECTED = Outcome("b", "rejected", 10, 1.0, "task", "bad")


def record(schedule: Schedule, now_s: float, outcome: Outcome) -> None:
    schedule.note_start()
    assert schedule.phase(now_s) == "recording"
    schedule.note_end(now_s)
    schedule.note_outcome(outcome)


def test_episodes_follow_each_other_with_pauses_until_all_are_saved():
    schedule = Schedule(2, 5.0)
    assert schedule.phase(0.0) == "waiting"
    record(schedule, 10.0, SAVED)
    assert schedule.phase(12.0) == "resetting"
    assert schedule.reset_left_s(12.0) == 3.0
    assert schedule.phase(15.0) == "waiting"
    record(schedule, 20.0, SAVED)
    assert schedule.phase(20.0) == "finished"


def test_no_episode_starts_before_the_last_one_is_saved():
    schedule = Schedule(1, 0.0)
    schedule.note_start()
    schedule.note_end(1.0)
    assert schedule.phase(1.0) == "saving"
    schedule.note_outcome(REJECTED)
    assert schedule.phase(1.0) == "waiting"
    schedule.note_start()
    schedule.note_refusal()
    assert schedule.phase(1.0) == "waiting"


def test_a_rejected_episode_is_recorded_again():
    schedule = Schedule(1, 0.0)
    record(schedule, 1.0, REJECTED)
    assert schedule.phase(2.0) == "waiting"


def test_without_a_number_every_episode_is_started_by_hand():
    schedule = Schedule(0, 5.0)
    assert schedule.phase(0.0) == "manual"
    record(schedule, 1.0, SAVED)
    assert schedule.phase(100.0) == "manual"


def test_the_pause_can_be_skipped():
    schedule = Schedule(2, 60.0)
    record(schedule, 1.0, SAVED)
    schedule.skip_reset()
    assert schedule.phase(1.0) == "waiting"


def test_an_accepted_take_counts_and_a_deleted_episode_is_recorded_again():
    schedule = Schedule(1, 0.0)
    schedule.adjust_saved(1)
    assert schedule.phase(0.0) == "finished"
    schedule.adjust_saved(-1)
    assert schedule.phase(0.0) == "waiting"


def test_a_number_that_is_set_during_the_run_counts_from_there():
    schedule = Schedule(0, 0.0)
    schedule.adjust_saved(3)
    schedule.aim(2)
    assert schedule.phase(0.0) == "waiting"
    schedule.adjust_saved(2)
    schedule.aim(5)
    assert schedule.saved == 2
    assert schedule.phase(0.0) == "waiting"
    schedule.aim(2)
    assert schedule.phase(0.0) == "finished"


def test_a_refused_start_starts_no_pause():
    schedule = Schedule(1, 60.0)
    schedule.note_start()
    schedule.note_end(10.0)
    schedule.note_refusal()
    assert schedule.phase(11.0) == "waiting"


def test_a_paused_run_starts_nothing_and_keeps_the_time_that_was_left():
    schedule = Schedule(3, 10.0)
    schedule.note_start()
    schedule.pause(1.0)
    assert schedule.phase(1.0) == "recording"
    schedule.note_end(5.0)
    schedule.note_outcome(SAVED)
    assert schedule.phase(100.0) == "paused"
    assert schedule.reset_left_s(100.0) == 10.0
    schedule.resume(200.0)
    assert schedule.phase(206.0) == "resetting"
    assert schedule.reset_left_s(206.0) == 4.0
    schedule.pause(206.0)
    assert schedule.reset_left_s(300.0) == 4.0


def test_a_pause_stays_when_an_episode_is_started_by_hand():
    schedule = Schedule(3, 10.0)
    schedule.note_start()
    schedule.pause(1.0)
    schedule.note_end(5.0)
    schedule.note_outcome(SAVED)
    schedule.note_start()
    schedule.skip_reset()
    assert schedule.phase(6.0) == "recording"
    schedule.note_end(9.0)
    schedule.note_outcome(SAVED)
    assert (schedule.phase(300.0), schedule.paused) == ("paused", True)
    schedule.resume(300.0)
    assert schedule.phase(311.0) == "waiting"


def test_only_a_run_that_goes_on_by_itself_can_be_paused():
    schedule = Schedule(0, 10.0)
    with pytest.raises(EpisodeStateError, match="started by hand"):
        schedule.pause(1.0)
    schedule.aim(2)
    schedule.pause(1.0)
    schedule.aim(0)
    assert not schedule.paused

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from takes import a_take

from lerobot_recorder.dataset.features import AGES_FEATURE, SUCCESS_FEATURE, with_defaults
from lerobot_recorder.dataset.info import DatasetInfo, to_json
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.errors import (
    ConfigError,
    DatasetMismatchError,
    DiskFullError,
    EpisodeDeletedError,
    EpisodeStateError,
    LockError,
    SpoolError,
    StreamError,
)
from lerobot_recorder.recording import QualityRules, RecorderSettings, Sample
from lerobot_recorder.recording.disk import RESERVE_BYTES, DiskForecast
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import rgb_to_i420

SECOND = 1_000_000_000


def test_rows_and_images_are_the_newest_samples_before_their_ticks(bench):
    robot = bench()
    robot.start()
    robot.run(6)
    outcome = robot.recorder.save().result(10)
    assert (outcome.state, outcome.length, outcome.verdict) == ("ready", 6, "good")
    episode = Spool(robot.root).ready()[0]
    rows = episode.rows()
    numbers = rows["observation.state"][:, 0]
    assert (np.diff(numbers) == 1).all()
    assert (rows["action"][:, 0] == numbers + 0.5).all()
    for number, image in zip(numbers, episode.frames("observation.images.top"), strict=True):
        assert np.array_equal(image, rgb_to_i420(robot.image(int(number))))
    assert set(rows) == {"observation.state", "action"}
    ages = episode.ages()
    assert list(ages) == ["state", "action", "top"]
    for stream in ages.values():
        assert np.allclose(stream.age_s[1:], 0.05, atol=1e-6)
        assert stream.source_ns.tolist() == [0] * 6
    assert episode.manifest.task == "Pick up"
    assert episode.manifest.features["observation.state"]["names"] == ["a.pos", "b.pos"]


def test_a_sample_from_after_the_tick_is_used_by_the_next(bench):
    robot = bench()
    robot.start()
    robot.run(2)
    take = robot.recorder._take
    tick_ns = take.header.started_at_ns + 2 * SECOND // 10
    robot.push(tick_ns)
    early = robot.pushed - 1
    robot.push(tick_ns + 1)
    robot.clock.move_to(tick_ns + SECOND // 30)
    robot.wait(lambda: take.rows == 3)
    robot.run(1)
    robot.recorder.save().result(10)
    numbers = Spool(robot.root).ready()[0].rows()["observation.state"][:, 0].tolist()
    assert numbers[2] == early
    assert numbers[3] > early


def test_the_next_episode_starts_while_the_last_is_saved(bench):
    robot = bench()
    first = robot.start()
    robot.run(3)
    saving = robot.recorder.save()
    robot.push()
    second = robot.recorder.start().result(10)
    robot.run(2)
    assert saving.result(10).episode_id == first
    assert robot.recorder.save().result(10).episode_id == second
    assert [episode.length for episode in Spool(robot.root).ready()] == [3, 2]


def prepared(robot) -> list[str]:
    return sorted(path.name for path in Spool(robot.root).directory("prepared").iterdir())


def test_the_files_of_the_next_episode_exist_while_one_is_recorded(bench):
    robot = bench()
    robot.start()
    robot.wait(lambda: prepared(robot))
    robot.recorder._disk.submit(lambda: None).result(10)
    files = robot.recorder._prepared
    robot.run(2)
    robot.recorder.save().result(10)
    robot.push()
    robot.recorder.start().result(10)
    assert robot.recorder._take._writer._files is files
    robot.run(3)
    robot.recorder.save().result(10)
    robot.recorder.close()
    assert prepared(robot) == []
    episodes = Spool(robot.root).ready()
    assert [episode.length for episode in episodes] == [2, 3]
    for episode in episodes:
        episode.verify()


@pytest.mark.parametrize(
    "change", ["another camera format", "the spool was removed", "the files were removed"]
)
def test_files_that_no_longer_fit_are_not_used(bench, change):
    robot = bench()
    robot.start()
    robot.recorder._disk.submit(lambda: None).result(10)
    robot.run(2)
    robot.recorder.save().result(10)
    if change == "another camera format":
        spec = replace(robot.streams["top"].spec, image_format="png")
        robot.streams["top"].spec = spec
    else:
        spool = Spool(robot.root)
        shutil.rmtree(spool.path if "spool" in change else spool.directory("prepared"))
    robot.push()
    robot.recorder.start().result(10)
    robot.run(3)
    saved = robot.recorder.save().result(10)
    episode = Spool(robot.root).find(saved.episode_id)
    episode.verify()
    assert episode.length == 3
    assert len(prepared(robot)) <= 1


def test_an_episode_is_recorded_even_if_the_next_one_cannot_be_prepared(bench, monkeypatch):
    robot = bench()
    monkeypatch.setattr("lerobot_recorder.recording.recorder.TakeFiles", _no_space)
    robot.start()
    robot.recorder._disk.submit(lambda: None).result(10)
    assert prepared(robot) == []
    robot.run(2)
    assert robot.recorder.save().result(10).state == "ready"


def _no_space(*_: object) -> None:
    raise DiskFullError("no space left")


def test_an_episode_ends_by_itself_after_its_time(bench):
    robot = bench(episode_time_s=0.4)
    robot.start()
    robot.run(4)
    robot.wait(lambda: robot.outcomes)
    assert (robot.outcomes[0].length, robot.outcomes[0].ended_by) == (4, "time")
    assert not robot.recorder.recording


def test_a_discarded_episode_leaves_nothing(bench):
    robot = bench()
    robot.start()
    robot.run(3)
    assert robot.recorder.discard().result(10).state == "discarded"
    spool = Spool(robot.root)
    assert not (spool.ready())
    assert not (spool.rejected())


def test_commands_in_the_wrong_state_are_refused(bench):
    robot = bench()
    with pytest.raises(EpisodeStateError, match="nothing to save"):
        robot.recorder.save()
    robot.start()
    with pytest.raises(EpisodeStateError, match="save or discard it first"):
        robot.recorder.start()


def test_a_start_without_all_streams_is_refused_with_their_names(bench):
    robot = bench()
    robot.push(only=("state",))
    with pytest.raises(StreamError, match="action: nothing is received on action_topic; top: nothing"):
        robot.recorder.start()
    robot.push()
    robot.clock.advance(2)
    with pytest.raises(StreamError, match=r"state: nothing for 2\.0 s"):
        robot.recorder.start()


def test_a_stream_that_falls_silent_makes_the_episode_bad(bench):
    robot = bench()
    robot.start()
    robot.run(2)
    robot.run(8, only=("state", "action"))
    outcome = robot.recorder.save().result(10)
    assert outcome.state == "rejected"
    assert "top: " in outcome.reasons[0]
    assert "no sample within 0.5 s" in outcome.reasons[0]
    accepted = robot.recorder.accept().result(10)
    assert [episode.episode_id for episode in Spool(robot.root).ready()] == [accepted]


def test_a_bad_episode_is_kept_if_the_settings_say_so(bench):
    robot = bench(rules=QualityRules(on_bad_episode="keep"))
    robot.start()
    robot.run(8, only=("state", "action"))
    outcome = robot.recorder.save().result(10)
    assert outcome.state == "ready"
    assert "no sample within 0.5 s" in outcome.reasons[0]
    assert Spool(robot.root).ready()[0].manifest.verdict == "bad"


def test_a_message_with_nan_is_left_out_and_noted(bench):
    robot = bench()
    robot.start()
    robot.run(1)
    robot.streams["state"].push(Sample(robot.clock.now_ns(), np.array([np.nan, 0.0])))
    robot.run(2, only=("action", "top"))
    outcome = robot.recorder.save().result(10)
    assert (outcome.state, outcome.notes) == (
        "ready",
        ("state: 1 message with NaN or infinity left out",),
    )
    assert np.isfinite(Spool(robot.root).ready()[0].rows()["observation.state"]).all()


@pytest.mark.parametrize("settings", [{"task": 3}, {"task": "\udc80"}, {"robot_type": 5}])
def test_settings_that_are_not_texts_are_refused(settings):
    with pytest.raises(ConfigError, match=r"expected a text|cannot be written as UTF-8"):
        RecorderSettings(**settings)


@pytest.mark.parametrize("names", [("", ""), ("/left/recorder", "/left/recorder")])
def test_a_second_recorder_of_a_name_is_refused(bench, names):
    robot = bench()
    robot.recorder.close()
    robot.recorder = robot.open(name=names[0])
    with pytest.raises(LockError, match=rf"another recorder .*process {os.getpid()}.*give one another name"):
        robot.open(name=names[1])
    other = robot.open(name="/right/recorder")
    other.close()
    robot.recorder.close()
    robot.recorder = robot.open(name=names[1])


def test_a_slow_camera_is_reported_before_during_and_after_a_bad_episode(bench):
    robot = bench()
    for _ in range(3):
        robot.clock.advance(0.5)
        robot.push()
    assert "top: only 2.0 images a second, fps is 10" in robot.recorder.status().streams["top"].wrong
    robot.start()
    for _ in range(4):
        robot.run(1)
        robot.run(4, only=("state", "action"))
    told = "top: only 4 of 20 rows have a new image (2.0 a second), fps is 10"
    assert told in robot.recorder.status().streams["top"].wrong
    outcome = robot.recorder.save().result(10)
    assert (outcome.state, outcome.verdict) == ("rejected", "bad")
    assert told in outcome.reasons[0]


def test_a_slow_sensor_is_reported_and_noted_in_a_good_episode(bench):
    robot = bench()
    robot.start()
    for _ in range(10):
        robot.run(1)
        robot.run(1, only=("top", "action"))
    told = "state: only 10 of 20 rows have a new sample (5.0 a second), fps is 10"
    assert told in robot.recorder.status().streams["state"].wrong
    outcome = robot.recorder.save().result(10)
    assert (outcome.state, outcome.verdict) == ("ready", "good")
    assert told in outcome.notes[0]
    assert Spool(robot.root).ready()[0].manifest.notes == outcome.notes


def test_more_new_samples_than_rows_are_refused(bench):
    with pytest.raises(
        ConfigError, match=r"top\.min_rate_hz: 30 new samples a second need as many rows, but fps"
    ):
        bench(min_rate_hz=30.0)


def test_a_frozen_camera_makes_the_episode_bad(bench):
    robot = bench()
    robot.image = lambda number: np.full((32, 48, 3), 7, np.uint8)
    robot.start()
    robot.run(14)
    outcome = robot.recorder.save().result(10)
    assert outcome.state == "rejected"
    assert "did not change for 1." in outcome.reasons[0]


def test_an_image_of_another_size_ends_the_episode_before_it(bench):
    robot = bench()
    robot.start()
    robot.run(3)
    robot.image = lambda number: np.zeros((16, 16, 3), np.uint8)
    robot.run(1)
    robot.wait(lambda: robot.outcomes)
    assert robot.outcomes[0].state == "rejected"
    assert robot.outcomes[0].length == 3
    assert "top: the images on camera_topic changed from 48x32 to 16x16" in robot.outcomes[0].reasons[0]
    assert robot.outcomes[0].streams["top"]["size_changes"] == 1


class SlowDisk:
    """Blocks the rows of the present take until it is released."""

    def __init__(self, robot) -> None:
        self._append = robot.recorder._take._writer.append
        self._gate = threading.Event()
        robot.recorder._take._writer.append = self._wait

    def _wait(self, row) -> None:
        self._gate.wait(30)
        self._append(row)

    def let_go(self) -> None:
        self._gate.set()


@pytest.fixture
def stall(monkeypatch):
    """Treat any row that is being written as one that hangs."""
    monkeypatch.setattr("lerobot_recorder.recording.row_queue._STALL_S", 0.0)


@pytest.fixture
def overrun(bench):
    """A take whose disk hangs and whose queue is full."""
    robot = bench(queue_mb=0.02)
    robot.start()
    robot.run(1)
    disk = SlowDisk(robot)
    robot.run(8)
    robot.wait(lambda: robot.recorder._take.over)
    return robot, disk


def test_a_slow_disk_is_reported_and_nothing_is_lost_silently(overrun):
    robot, disk = overrun
    disk.let_go()
    robot.wait(lambda: robot.outcomes)
    assert (robot.outcomes[0].state, robot.outcomes[0].ended_by) == ("rejected", "overrun")
    assert "too slow for 10 fps" in robot.outcomes[0].reasons[0]


def test_a_disk_that_hangs_is_reported_while_it_hangs(stall, overrun):
    robot, disk = overrun
    status = robot.recorder.status()
    assert status.state == "saving"
    assert "has failed: writing to the disk is too slow for 10 fps: one row has taken" in status.message
    disk.let_go()
    robot.wait(lambda: robot.outcomes)
    assert robot.outcomes[0].length < 8
    assert Spool(robot.root).rejected()[0].length == robot.outcomes[0].length


def test_a_full_disk_refuses_the_start(bench):
    robot = bench()
    robot.push()
    robot.recorder._watch._forecast = DiskForecast(70 << 20, 10e6)
    with pytest.raises(DiskFullError, match="free some space"):
        robot.recorder.start()


def test_even_the_first_start_is_refused_if_the_episode_does_not_fit(bench):
    robot = bench(episode_time_s=1e9)
    robot.push()
    robot.recorder._watch._forecast = DiskForecast(10**9, 0.0)
    with pytest.raises(DiskFullError, match="1000000000 s must fit"):
        robot.recorder.start().result(10)
    assert not robot.recorder.recording


def test_a_take_ends_while_there_is_space_for_the_encoder(bench):
    robot = bench()
    robot.start()
    robot.run(3)
    robot.wait(lambda: robot.recorder._take._writer.length == 3)
    robot.recorder._spool.free_bytes = lambda: RESERVE_BYTES - 1
    robot.recorder._watch._look()
    robot.wait(lambda: robot.outcomes)
    assert (robot.outcomes[0].state, robot.outcomes[0].length) == ("ready", 3)
    with pytest.raises(EpisodeStateError, match=r"nothing to save \(no space left"):
        robot.recorder.save()


def test_a_disk_that_fills_up_ends_and_saves_the_take_with_a_message(bench):
    robot = bench()
    robot.start()
    robot.run(3)
    robot.wait(lambda: robot.recorder._take._writer.length == 3)

    def full(row):
        raise DiskFullError("no space left")

    robot.recorder._take._writer.append = full
    robot.run(1)
    robot.wait(lambda: robot.outcomes)
    outcome = robot.outcomes[0]
    assert (outcome.state, outcome.length, outcome.ended_by) == ("ready", 3, "disk_full")
    status = robot.recorder.status()
    assert "is saved up to its last whole frame, 3 frames" in status.message
    assert (status.last.verdict, status.last.notes[0]) == ("good", "cut short: no space left on the disk")


def test_the_status_has_why_no_episode_can_start_for_as_long_as_the_disk_is_full(bench):
    robot = bench(episode_time_s=60.0)
    robot.push()
    spool, watch = robot.recorder._spool, robot.recorder._watch
    spool.free_bytes = lambda: RESERVE_BYTES + 10
    watch._look()
    watch._look()
    status = robot.recorder.status()
    assert status.message.startswith("no episode can start: 67 MB free, enough for 0 s of recording")
    assert status.message.endswith(f"free some space in {robot.root.parent}")
    assert status.missing == ()
    assert status.is_blocked
    spool.paths = lambda state: [robot.root] if state == "ready" else []
    watch._look()
    assert robot.recorder.status().message.endswith(", or encode the episodes that wait")
    spool.free_bytes = lambda: 10**12
    watch._look()
    status = robot.recorder.status()
    assert (status.message, status.is_blocked) == ("", False)


def test_a_take_that_the_disk_will_end_has_a_warning_and_one_line_in_the_log(bench, caplog):
    robot = bench()
    robot.start()
    robot.run(1)
    watch = robot.recorder._watch
    watch._stopped.set()
    watch._thread.join(10)
    robot.recorder._spool.free_bytes = lambda: RESERVE_BYTES + 900_000
    watch._bytes_per_s = lambda: 100_000.0
    watch._look()
    assert robot.recorder.status().message.startswith("the disk is full in 9 s, which ends this take; free")
    watch._look()
    assert [each.message for each in caplog.records if "the disk is full in 9 s" in each.message] == [
        f"episode 0: {robot.recorder.status().message}"
    ]


def test_a_take_that_ends_before_the_disk_is_full_has_no_warning(bench):
    robot = bench(episode_time_s=5.0)
    robot.start()
    robot.recorder._watch._forecast = DiskForecast(RESERVE_BYTES + 900_000, 100_000.0)
    assert robot.recorder._hardly_fits(robot.recorder._take) == ""
    assert robot.recorder._take.remaining_s == 5.0


def test_an_unexpected_error_while_writing_ends_the_take_and_loses_nothing(bench):
    robot = bench()
    robot.start()
    robot.run(3)
    robot.wait(lambda: robot.recorder._take._writer.length == 3)
    robot.streams["top"].decode = lambda value: value.no_such_thing
    robot.run(1)
    robot.wait(lambda: robot.outcomes)
    assert (robot.outcomes[0].state, robot.outcomes[0].length) == ("rejected", 3)
    assert "a row cannot be written: AttributeError" in robot.outcomes[0].reasons[0]


@pytest.mark.parametrize(("task", "warnings"), [("", 1), ("Open the drawer", 0)])
def test_a_recording_without_a_task_is_warned_of_once(bench, caplog, task, warnings):
    robot = bench(task=task)
    for _ in range(2):
        robot.start()
        robot.run(3)
        robot.recorder.save().result(10)
    assert caplog.text.count("the episode has no task") == warnings


def test_an_interrupted_take_is_offered_until_it_is_accepted(bench, tmp_path, caplog):
    writer = a_take(Spool(tmp_path / "data"), "raw")
    writer.abandon()
    robot = bench()
    recorder = robot.recorder
    robot.wait(lambda: recorder.status().message)
    status = recorder.status()
    assert status.message == "a take was interrupted after 0.2 s and set aside"
    assert (status.offer, status.is_blocked) == ("accept_episode", False)
    assert f"rejected/{writer.header.episode_id}" in caplog.text
    assert recorder.accept().result(10) == writer.header.episode_id
    status = recorder.status()
    assert (status.message, status.offer) == ("", "")


@pytest.mark.parametrize("close", [lambda: None, lambda: 1 / 0])
def test_an_unexpected_error_at_the_end_leaves_the_take_to_the_next_start(bench, close):
    robot = bench()
    robot.start()
    robot.run(3)
    robot.wait(lambda: robot.recorder._take._writer.length == 3)
    writer = robot.recorder._take._writer
    writer.save, abandon = lambda **facts: facts["no such fact"], writer.abandon
    writer.abandon = lambda: abandon() or close()
    outcome = robot.recorder.save().result(10)
    assert (outcome.state, outcome.length) == ("recording", 3)
    assert "the take cannot be ended: KeyError" in outcome.reasons[0]
    robot.recorder.close()
    assert [episode.length for episode in Spool(robot.root).recover()] == [3]


def test_closing_waits_for_the_callback_at_the_end_of_a_take(bench):
    robot = bench()
    told, tell, closed = [], threading.Event(), threading.Event()

    def on_end(outcome):
        tell.wait(20)
        told.append(outcome.episode_id)

    robot.recorder._on_end = on_end
    episode = robot.start()
    robot.run(3)
    robot.recorder.save()
    closing = threading.Thread(target=lambda: (robot.recorder.close(), closed.set()))
    closing.start()
    assert not closed.wait(0.3)
    tell.set()
    assert closed.wait(20)
    assert told == [episode]


def test_an_error_in_the_callback_at_the_end_blocks_nothing(bench):
    robot = bench()
    robot.recorder._on_end = lambda outcome: 1 / 0
    robot.start()
    robot.run(3)
    assert robot.recorder.save().result(10).state == "ready"


@pytest.mark.parametrize("thread", ["recorder-write", "recorder-tick", "spool-flush"])
def test_a_start_without_threads_is_refused_and_leaves_nothing(bench, monkeypatch, thread):
    robot, start = bench(), threading.Thread.start

    def refused(self):
        if self.name == thread:
            raise RuntimeError("can't start new thread")
        start(self)

    robot.push()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises((SpoolError, RuntimeError), match="can't start new thread"):
            robot.recorder.start().result(10)
    assert not list(Spool(robot.root).directory("recording").iterdir())
    assert robot.start()


def test_the_end_of_a_take_does_not_drop_samples_that_the_next_start_needs(bench):
    robot, starts = bench(), []
    robot.start()
    robot.run(2)
    stream, keep_from = robot.streams["state"], robot.streams["state"].keep_from

    def keep(time_ns: int | None) -> None:
        if time_ns is None and not starts:
            starts.append(threading.Thread(target=lambda: robot.recorder.start().result(10)))
            starts[0].start()
            starts[0].join(0.2)
        keep_from(time_ns)

    stream.keep_from = keep
    robot.recorder.save().result(10)
    starts[0].join(10)
    assert stream._needed_from_ns == robot.recorder._take.header.started_at_ns


def test_closing_waits_for_all_takes_that_are_being_saved(bench):
    robot = bench()
    robot.start()
    robot.run(2)
    robot.wait(lambda: robot.recorder._take._writer.length == 2)
    writer = robot.recorder._take._writer
    gate, save = threading.Event(), writer.save
    writer.save = lambda **facts: gate.wait(30) and save(**facts)
    robot.recorder.save()
    robot.start()
    robot.run(2)
    robot.recorder.save().result(10)
    threading.Timer(0.1, gate.set).start()
    robot.recorder.close()
    assert [episode.length for episode in Spool(robot.root).ready()] == [2, 2]


def test_an_episode_can_be_deleted_while_it_is_saved(bench):
    robot = bench()
    first = robot.start()
    robot.run(2)
    robot.recorder.save().result(10)
    second = robot.start()
    robot.run(2)
    robot.recorder.save()
    assert robot.recorder.delete_last().result(10) == (second, True, None)
    assert [episode.episode_id for episode in Spool(robot.root).ready()] == [first]
    assert robot.recorder.status().saved == 1
    with pytest.raises(EpisodeDeletedError, match="the episode is deleted"):
        robot.recorder.delete_last().result(10)
    assert robot.recorder.undo_delete().result(10) == (second, "ready", True, None)
    assert robot.recorder.status().saved == 2
    assert robot.recorder.delete_last().result(10) == (second, True, None)


def test_an_episode_deleted_after_a_discarded_one_no_longer_counts(bench):
    robot = bench()
    first = robot.start()
    robot.run(2)
    robot.recorder.save().result(10)
    robot.start()
    robot.run(2)
    robot.recorder.discard().result(10)
    assert robot.recorder.delete_last().result(10) == (first, True, None)
    assert robot.recorder.status().saved == 0


def test_the_last_episode_stays_the_last_when_the_clock_was_set_back(bench, monkeypatch):
    robot = bench()
    first = robot.start()
    robot.run(2)
    robot.recorder.save().result(10)

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(days=1)

    monkeypatch.setattr("lerobot_recorder.spool.identifiers.datetime", Yesterday)
    second = robot.start()
    robot.run(2)
    robot.recorder.save().result(10)
    assert robot.recorder._last.episode_id == second
    assert robot.recorder.mark_success(False).result(10) == (second, None)
    assert robot.recorder.delete_last().result(10) == (second, True, None)
    assert [episode.episode_id for episode in Spool(robot.root).ready()] == [first]


def test_a_discarded_take_is_brought_back_and_counts(bench):
    robot = bench()
    first = robot.start()
    robot.run(2)
    robot.recorder.discard()
    assert robot.recorder.undo_delete().result(10) == (first, "ready", True, None)
    assert robot.recorder.status().saved == 1
    assert [episode.length for episode in Spool(robot.root).ready()] == [2]
    assert robot.recorder.delete_last().result(10) == (first, True, None)


def test_deleting_an_episode_of_an_earlier_run_changes_no_count(bench):
    robot = bench()
    first = robot.start()
    robot.run(2)
    robot.recorder.save().result(10)
    robot.recorder.close()
    robot.recorder = robot.open()
    assert robot.recorder.delete_last().result(10) == (first, False, None)
    assert robot.recorder.undo_delete().result(10) == (first, "ready", False, None)
    assert robot.recorder.status().saved == 0


def test_an_accepted_take_counts_as_saved(bench):
    robot = bench()
    robot.start()
    robot.run(2)
    robot.run(8, only=("state", "action"))
    robot.recorder.save().result(10)
    assert (robot.recorder.status().saved, robot.recorder.status().rejected) == (0, 1)
    robot.recorder.accept().result(10)
    assert (robot.recorder.status().saved, robot.recorder.status().rejected) == (1, 0)
    assert robot.recorder.delete_last().result(10).was_saved


def test_faults_are_reported_while_the_episode_is_recorded(bench):
    robot = bench()
    robot.start()
    robot.run(8, only=("state", "action"))
    streams = robot.recorder.status().streams
    assert streams["top"].stale_ticks > 0
    assert streams["top"].wrong.startswith("top: ")
    assert not streams["state"].wrong


def test_the_status_shows_the_settings_of_the_present_episode(bench):
    robot = bench(episode_time_s=5.0)
    robot.start()
    robot.recorder.settings = RecorderSettings(task="Open the drawer", episode_time_s=7.0)
    assert (robot.recorder.status().task, robot.recorder.status().episode_time_s) == ("Pick up", 5.0)
    robot.recorder.discard().result(10)
    assert (robot.recorder.status().task, robot.recorder.status().episode_time_s) == ("Open the drawer", 7.0)


def test_a_take_under_way_at_the_end_of_the_recorder_is_saved(bench):
    robot = bench()
    robot.start()
    robot.run(3)
    robot.recorder.close()
    (episode,) = Spool(robot.root).ready()
    assert (episode.length, episode.manifest.ended_by) == (3, "interrupted")


def test_a_bad_take_under_way_at_the_end_can_be_accepted_later(bench, caplog):
    robot = bench()
    robot.start()
    robot.run(2)
    robot.run(8, only=("state", "action"))
    robot.recorder.close()
    assert "is rejected: top: " in caplog.text
    assert f"lerobot-recorder accept {robot.root} keeps it" in caplog.text
    assert Spool(robot.root).accept().length == 10


def test_the_last_episode_can_be_deleted_and_marked(bench):
    robot = bench(record_success=True)
    robot.start()
    robot.run(3)
    saved = robot.recorder.save().result(10).episode_id
    assert robot.recorder.mark_success(True).result(10) == (saved, None)
    success = Spool(robot.root).ready()[0].rows()["next.success"]
    assert success[:, 0].tolist() == [False, False, True]
    assert robot.recorder.delete_last().result(10) == (saved, True, None)
    assert not Spool(robot.root).ready()


def test_each_episode_keeps_its_task(bench):
    robot = bench()
    for task in ("Open the drawer", "Close it"):
        robot.recorder.settings = replace(robot.recorder.settings, task=task)
        robot.start()
        robot.run(2)
        robot.recorder.save().result(10)
    assert [episode.manifest.task for episode in Spool(robot.root).ready()] == ["Open the drawer", "Close it"]


def test_an_episode_that_does_not_fit_those_that_wait_is_refused(bench):
    robot = bench()
    robot.start()
    robot.run(2)
    robot.recorder.save().result(10)
    robot.image = lambda number: np.random.default_rng(number).integers(0, 255, (16, 16, 3), np.uint8)
    robot.push()
    with pytest.raises(DatasetMismatchError, match="shape"):
        robot.recorder.start().result(10)
    assert not robot.recorder.recording


def existing_dataset(root, **features) -> None:
    declared = {
        "observation.state": {"dtype": "float32", "shape": (2,), "names": ["a.pos", "b.pos"]},
        "action": {"dtype": "float32", "shape": (1,), "names": ["a.pos"]},
        "observation.images.top": {
            "dtype": "video",
            "shape": (32, 48, 3),
            "names": ["height", "width", "channels"],
        },
        **features,
    }
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text(to_json(DatasetInfo(10, with_defaults(declared))))


@pytest.mark.parametrize(
    "names",
    [["state", "action", "top"], ["top", "state", "action"], ["state.age_s", "action.age_s", "top.age_s"]],
)
@pytest.mark.parametrize("asked", [False, True])
def test_a_dataset_with_ages_is_continued_with_its_names(bench, names, asked):
    robot = bench(record_ages=asked)
    existing_dataset(robot.root, stream_ages={"dtype": "float32", "shape": (3,), "names": names})
    robot.start()
    robot.run(3, only=("state", "top"))
    robot.recorder.save().result(10)
    episode = Spool(robot.root).ready()[0]
    ages = episode.rows()[AGES_FEATURE]
    for column, name in enumerate(names):
        assert np.array_equal(ages[:, column], episode.ages()[name.removesuffix(".age_s")].age_s)
    assert ages[-1, names.index(next(name for name in names if name.startswith("action")))] > 0.2
    assert episode.manifest.features[AGES_FEATURE]["names"] == names


def test_waiting_episodes_with_ages_are_continued_with_their_names(bench):
    robot = bench(record_ages=True)
    for asked in (True, False):
        robot.recorder.settings = replace(robot.recorder.settings, record_ages=asked)
        robot.start()
        robot.run(2)
        robot.recorder.save().result(10)
    for episode in Spool(robot.root).ready():
        assert episode.manifest.features[AGES_FEATURE]["names"] == [
            "state.age_s",
            "action.age_s",
            "top.age_s",
        ]


def test_a_dataset_with_success_is_continued_with_it(bench):
    robot = bench()
    existing_dataset(robot.root, **{SUCCESS_FEATURE: {"dtype": "bool", "shape": (1,), "names": None}})
    robot.start()
    robot.run(2)
    robot.recorder.mark_success(True)
    robot.recorder.save().result(10)
    assert Spool(robot.root).ready()[0].rows()[SUCCESS_FEATURE].tolist() == [[False], [True]]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"record_ages": True}, "'stream_ages' is not in the dataset .set record_ages: false"),
        ({"record_success": True}, "'next.success' is not in the dataset .set record_success: false"),
    ],
)
def test_a_feature_that_the_dataset_lacks_is_refused_with_a_remedy(bench, asked, message):
    robot = bench(**asked)
    existing_dataset(robot.root)
    robot.push()
    with pytest.raises(DatasetMismatchError, match=message):
        robot.recorder.start().result(10)


def test_a_waiting_episode_that_cannot_be_read_does_not_stop_the_recording(bench, caplog):
    robot = bench()
    robot.start()
    robot.run(2)
    saved = robot.recorder.save().result(10).episode_id
    (Spool(robot.root).directory("ready") / saved / "manifest.json").write_text("{")
    assert robot.start()
    assert "manifest.json cannot be read" in caplog.text


def test_a_feature_name_that_the_format_reserves_is_refused(bench):
    robot = bench()
    robot.streams["state"].spec = replace(robot.streams["state"].spec, feature="timestamp")
    robot.push()
    with pytest.raises(ConfigError, match="'timestamp': the format uses this name itself"):
        robot.recorder.start().result(10)


@pytest.mark.parametrize("move", [Spool.claim, lambda encoder, each: encoder.seal(encoder.claim(each))])
def test_an_episode_that_does_not_fit_one_being_encoded_is_refused(bench, move):
    robot = bench()
    robot.start()
    robot.run(2)
    robot.recorder.save().result(10)
    with Spool(robot.root) as encoder:
        move(encoder, encoder.ready()[0])
        robot.image = lambda number: np.random.default_rng(number).integers(0, 255, (16, 16, 3), np.uint8)
        robot.push()
        with pytest.raises(DatasetMismatchError, match="shape"):
            robot.recorder.start().result(10)


@pytest.mark.parametrize("fits", [True, False])
def test_a_start_finds_an_episode_that_is_claimed_while_it_looks(bench, monkeypatch, fits):
    robot = bench()
    robot.start()
    robot.run(2)
    robot.recorder.save().result(10)
    waiting = robot.recorder._spool.waiting
    with Spool(robot.root) as encoder:

        def claimed_once_listed():
            found = waiting()
            for episode in found:
                encoder.claim(episode)
            return found

        monkeypatch.setattr(robot.recorder._spool, "waiting", claimed_once_listed)
        if fits:
            assert robot.start()
            return
        robot.image = lambda number: np.random.default_rng(number).integers(0, 255, (16, 16, 3), np.uint8)
        robot.push()
        with pytest.raises(DatasetMismatchError, match="shape"):
            robot.recorder.start().result(10)


def test_ticks_wait_for_samples_that_are_stamped_by_their_source(bench):
    robot = bench()
    for stream in robot.streams.values():
        stream.spec = replace(stream.spec, by_header=True)
    robot.start()
    take = robot.recorder._take
    start_ns = take.header.started_at_ns
    robot.clock.move_to(start_ns + SECOND // 20)
    robot.push(start_ns - 1)
    expected = robot.pushed - 1
    robot.push(start_ns + SECOND // 25)
    robot.wait(lambda: take.rows == 1)
    robot.recorder.save().result(10)
    assert Spool(robot.root).ready()[0].rows()["observation.state"][0, 0] == expected


def test_ticks_wait_as_long_as_the_clock_stands_still(bench, monkeypatch):
    monkeypatch.setattr("lerobot_recorder.recording.take.SETTLE_S", 0.01)
    robot = bench()
    for stream in robot.streams.values():
        stream.spec = replace(stream.spec, by_header=True)
    robot.start()
    take = robot.recorder._take
    robot.clock.move_to(take.header.started_at_ns)
    threading.Event().wait(0.1)
    assert take.rows == 0
    robot.clock.advance(0.02)
    robot.wait(lambda: take.rows == 1)
    assert take.status(0)["late"] == 0


def test_ticks_wait_for_a_stream_that_has_fallen_silent_only_once(bench, monkeypatch):
    monkeypatch.setattr("lerobot_recorder.recording.opening._QUEUE_S", 30.0)
    robot = bench()
    for stream in robot.streams.values():
        stream.spec = replace(stream.spec, by_header=True, max_age_s=100.0)
    robot.start()
    take = robot.recorder._take
    for tick in range(60):
        robot.push(take.header.started_at_ns + tick * SECOND // 10, only=("state", "top"))
    robot.clock.move_to(take.header.started_at_ns + 6 * SECOND)
    robot.wait(lambda: take.rows == 55)
    robot.clock.advance(0.5)
    robot.wait(lambda: take.rows == 60)
    assert robot.recorder.save().result(10).state == "ready"


def test_an_episode_can_be_marked_while_it_is_recorded_and_while_it_is_saved(bench):
    robot = bench(record_success=True)
    for late in (False, True):
        episode_id = robot.start()
        robot.run(2)
        saving = robot.recorder.save() if late else None
        assert robot.recorder.mark_success(True).result(10) == (episode_id, None)
        (saving or robot.recorder.save()).result(10)
    episodes = Spool(robot.root).ready()
    assert [episode.manifest.success for episode in episodes] == [True, True]
    assert [episode.rows()["next.success"][-1, 0] for episode in episodes] == [True, True]


def test_a_mark_goes_to_the_present_take_and_leaves_the_last_one_alone(bench):
    robot = bench()
    robot.start()
    robot.run(2)
    robot.recorder.save().result(10)
    present = robot.start()
    assert robot.recorder.mark_success(False).result(10) == (present, None)
    robot.run(2)
    robot.recorder.save().result(10)
    assert [episode.manifest.success for episode in Spool(robot.root).ready()] == [None, False]


def test_when_the_clock_jumps_back_the_take_is_set_aside_and_the_next_one_is_whole(bench):
    robot = bench()
    robot.start()
    robot.run(4)
    take = robot.recorder._take
    robot.clock._now_ns -= 50 * SECOND
    robot.recorder.start_afresh()
    outcome = take.result.result(10)
    assert (outcome.state, outcome.length, outcome.ended_by) == ("rejected", 4, "clock")
    assert "the clock jumped" in outcome.reasons[0]
    robot.start()
    robot.run(3)
    assert robot.recorder.save().result(10).length == 3


def test_no_rows_are_taken_for_the_time_that_the_clock_skipped(bench, monkeypatch):
    robot = bench()
    robot.start()
    robot.run(4)
    monkeypatch.setattr(robot.recorder._take._steps, "since_last_s", lambda: 100.0)
    robot.clock.advance(100)
    robot.wait(lambda: robot.outcomes)
    assert (robot.outcomes[0].state, robot.outcomes[0].length) == ("rejected", 4)
    assert robot.outcomes[0].reasons == ("interrupted: the clock jumped during the take",)


def test_headers_of_a_clock_that_is_ahead_are_refused_with_a_remedy(bench):
    robot = bench()
    robot.streams["state"].spec = replace(robot.streams["state"].spec, by_header=True)
    robot.push(robot.clock.now_ns() + 3 * SECOND, only=("state",))
    robot.push(only=("action", "top"))
    with pytest.raises(StreamError, match=r"headers on state_topic are 3\.0 s ahead .* use stamp: receive"):
        robot.recorder.start()


def test_samples_from_before_the_clock_was_set_back_do_not_blame_the_headers(bench):
    robot = bench()
    robot.push(robot.clock.now_ns() + 3 * SECOND)
    with pytest.raises(StreamError, match=r"state: the clock was set back by 3\.0 s .* try again") as refused:
        robot.recorder.start()
    assert "header" not in str(refused.value)


def test_a_stream_starts_again_after_its_clock_was_set_back(bench, monkeypatch):
    robot, now_ns = bench(), 100 * SECOND
    stream = robot.streams["state"]
    monkeypatch.setattr(stream, "silent_s", lambda: 0.5)
    robot.push(now_ns, only=("state",))
    robot.push(now_ns - 3600 * SECOND, only=("state",))
    assert stream.newest().stamp_ns == now_ns
    monkeypatch.setattr(stream, "silent_s", lambda: 1.5)
    robot.push(now_ns - SECOND, only=("state",))
    assert stream.newest().stamp_ns == now_ns
    robot.push(now_ns - 3600 * SECOND, only=("state",))
    assert stream.newest().stamp_ns == now_ns - 3600 * SECOND
    assert stream.status(now_ns).received == 2


def test_an_episode_has_the_number_that_it_gets_in_the_dataset(bench, caplog):
    robot = bench()
    caplog.set_level("INFO", "lerobot_recorder")
    for _ in range(2):
        robot.start()
        robot.run(3)
        robot.recorder.save().result(10)
    assert "episode 1 is saved: 3 frames (0.3 s)" in caplog.text
    robot.recorder.close()
    with BatchEncoder(robot.root):
        pass
    robot.recorder = robot.open()
    robot.start()
    assert robot.recorder.status().episode_index == 2
    robot.run(3)
    robot.recorder.discard().result(10)
    assert "the take of episode 2 is discarded: 3 frames" in caplog.text
    assert robot.recorder.undo_delete().result(10).state == "ready"
    assert robot.recorder.status().episode_index == 3
    robot.recorder.delete_last().result(10)
    robot.wait(lambda: "deleted" in caplog.text)
    assert robot.recorder.status().episode_index == 2


def test_an_episode_that_is_both_waiting_and_in_the_dataset_is_counted_once(bench):
    robot = bench()
    robot.start()
    robot.run(3)
    robot.recorder.save().result(10)
    robot.recorder.close()
    waiting = Spool(robot.root).waiting()
    with BatchEncoder(robot.root):
        pass
    assert Spool(robot.root).next_index(waiting) == 1


@pytest.mark.parametrize("committed", [False, True])
def test_a_dataset_that_does_not_fit_is_refused_before_any_image_arrives(bench, committed):
    robot = bench()
    robot.start()
    robot.run(3)
    robot.recorder.save().result(10)
    robot.recorder.close()
    if committed:
        with BatchEncoder(robot.root):
            pass
    robot.recorder = robot.open()
    robot.recorder.check_dataset()
    robot.recorder.close()
    del robot.streams["action"]
    robot.recorder = robot.open()
    with pytest.raises(DatasetMismatchError, match="'action'"):
        robot.recorder.check_dataset()


def test_an_early_save_is_safe_and_counted_before_the_episode_moves(bench):
    robot = bench()
    robot.start()
    robot.run(3)
    saving = robot.recorder.save_early()
    take = robot.recorder._take
    with robot.recorder._spool.locked():  # it does not wait for another process
        outcome = saving.result(10)
        assert (outcome.state, outcome.length) == ("ready", 3)
        status = robot.recorder.status()
        assert (status.episode_index, status.saved, status.last.episode_index) == (1, 1, 0)
        robot.push()
        second = robot.recorder.start().result(10)
        assert robot.recorder.status().episode_index == 1
        assert robot.recorder.busy
    robot.run(2)
    assert take.result.result(10) == outcome  # its wait_s, too, ends when the episode is safe
    assert robot.recorder.save().result(10).episode_id == second
    assert [episode.length for episode in Spool(robot.root).ready()] == [3, 2]
    assert [each.length for each in robot.outcomes] == [3, 2]


def test_an_episode_that_is_just_saved_can_be_deleted_at_once(bench):
    robot = bench()
    first = robot.start()
    robot.run(2)
    robot.recorder.save_early().result(10)
    assert robot.recorder.delete_last().result(10).episode_id == first
    assert Spool(robot.root).ready() == []


def test_what_was_wrong_with_a_take_is_not_reported_during_the_next(bench):
    robot = bench()
    robot.start()
    robot.run(2)
    robot.run(8, only=("state", "action"))
    assert robot.recorder.save_early().result(10).state == "rejected"
    assert "no sample within 0.5 s" in robot.recorder.status().message
    robot.push()
    robot.recorder.start().result(10)
    robot.wait(lambda: robot.outcomes)
    assert robot.recorder.status().message == ""

"""Several bags: their order, interruptions, and what is wrong with them."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bagged import FPS, START_NS, break_in_the_middle, write_bag, write_config

from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.importing import (
    Cutting,
    ImportSession,
    Range,
    bag_import,
    import_bag,
    problems_of,
    read_parameters,
)
from lerobot_recorder.spool import Spool

THIRDS = Cutting("ranges", ranges=(Range("0", "0.9"), Range("1", "1.9"), Range("2", "")))


PARTLY = (
    "a part of it is imported already, {} s to {} s: import the rest with --range, or delete that episode"
)


def session(tmp_path, bags, cutting=THIRDS, **config) -> ImportSession:
    parameters = read_parameters(write_config(tmp_path / "robot.yaml", **config))
    made = ImportSession(tmp_path / "data", parameters, cutting)
    made.open(bags)
    return made


def places(root) -> list[tuple[int, int]]:
    return [
        (episode.manifest.source["bag_number"], episode.manifest.source["number"])
        for episode in Spool(root).ready()
    ]


@pytest.fixture
def two_bags(tmp_path):
    return [write_bag(tmp_path / f"{n}.mcap", 3, start_ns=START_NS + n * 10**11) for n in (1, 0)]


def test_bags_are_read_side_by_side_and_their_episodes_are_in_the_order_of_the_bags(tmp_path, two_bags):
    made, shown = session(tmp_path, two_bags), []
    assert made.run(made.jobs(), 2, lambda done, total: shown.append((done, total)))
    assert places(tmp_path / "data") == [(bag, cut) for bag in range(2) for cut in range(3)]
    assert shown[-1] == (sum(path.stat().st_size for path in two_bags),) * 2
    starts = [episode.manifest.started_at_ns for episode in Spool(tmp_path / "data").ready()]
    assert starts[0] > starts[3]


def test_an_interrupted_import_goes_on_in_the_same_order_and_repeats_nothing(tmp_path, two_bags):
    made = session(tmp_path, two_bags)
    first, second = made.jobs()
    assert len(import_bag(second, lambda fraction: fraction < 0.6).episodes) == 1
    assert import_bag(first, lambda fraction: fraction < 0.9).episodes
    assert not Spool(tmp_path / "data").paths("recording")
    assert places(tmp_path / "data") == [(0, 0), (0, 1), (1, 0)]

    again = session(tmp_path, two_bags)
    reports = [import_bag(job) for job in again.jobs()]
    assert [[each.verdict for each in report.episodes] for report in reports] == [
        ["known", "known", "good"],
        ["known", "good", "good"],
    ]
    assert places(tmp_path / "data") == [(bag, cut) for bag in range(2) for cut in range(3)]
    with BatchEncoder(tmp_path / "data"):
        pass
    for job in session(tmp_path, [*two_bags]).jobs():
        assert {each.verdict for each in import_bag(job).episodes} == {"known"}


def test_a_moved_bag_is_still_known_and_a_part_of_it_too(tmp_path, two_bags):
    for job in session(tmp_path, two_bags[:1]).jobs():
        import_bag(job)
    moved = two_bags[0].rename(tmp_path / "moved.mcap")
    (job,) = session(tmp_path, [moved], Cutting()).jobs()
    (episode,) = import_bag(job).episodes
    assert (episode.verdict, episode.reasons) == ("none", (PARTLY.format("0.00", "0.90"),))


def test_another_bag_of_a_simulation_at_the_same_path_is_not_known(tmp_path):
    for seconds in (1, 2):
        bag = tmp_path / "bag.mcap"
        bag.unlink(missing_ok=True)
        write_bag(bag, seconds, start_ns=10**9)
        assert [each.verdict for each in only(tmp_path, bag).episodes] == ["good"]


def test_a_range_between_two_rows_is_left_out_with_the_reason(tmp_path, two_bags):
    made = session(tmp_path, two_bags[:1], Cutting("ranges", ranges=(Range("1", "1.01"),)))
    (episode,) = import_bag(made.jobs(is_dry=True)[0]).episodes
    (reason,) = episode.reasons
    assert reason.startswith("it has no row: its first row would be at 1.0")
    assert reason.endswith(" s, after its end at 1.010 s; choose a longer part of the bag")


def test_the_same_bag_twice_and_bags_that_overlap_are_told(tmp_path):
    one = write_bag(tmp_path / "one.mcap", 2)
    other = write_bag(tmp_path / "other.mcap", 2, start_ns=START_NS + 10**9)
    copy = shutil.copy(one, tmp_path / "copy.mcap")
    made = session(tmp_path, [one, other, copy, tmp_path / "none.mcap"])
    assert [bag.path for bag in made.bags] == [one, other]
    told = " ".join(made.warnings)
    assert f"{one} and {other} overlap by 1.0 s" in told
    assert "copy.mcap is the same bag as" in told
    assert "none.mcap" in made.problems[0]


def test_a_dry_run_writes_nothing(tmp_path, two_bags):
    made = session(tmp_path, two_bags)
    reports = [import_bag(job) for job in made.jobs(is_dry=True)]
    assert all(abs(each.rows - 0.95 * FPS) < 2 for report in reports for each in report.episodes)
    assert not Spool(tmp_path / "data").path.exists()


# Bad input


def only(tmp_path, bag, cutting=None, **config):
    made = session(tmp_path, [bag], cutting or Cutting(), **config)
    (job,) = made.jobs()
    return import_bag(job)


def test_missing_topics_are_named_with_similar_ones(tmp_path):
    config = {"cam.topic": "cam/image_raw", "state.topic": "/robot/joint_state"}
    error = only(tmp_path, write_bag(tmp_path / "bag.mcap", 1), **config).error
    assert "no topic /robot/joint_state for the stream state; similar: /robot/joint_states" in error
    assert "no topic /cam/image_raw for the stream cam; similar: /cam/image_raw/compressed" in error


def test_another_type_than_configured_is_told(tmp_path):
    bag = write_bag(tmp_path / "bag.mcap", 1)
    config = {"cam.type": "sensor_msgs/msg/Image"}
    assert "has messages of sensor_msgs/msg/CompressedImage, not" in only(tmp_path, bag, **config).error


def test_clocks_that_differ_are_measured_and_told(tmp_path):
    report = only(tmp_path, write_bag(tmp_path / "bag.mcap", 2, camera_ahead_s=-7))
    assert "the headers of cam differ from the log times by more than max_age_s (0.5 s)" in report.error
    assert "cam 7.04 s behind" in report.error
    assert not report.episodes
    assert report.differences_s["state"] == pytest.approx(-0.02)


def test_images_that_change_size_end_their_episode_only(tmp_path):
    bag = write_bag(tmp_path / "bag.mcap", 3, sizes={45: (96, 64), 52: (64, 48)})
    report = only(tmp_path, bag, THIRDS)
    assert [each.verdict for each in report.episodes] == ["good", "bad", "good"]
    assert "changed from 64x48 to 96x64" in report.episodes[1].reasons[0]
    assert [each.state for each in report.episodes] == ["ready", "rejected", "ready"]


def test_an_episode_of_another_size_than_the_dataset_is_refused(tmp_path):
    assert not only(tmp_path, write_bag(tmp_path / "one.mcap", 1)).error
    other = write_bag(tmp_path / "other.mcap", 1, start_ns=START_NS + 10**11, sizes={0: (96, 64)})
    (episode,) = only(tmp_path, other).episodes
    assert episode.verdict == "none"
    assert "differ from the new recording" in episode.reasons[0]
    assert problems_of([only(tmp_path, other)]) == ["1 episode could not be imported, as described above"]


def test_a_stream_that_stops_makes_its_episode_bad(tmp_path):
    bag = write_bag(tmp_path / "bag.mcap", 3, silent=[(0.5, 1.7)])
    report = only(tmp_path, bag, THIRDS)
    assert [each.verdict for each in report.episodes] == ["good", "bad", "good"]
    assert "ticks had no sample within 0.5 s" in report.episodes[1].reasons[0]


def test_stamps_that_jump_or_run_back_are_left_out_and_told(tmp_path):
    back = only(tmp_path, write_bag(tmp_path / "back.mcap", 2, jumps_s={50: -0.5, 51: -0.5}))
    (episode,) = back.episodes
    assert episode.verdict == "good"
    jumped = write_bag(tmp_path / "on.mcap", 4, start_ns=START_NS + 10**11, jumps_s={100: 60})
    (episode,) = only(tmp_path, jumped).episodes
    assert episode.verdict == "bad"
    assert any("ticks had no sample within 0.5 s" in reason for reason in episode.reasons)
    assert any("a message is older than the one before it" in reason for reason in episode.reasons)


@pytest.mark.parametrize(("first", "count"), [(200, 300), (200, 400), (300, 1)])
def test_stamps_that_run_back_far_are_named_with_their_topic_and_by_how_much(tmp_path, first, count):
    jumps = dict.fromkeys(range(first, first + count), -30.0 if count > 1 else 30.0)
    (episode,) = only(tmp_path, write_bag(tmp_path / "bag.mcap", 6, jumps_s=jumps)).episodes
    assert episode.verdict == "bad"
    assert "ticks had no sample within 0.5 s" in episode.reasons[0]
    back = "state: the stamps on /robot/joint_states ran back by 30.0 s: correct that clock, or use stamp:"
    assert [reason for reason in episode.reasons if reason.startswith(back)]
    assert episode.rows > 80


def test_a_full_disk_keeps_whole_episodes_and_the_import_goes_on_later(tmp_path, monkeypatch):
    bag, free = write_bag(tmp_path / "bag.mcap", 3), iter([10**12] * 4)
    (job,) = session(tmp_path, [bag]).jobs()
    monkeypatch.setattr(Spool, "free_bytes", lambda self: next(free, 1000))
    report = import_bag(job)
    assert report.is_disk_full
    assert "no space left on the disk" in report.error
    assert places(tmp_path / "data") == [(0, 0), (0, 1)]
    assert not Spool(tmp_path / "data").paths("recording")
    monkeypatch.undo()
    (job,) = session(tmp_path, [bag]).jobs()
    assert [each.verdict for each in import_bag(job).episodes] == ["known", "known", "good"]


def test_a_damaged_bag_gives_what_is_whole_and_says_so(tmp_path):
    bag = write_bag(tmp_path / "bag.mcap", 3, sizes={0: (640, 480)})
    os.truncate(bag, bag.stat().st_size * 3 // 4)
    report = only(tmp_path, bag)
    assert report.damage
    (episode,) = report.episodes
    assert episode.verdict == "good"
    assert 1 < episode.duration_s < 2.5


def test_a_bag_that_is_damaged_in_the_middle_ends_there(tmp_path):
    bag = write_bag(tmp_path / "bag.mcap", 9, sizes={0: (640, 480)})
    break_in_the_middle(bag)
    ranges = tuple(Range(*each) for each in (("0.1", "0.9"), ("1", "8"), ("8.1", "8.9")))
    report = only(tmp_path, bag, Cutting("ranges", ranges=ranges))
    assert "bag.mcap is damaged at byte" in report.damage
    assert not report.error
    first, second, third = report.episodes
    assert (first.verdict, second.verdict, third.verdict) == ("good", "good", "none")
    assert first.rows == FPS * 8 // 10
    assert 0 < second.rows < 6 * FPS


def test_an_episode_without_a_stream_names_its_faults_in_full(tmp_path):
    report = only(tmp_path, write_bag(tmp_path / "bag.mcap", 1), **{"state.names": ["one", "thumb"]})
    assert not report.error
    (episode,) = report.episodes
    (reason,) = episode.reasons
    assert reason.startswith("state: no message on /robot/joint_states that can be used: ")
    assert "thumb" in reason
    assert " ... " not in reason


def test_parameters_that_do_not_exist_are_named_with_their_place(tmp_path):
    with pytest.raises(ConfigError, match=r"robot.yaml:\d+:\d+: recorder has no parameter 'state.topik'"):
        session(tmp_path, [], **{"state.topik": "/a"})


def test_lines_of_a_stream_that_is_not_listed_are_named(tmp_path):
    config = {"streams": ["state"], "cam.topic": "/a", "cam.stamp": "header"}
    expected = (
        r"robot.yaml:\d+:\d+: cam.stamp, cam.topic: streams is \[state\] and does not list cam: add cam"
    )
    with pytest.raises(ConfigError, match=expected):
        session(tmp_path, [], **config)
    file = write_config(tmp_path / "both.yaml")
    replaced = read_parameters(file, {"recorder": {"streams": ["state"]}})  # as live: the others are not used
    assert list(replaced.streams) == ["state"]


def test_units_of_the_parameter_file_apply(tmp_path):
    report = only(tmp_path, write_bag(tmp_path / "bag.mcap", 1), **{"state.unit": "degrees"})
    assert not report.error
    rows = Spool(tmp_path / "data").ready()[0].rows()["observation.state"]
    assert np.allclose(np.radians(rows[1] - rows[0]), np.array([1 / 7, -1 / 3]) * 100 / FPS, rtol=0.2)
    assert problems_of([report]) == []
    assert bag_import.sources_in(tmp_path / "data")[0].bag.endswith("bag.mcap")

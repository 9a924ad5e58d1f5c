"""Where episodes begin and end."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bagged import CAMERA, FPS, START_NS, STATE, write_bag, write_config

from lerobot_recorder.bags import open_bag
from lerobot_recorder.errors import BagError, ConfigError
from lerobot_recorder.importing import (
    Cut,
    Cutting,
    Range,
    cuts_of,
    range_of,
    read_parameters,
    read_ranges,
    unmatched,
)
from lerobot_recorder.recording import CompletedEpisode

BOOL, STRING, JOY = "std_msgs/msg/Bool", "std_msgs/msg/String", "sensor_msgs/msg/Joy"


def cuts(tmp_path, cutting, marks=(), **bag):
    """Return start, end and task of each cut, in seconds since the start of the bag."""
    path = write_bag(tmp_path / "bag.mcap", bag.pop("seconds", 3), marks=marks, latency_s=0, **bag)
    parameters = read_parameters(write_config(tmp_path / "robot.yaml"))
    with open_bag(path) as opened:
        found = cuts_of(opened, [STATE, CAMERA], cutting, parameters)
    return [(rounded(cut.start_ns), rounded(cut.end_ns), cut.task_at(cut.start_ns)) for cut in found]


def rounded(time_ns: int) -> float:
    return round((time_ns - START_NS) / 1e9, 2)


def test_a_bag_is_an_episode_unless_something_cuts_it(tmp_path):
    assert cuts(tmp_path, Cutting()) == [(0, 2.99, "")]


def test_true_lasts_as_long_as_an_episode(tmp_path):
    marks = [
        (at, "/go", BOOL, {"data": data}) for at, data in ((0.2, False), (0.5, True), (0.7, True), (1, False))
    ]
    marks.append((2, "/go", BOOL, {"data": True}))
    assert cuts(tmp_path, Cutting("marks", "go"), marks) == [(0.5, 1, ""), (2, 2.99, "")]


def test_a_text_is_the_task_of_an_episode_while_it_lasts(tmp_path):
    marks = [(at, "/task", STRING, {"data": data}) for at, data in ((0.5, "Pick"), (1, "Place"), (2, ""))]
    assert cuts(tmp_path, Cutting("marks", "/task"), marks) == [(0.5, 1, "Pick"), (1, 2, "Place")]


def test_each_press_of_a_button_starts_or_ends_an_episode(tmp_path):
    presses = [(0.5, 1), (0.6, 1), (0.7, 0), (1.5, 1), (1.6, 0), (2, 1)]
    marks = [(at, "/joy", JOY, {"buttons": [1, pressed]}) for at, pressed in presses]
    assert cuts(tmp_path, Cutting("marks", "/joy", button=1), marks) == [(0.5, 1.5, ""), (2, 2.99, "")]
    (tmp_path / "bag.mcap").unlink()
    with pytest.raises(BagError, match="has 2 buttons, 0 to 1, not 2"):
        cuts(tmp_path, Cutting("marks", "/joy", button=2), marks)


def test_a_gap_without_messages_ends_an_episode(tmp_path):
    found = cuts(tmp_path, Cutting("gaps", gap_s=0.3), silent=[(1, 1.5), (2, 2.2)])
    assert found == [(0, 0.99, ""), (1.5, 2.99, "")]


def test_the_task_is_the_one_that_is_valid_at_the_start(tmp_path):
    marks = [(at, "/task", STRING, {"data": data}) for at, data in ((0.5, "Pick"), (1.5, "Place"))]
    cutting = Cutting(
        "ranges", ranges=(Range("0.1", "1"), Range("1", "2"), Range("2", "", "own")), task_topic="/task"
    )
    assert [task for *_, task in cuts(tmp_path, cutting, marks)] == ["Pick", "Pick", "own"]


def test_times_are_seconds_of_the_bag_or_since_1970_or_dates(tmp_path):
    absolute, date = str(START_NS / 1e9 + 1), "2026-09-21T14:13:22+00:00"
    ranges = (Range("", "0.5"), range_of(f"{absolute},1.5,Pick, then place"), Range(date, ""))
    found = cuts(tmp_path, Cutting("ranges", ranges=ranges))
    assert found == [(0, 0.5, ""), (1, 1.5, "Pick, then place"), (2, 2.99, "")]


@pytest.mark.parametrize(
    ("ranges", "reason"),
    [
        ((Range("0", "2"), Range("1", "3")), "two episodes overlap at 1.00 s"),
        ((Range("soon", "2"),), "'soon' is no time"),
        ((Range("nan", "2"),), "'nan' is no time"),
        ((Range("1", "inf"),), "'inf' is no time"),
        ((Range("1", "1e308"),), "'1e308' is no time"),
        ((Range("0001-01-01", "2"),), "'0001-01-01' is no time|no time range"),
        ((Range("5", "6"),), "5 to 6 is no time range of .*, which is 2.99 s long"),
    ],
)
def test_ranges_that_cannot_be_are_refused(tmp_path, ranges, reason):
    with pytest.raises(ConfigError, match=reason):
        cuts(tmp_path, Cutting("ranges", ranges=ranges))


def test_a_range_is_cut_to_the_bag_and_what_is_missing_is_named(tmp_path):
    path = write_bag(tmp_path / "bag.mcap", 3, latency_s=0)
    parameters = read_parameters(write_config(tmp_path / "robot.yaml"))
    with open_bag(path) as bag:
        for given, missing in {
            ("-1", "2"): "the bag starts 1.00 s after the start of the time range",
            ("2", "9"): "the bag ends at 2.99 s, 6.01 s before the end of the time range",
            ("2", "3.03"): "",  # less than a row
        }.items():
            (cut,) = cuts_of(bag, [], Cutting("ranges", ranges=(Range(*given),)), parameters)
            assert cut.missing == missing
            assert bag.start_ns <= cut.start_ns < cut.end_ns <= bag.end_ns


def test_a_name_that_no_bag_has_is_reported_with_its_lines(tmp_path):
    ranges = [Range("0", "1", "", name, f"plan.csv:{number}") for number, name in enumerate("abc?b?", 1)]
    (sentence,) = unmatched([*ranges, Range("0", "1")], [tmp_path / f"{name}.mcap" for name in "abc"])
    assert sentence == "plan.csv:4, 6: no bag is named '?': expected a.mcap, b.mcap, c.mcap"


def test_a_csv_file_may_name_its_columns_and_the_bag_of_each_line(tmp_path):
    file = tmp_path / "episodes.csv"
    file.write_text("bag,start,end,task\nbag,0,1,\nother,1,2,\nbag.mcap,1,2,Place\n")
    assert cuts(tmp_path, Cutting("ranges", ranges=read_ranges(file))) == [(0, 1, ""), (1, 2, "Place")]
    file.write_text("0,1\n1,2,Place\n")
    assert [(each.start, each.task) for each in read_ranges(file)] == [("0", ""), ("1", "Place")]
    file.write_text("begin,start,end\n0,1,2\n")
    with pytest.raises(ConfigError, match="unknown column 'begin'"):
        read_ranges(file)


def announced(**changes) -> dict[str, str]:
    values = {
        "length": 15,
        "duration_s": 1.0,
        "task": "Pick",
        "fps": FPS,
        "started_at_ns": START_NS + 5 * 10**8,
    }
    episode = CompletedEpisode(**{"episode_id": "one", "state": "ready", **values, **changes})
    return {"data": json.dumps(asdict(episode))}


def test_episodes_of_the_recorder_have_its_rows(tmp_path):
    before = announced(episode_id="before", started_at_ns=START_NS - 10**10)
    marks = [(at, "/episode_completed", STRING, content) for at, content in ((0.1, before), (2, announced()))]
    path = write_bag(tmp_path / "bag.mcap", 3, marks=marks)
    parameters = read_parameters(write_config(tmp_path / "robot.yaml"))
    with open_bag(path) as bag:
        start_ns = START_NS + 5 * 10**8
        expected = Cut(start_ns, start_ns + 14 * 10**9 // FPS, "Pick", 15)
        assert cuts_of(bag, [], Cutting("recorder"), parameters) == [expected]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"fps": 30}, "took 30 rows per second, but fps is 15"), ({"started_at_ns": 0}, "an earlier version")],
)
def test_episodes_that_cannot_be_cut_alike_are_refused(tmp_path, changes, reason):
    marks = [(2, "/episode_completed", STRING, announced(**changes))]
    with pytest.raises((BagError, ConfigError), match=reason):
        cuts(tmp_path, Cutting("recorder"), marks)


def test_a_missing_topic_is_named_with_similar_ones(tmp_path):
    with pytest.raises(BagError, match="no topic /robot/joint_state; similar: /robot/joint_states"):
        cuts(tmp_path, Cutting("marks", "robot/joint_state"))

"""The rows of a bag are those that a recorder takes."""

from __future__ import annotations

from json import dumps

import numpy as np
import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bagged import (
    CAMERA_HZ,
    FPS,
    JOINTS,
    JOINTS_HZ,
    START_NS,
    STATE,
    joint_state,
    jpeg,
    write_bag,
    write_config,
)

from lerobot_recorder.bags import BagWriter
from lerobot_recorder.importing import Cutting, ImportSession, Range, import_bag, read_parameters
from lerobot_recorder.spool import Spool


def session(tmp_path, *bags, cutting=None, **config) -> ImportSession:
    parameters = read_parameters(write_config(tmp_path / "robot.yaml", **config))
    made = ImportSession(tmp_path / "data", parameters, cutting or Cutting())
    made.open(bags)
    return made


def imported(tmp_path, bag, **options):
    made = session(tmp_path, bag, **options)
    assert not made.problems
    (job,) = made.jobs()
    return import_bag(job)


def test_each_row_has_the_newest_measurements_before_it(tmp_path):
    bag = write_bag(tmp_path / "bag.mcap", 4)
    report = imported(tmp_path, bag)
    assert not report.error
    (episode,) = report.episodes
    assert (episode.verdict, episode.task, episode.state) == ("good", "Pick up", "ready")
    (spooled,) = Spool(tmp_path / "data").ready()
    times_ns = spooled.manifest.started_at_ns + np.arange(spooled.length) * 10**9 // FPS
    assert times_ns[0] < START_NS + 0.1e9
    assert times_ns[-1] > START_NS + 3.8e9
    joints = (times_ns - START_NS) * JOINTS_HZ // 10**9
    expected = np.stack([joints / 7, -joints / 3], 1).astype(np.float32)
    np.testing.assert_array_equal(spooled.rows()["observation.state"], expected)
    reader = spooled.images("observation.images.cam")
    for row, time_ns in enumerate(times_ns):
        number = int((time_ns - START_NS - 3_000_000) * CAMERA_HZ // 10**9)
        assert reader.stored(row).tobytes() == jpeg(number), row
    source = spooled.manifest.source
    assert (source["bag"], source["size_bytes"]) == (str(bag), bag.stat().st_size)
    assert all(each.age_s.max() < 0.05 for each in spooled.ages().values())


def test_the_last_row_may_be_at_the_last_message(tmp_path):
    bag, start_ns = tmp_path / "bag.mcap", START_NS
    with BagWriter(bag) as writer:
        times_ns = [start_ns + row * 10**9 // FPS for row in range(10)]
        for row, time_ns in enumerate(times_ns):
            writer.add(STATE, JOINTS, time_ns, joint_state(time_ns, row))
        done = {
            "episode_id": "a",
            "state": "ready",
            "length": 10,
            "duration_s": 1,
            "task": "Wipe",
            "fps": FPS,
        }
        text = dumps({**done, "started_at_ns": start_ns})
        writer.add("/episode_completed", "std_msgs/msg/String", times_ns[-1], {"data": text})
    (episode,) = imported(tmp_path, bag, cutting=Cutting("recorder"), streams=["state"]).episodes
    assert (episode.verdict, episode.rows, episode.task) == ("good", 10, "Wipe")
    rows = Spool(tmp_path / "data").ready()[0].rows()["observation.state"][:, 0]
    assert rows.tolist() == [np.float32(row / 7) for row in range(10)]


def test_with_the_time_of_receipt_the_log_time_counts(tmp_path):
    report = imported(tmp_path, write_bag(tmp_path / "bag.mcap", 2, latency_s=0.1), stamp="receive")
    (episode,) = report.episodes
    (spooled,) = Spool(tmp_path / "data").ready()
    time_ns = spooled.manifest.started_at_ns
    number = int((time_ns - START_NS - 10**8) * JOINTS_HZ // 10**9)
    assert spooled.rows()["observation.state"][0, 0] == np.float32(number / 7)
    assert episode.verdict == "good"


def test_with_simulated_time_the_clock_in_the_bag_counts(tmp_path):
    """A simulator at half speed: log times are another day, and pass twice as fast."""
    start_ns, log_ns = 5 * 10**9, START_NS
    path = tmp_path / "bag.mcap"
    with BagWriter(path) as bag:
        for step in range(300):
            now_ns = start_ns + step * 10**7
            seconds = {"sec": now_ns // 10**9, "nanosec": now_ns % 10**9}
            bag.add("/clock", "rosgraph_msgs/msg/Clock", log_ns + step * 2 * 10**7, {"clock": seconds})
            bag.add(STATE, JOINTS, log_ns + step * 2 * 10**7 + 1, joint_state(now_ns, step))
    for stamp in ("header", "receive"):
        root = tmp_path / stamp
        made = session(tmp_path, path, stamp=stamp, streams=["state"], root=str(root), use_sim_time=True)
        made.root = root
        (job,) = made.jobs()
        (episode,) = import_bag(job).episodes
        assert (episode.verdict, episode.started_at_ns, episode.rows) == ("good", start_ns, 45)
        (spooled,) = Spool(root).ready()
        assert spooled.manifest.clock == "sim"
        steps = (np.arange(45) * 10**9 // FPS) // 10**7
        np.testing.assert_allclose(spooled.rows()["observation.state"][:, 0], steps / 7, rtol=1e-6)


def test_a_range_is_an_episode_with_the_rows_inside_it(tmp_path):
    bag = write_bag(tmp_path / "bag.mcap", 5)
    ranges = (Range("1", "2.5", "one"), Range("3", "", "two"))
    report = imported(tmp_path, bag, cutting=Cutting("ranges", ranges=ranges))
    assert [(each.task, each.verdict) for each in report.episodes] == [("one", "good"), ("two", "good")]
    first, second = report.episodes
    assert 0 <= first.started_at_ns - START_NS - 1.02e9 < 1e9 / FPS
    assert abs(first.duration_s - 1.5) < 0.1
    assert abs(second.duration_s - 2) < 0.15
    assert [each.manifest.task for each in Spool(tmp_path / "data").ready()] == ["one", "two"]

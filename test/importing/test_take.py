"""The rows of a bag are those that a recorder takes."""

from __future__ import annotations

from json import dumps

import av
import numpy as np
import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bagged import (
    CAMERA,
    CAMERA_HZ,
    FPS,
    IMAGE,
    JOINTS,
    JOINTS_HZ,
    START_NS,
    STATE,
    joint_state,
    jpeg,
    stamped,
    write_bag,
    write_config,
)

from lerobot_recorder.bags import BagWriter
from lerobot_recorder.importing import Cutting, ImportSession, Range, import_bag, read_parameters
from lerobot_recorder.importing import take as importing_take
from lerobot_recorder.importing.streams import BagStreams
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import read_packets


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
        writer.add("/episode_completed", "std_msgs/msg/String", times_ns[-1], completed(start_ns, 10))
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


def completed(start_ns, rows):
    """Return what the recorder announces."""
    known = {"episode_id": "a", "state": "ready", "duration_s": rows / FPS, "task": "Wipe", "fps": FPS}
    return {"data": dumps({**known, "length": rows, "started_at_ns": start_ns})}


@pytest.mark.parametrize(
    ("cutting", "is_late"),
    [
        (Cutting("recorder"), True),
        (Cutting("ranges", ranges=(Range("0", ""),)), True),
        (Cutting("ranges", ranges=(Range("", "2"),)), False),
        (Cutting("ranges", ranges=(Range("1.02", "2"),)), False),
        (Cutting("gaps", gap_s=1.0), False),
        (Cutting(), False),
    ],
)
def test_what_an_episode_lacks_at_its_start_is_told(tmp_path, cutting, is_late):
    """A camera whose messages a bag has from its second second on."""
    path, start_ns = tmp_path / "bag.mcap", START_NS + 10**8
    with BagWriter(path) as bag:
        for step in range(301):
            now_ns = START_NS + step * 10**7
            bag.add(STATE, JOINTS, now_ns, joint_state(now_ns, step))
            if now_ns >= START_NS + 10**9 and step % 3 == 0:
                content = {"header": stamped(now_ns), "format": "jpeg", "data": jpeg(step)}
                bag.add(CAMERA, IMAGE, now_ns, content)
        bag.add("/episode_completed", "std_msgs/msg/String", START_NS + 3 * 10**9, completed(start_ns, 40))
    (episode,) = imported(tmp_path, path, cutting=cutting).episodes
    late_s = (episode.started_at_ns - episode.start_ns) / 1e9
    told = f"its first {late_s:.2f} s are missing: the bag has no earlier sample of cam"
    assert (episode.verdict, episode.missing) == ("good", told if is_late else "")
    assert episode.started_at_ns >= START_NS + 10**9


def test_a_fast_camera_has_its_images_when_rows_wait_for_a_slow_stream(tmp_path):
    path = tmp_path / "bag.mcap"
    with BagWriter(path) as bag:
        for step in range(3 * 240):
            now_ns = START_NS + step * 10**9 // 240
            if step % 96 == 0:
                bag.add(STATE, JOINTS, now_ns, joint_state(now_ns, step))
            content = {"header": stamped(now_ns), "format": "jpeg", "data": jpeg(step % 7)}
            bag.add(CAMERA, IMAGE, now_ns, content)
    (episode,) = imported(tmp_path, path, **{"state.max_age_s": 1.0}).episodes
    assert (episode.verdict, episode.reasons) == ("good", ())
    assert episode.rows >= 2.5 * FPS


def test_an_episode_ends_before_a_silence_without_bound(tmp_path):
    """The recorder's clock is set by ten years."""
    later_ns = START_NS + 10 * 365 * 86400 * 10**9
    path = tmp_path / "bag.mcap"
    with BagWriter(path) as bag:
        for start_ns in (START_NS, later_ns):
            for step in range(200):
                now_ns = start_ns + step * 10**7
                bag.add(STATE, JOINTS, now_ns, joint_state(now_ns, step))
    (episode,) = imported(tmp_path, path, streams=["state"]).episodes
    assert (episode.verdict, episode.rows) == ("bad", 30)
    assert episode.reasons == (
        "no stream has a message for 315359998 s, because the bag's recorder was paused or its clock was "
        "set: --gap 10 makes an episode of each part",
    )
    (same,) = imported(tmp_path, path, streams=["state"]).episodes
    assert same.verdict == "known"
    parts = imported(tmp_path, path, cutting=Cutting("gaps", gap_s=10.0), streams=["state"]).episodes
    assert [(each.verdict, each.rows) for each in parts] == [("good", 30), ("good", 30)]


def transform(parent, child, time_ns, x):
    moved = {"translation": {"x": x}, "rotation": {"w": 1.0}}
    header = {**stamped(time_ns), "frame_id": parent}
    return {"transforms": [{"header": header, "child_frame_id": child, "transform": moved}]}


def late_bag(path, storage):
    """Write a bag whose commands, static transforms and clock are from long before its last seconds."""
    kind = "tf2_msgs/msg/TFMessage"
    marks = [
        (0.1, "/tf_static", kind, transform("base", "arm", 0, 100.0)),
        (0.2, "/tf_static", kind, transform("hand", "tool", 0, 10.0)),
        (0.3, "/command", "std_msgs/msg/Float64", {"data": 5.0}),
        (0.4, "/command", "std_msgs/msg/Float64", {"data": 7.0}),
        (41.4, "/command", "std_msgs/msg/Float64", {"data": 9.0}),
    ]
    for step in range(0, 420):
        at_s, now_ns = step / 10, START_NS + step * 10**8
        clock = {"sec": now_ns // 10**9, "nanosec": now_ns % 10**9}
        marks.append((at_s, "/clock", "rosgraph_msgs/msg/Clock", {"clock": clock}))
        marks.append((at_s, "/tf", kind, transform("arm", "hand", now_ns, at_s)))
    return write_bag(path, 42, silent=[(1, 29)], marks=marks, storage=storage)


LATE = {
    "streams": ["state", "cam", "command", "hand"],
    "command.topic": "/command",
    "command.max_age_s": 3600.0,
    "hand.type": "tf",
    "hand.parent": "base",
    "hand.child": "tool",
}


@pytest.mark.parametrize(("storage", "sim"), [("mcap", False), ("sqlite3", False), ("mcap", True)])
def test_a_late_range_needs_only_what_is_valid_at_its_start(tmp_path, monkeypatch, storage, sim):
    bag = late_bag(tmp_path / "bag", storage)
    ranges = (Range("0.5", "0.9", "one"), Range("40", "41", "two"), Range("41.1", "41.9", "three"))
    taken, rows = [], []
    take = BagStreams.take
    monkeypatch.setattr(
        BagStreams, "take", lambda self, message: (taken.append(message), take(self, message))
    )
    for name, lead_ns in (("all", 10**12), ("few", importing_take._LEAD_NS)):
        monkeypatch.setattr(importing_take, "_LEAD_NS", lead_ns)
        config = {**LATE, "use_sim_time": sim, "root": str(tmp_path / name)}
        made = session(tmp_path, bag, cutting=Cutting("ranges", ranges=ranges), **config)
        made.root = tmp_path / name
        taken.clear()
        report = import_bag(made.jobs()[0])
        assert [(each.verdict, each.reasons) for each in report.episodes] == [("good", ())] * 3
        rows.append([episode.rows() for episode in Spool(tmp_path / name).ready()])
        if name == "all":
            number = len(taken)
    assert len(taken) < 0.9 * number
    for before, after in zip(*rows, strict=True):
        assert before.keys() == after.keys()
        assert all(np.array_equal(before[key], after[key]) for key in before)
    assert rows[1][1]["observation.command"][:, 0].tolist() == [7.0] * 15
    assert rows[1][2]["observation.command"][-1, 0] == 9.0
    assert rows[1][1]["observation.hand"][0, 0] == pytest.approx(110 + 40, abs=0.2)


def test_a_late_range_needs_all_before_it_if_a_value_was_sent_long_ago_among_others(tmp_path):
    marks = [(0.3, "/others", JOINTS, {"header": stamped(START_NS), "name": ["rare"], "position": [4.0]})]
    for step in range(30):
        other = {"header": stamped(START_NS), "name": ["often"], "position": [0.0]}
        marks.append((step + 0.5, "/others", JOINTS, other))
    bag = write_bag(tmp_path / "bag.mcap", 31, silent=[(1, 19)], marks=marks)
    config = {
        "streams": ["state", "rare"],
        "rare.topic": "/others",
        "rare.names": ["rare"],
        "rare.max_age_s": 60.0,
    }
    cutting = Cutting("ranges", ranges=(Range("29", "30"),))
    (episode,) = imported(tmp_path, bag, cutting=cutting, stamp="receive", **config).episodes
    assert episode.verdict == "good", episode.reasons
    (spooled,) = Spool(tmp_path / "data").ready()
    assert spooled.rows()["observation.rare"].ravel().tolist() == [4.0] * spooled.length


@pytest.mark.parametrize(("changed_s", "task"), [(0.001, "New"), (0.015, "New"), (0.15, "Old")])
def test_the_task_is_the_last_text_when_the_first_row_is_taken(tmp_path, changed_s, task):
    texts = [(0.0, "Old"), (changed_s, "New"), (0.9, "Last")]
    marks = [(at_s, "/task", "std_msgs/msg/String", {"data": text}) for at_s, text in texts]
    bag = write_bag(tmp_path / "bag.mcap", 1, marks=marks)
    (episode,) = imported(tmp_path, bag, cutting=Cutting(task_topic="/task")).episodes
    assert 0.015e9 < episode.started_at_ns - START_NS < 0.15e9
    assert episode.task == task


def video_bag(tmp_path, seconds, fps=5):
    """Write a bag with the packets of a video that has a key frame at its start alone, and its pictures."""
    path, kind = tmp_path / "video.mp4", "foxglove_msgs/msg/CompressedVideo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "100000", "bf": "0", "sc_threshold": "0", "crf": "5"}
        for number in range(seconds * fps):
            frame = av.VideoFrame.from_ndarray(
                np.full((48, 64, 3), number % 200 + 20, np.uint8), format="rgb24"
            )
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    packets = list(read_packets(path, fps))
    definition = "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"
    with BagWriter(tmp_path / "bag.mcap", definitions={kind: definition}) as bag:
        for number, packet in enumerate(packets):
            time_ns = START_NS + number * 10**9 // fps
            content = {"timestamp": stamped(time_ns)["stamp"], "data": packet, "format": "h264"}
            bag.add("/cam/video", kind, time_ns, content)
    return tmp_path / "bag.mcap"


def test_a_late_part_of_a_video_is_decoded_from_its_key_frame(tmp_path):
    bag = video_bag(tmp_path, 60)
    ranges = (Range("1", "2"), Range("30.1", "31"), Range("55.1", "56"))
    config = {"streams": ["cam"], "cam.topic": "/cam/video", "fps": 5}
    report = imported(tmp_path, bag, cutting=Cutting("ranges", ranges=ranges), **config)
    assert [each.verdict for each in report.episodes] == ["good"] * 3
    for episode in Spool(tmp_path / "data").ready():
        first = (episode.manifest.started_at_ns - START_NS) * 5 // 10**9
        shown = [int(np.median(planes[:48])) for planes in episode.frames("observation.images.cam")]
        expected = [16 + ((first + row) % 200 + 20) * 219 / 255 for row in range(episode.length)]
        assert shown == pytest.approx(expected, abs=2)

"""Datasets that are exported as bags, as other programs read them."""

from __future__ import annotations

import json
import shutil
import subprocess

import av
import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags")

from encoded import CAMERA
from filmed import filmed_dataset
from numbered import STEP_MM, record_depth
from rosbags.highlevel import AnyReader

from lerobot_recorder import BatchEncoder
from lerobot_recorder.dataset import RecordedEpisode
from lerobot_recorder.errors import BagError, ConfigError, DatasetError, VideoError
from lerobot_recorder.exporting import export_bag
from lerobot_recorder.video import DepthSettings, quantize_depth, read_frames

LENGTHS = (4, 5, 6)
FPS = 30
IMAGES = "/observation/images/top"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return filmed_dataset(tmp_path_factory.mktemp("filmed") / "dataset", LENGTHS, vcodec="h264")


def read(path):
    """Return the messages of a bag: topic, log time and content, as rosbags reads them."""
    with AnyReader([path]) as reader:
        return [(c.topic, t, reader.deserialize(raw, c.msgtype)) for c, t, raw in reader.messages()]


def on(messages, topic):
    return [(time_ns, message) for found, time_ns, message in messages if found == topic]


def recorded(root):
    """Return all frames of the dataset's video."""
    return np.array(read_frames(root / f"videos/{CAMERA}/chunk-000/file-000.mp4", range(sum(LENGTHS))), float)


def stamp_ns(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


@pytest.mark.parametrize("name", ["bag.mcap", "folder"])
def test_values_keep_their_names_times_and_bits(root, tmp_path, name):
    export_bag(root, tmp_path / name)
    messages = read(tmp_path / name)
    for key, topic in (("observation.state", "/observation/state"), ("action", "/action")):
        found = on(messages, topic)
        rows = np.concatenate([RecordedEpisode(root, number).vectors(key).rows for number in range(3)])
        assert np.array_equal([message.position for _, message in found], rows)
        assert {tuple(message.name) for _, message in found} == {("shoulder_pan", "gripper")}
        assert all(stamp_ns(message) == time_ns for time_ns, message in found)


def test_rows_are_on_the_grid_of_their_episode(root, tmp_path):
    export_bag(root, tmp_path / "bag.mcap")
    messages = read(tmp_path / "bag.mcap")
    times = [time_ns for time_ns, _ in on(messages, "/action")]
    marks = [json.loads(message.data) for _, message in on(messages, "/episode_completed")]
    assert [mark["length"] for mark in marks] == [*LENGTHS]
    expected = [m["started_at_ns"] + k * 10**9 // FPS for m in marks for k in range(m["length"])]
    assert times == expected
    assert [time_ns for time_ns, _ in on(messages, f"{IMAGES}/image_raw/compressed")] == expected


def test_the_marks_of_episodes_are_those_of_our_recorder(root, tmp_path):
    from lerobot_recorder.recording import CompletedEpisode
    from lerobot_recorder.status import from_json

    export_bag(root, tmp_path / "bag.mcap")
    marks = [json.loads(m.data) for _, m in on(read(tmp_path / "bag.mcap"), "/episode_completed")]
    completed = [from_json(CompletedEpisode, mark) for mark in marks]
    assert [each.episode_id for each in completed] == ["episode-0", "episode-1", "episode-2"]
    assert [each.task for each in completed] == ["task 0", "task 1", "task 0"]
    assert {each.state for each in completed} == {"ready"}


def test_tasks_are_published_when_an_episode_starts(root, tmp_path):
    export_bag(root, tmp_path / "bag.mcap")
    found = on(read(tmp_path / "bag.mcap"), "/task")
    assert [message.data for _, message in found] == ["task 0", "task 1", "task 0"]


def test_pictures_become_jpegs(root, tmp_path):
    export_bag(root, tmp_path / "bag.mcap")
    found = [message for _, message in on(read(tmp_path / "bag.mcap"), f"{IMAGES}/image_raw/compressed")]
    shown = [cv2.imdecode(message.data, cv2.IMREAD_COLOR)[..., ::-1] for message in found]
    largest = (
        3 if hasattr(cv2, "IMWRITE_JPEG_SAMPLING_FACTOR") else 5
    )  # OpenCV before 4.7 averages chroma again
    assert np.abs(np.array(shown, float) - recorded(root)).mean() < largest
    assert {message.header.frame_id for message in found} == {"top"}


@pytest.mark.parametrize(
    ("vcodec", "name"), [("h264", "h264"), ("hevc", "h265"), ("libsvtav1", "av1")], ids=lambda value: value
)
def test_every_packet_of_a_video_is_a_message_that_a_decoder_takes(tmp_path, vcodec, name):
    root = filmed_dataset(tmp_path / "dataset", LENGTHS, vcodec=vcodec)
    export_bag(root, tmp_path / "bag.mcap", images="video")
    found = [message for _, message in on(read(tmp_path / "bag.mcap"), f"{IMAGES}/video")]
    assert {message.format for message in found} == {name}
    assert len(found) == sum(LENGTHS)
    shown, first = [], 0
    for length in LENGTHS:
        decoder = av.CodecContext.create({"h265": "hevc", "av1": "libdav1d"}.get(name, name), "r")
        packets = [av.Packet(bytes(message.data)) for message in found[first : first + length]]
        frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
        shown += [frame.to_ndarray(format="rgb24") for frame in frames]
        first += length
    assert np.array_equal(shown, recorded(root))


def test_frames_that_are_stored_in_another_order_are_refused(tmp_path):
    options = {"vcodec": "h264", "g": 12, "extra_options": {"bf": 2, "x264-params": "bframes=2:b-adapt=0"}}
    root = filmed_dataset(tmp_path / "dataset", (12,), **options, preset="medium")
    with pytest.raises(VideoError, match="another order than they are displayed"):
        export_bag(root, tmp_path / "bag.mcap", images="video")
    assert not (tmp_path / "bag.mcap").exists()
    assert export_bag(root, tmp_path / "bag.mcap").frames == 12


def test_depth_is_exported_without_loss(tmp_path):
    root, depths_mm = tmp_path / "dataset", np.array([0, 100, 500, 5000])
    record_depth(root, depths_mm // STEP_MM)
    with BatchEncoder(root):
        pass
    export_bag(root, tmp_path / "bag.mcap")
    found = [message for _, message in on(read(tmp_path / "bag.mcap"), "/observation/images/depth/image_raw")]
    assert {(m.encoding, m.height, m.width) for m in found} == {("16UC1", 120, 160)}
    depths = np.array([message.data.view(np.uint16) for message in found])
    assert np.abs(depths - depths_mm[:, None]).max() <= 2
    wanted = np.broadcast_to(depths_mm[:, None], depths.shape).astype(np.uint16)
    assert np.array_equal(*(quantize_depth(each, DepthSettings()) for each in (depths, wanted)))


def test_episodes_can_be_chosen_and_images_left_out(root, tmp_path):
    done = export_bag(root, tmp_path / "bag.mcap", episodes=[1], images="none")
    messages = read(tmp_path / "bag.mcap")
    assert (done.episodes, done.frames) == (1, 5)
    assert {topic for topic, *_ in messages} == {
        "/action",
        "/observation/state",
        "/next/success",
        "/task",
        "/episode_completed",
    }
    assert [message.data for _, message in on(messages, "/next/success")] == [False, False, False, True, True]


def test_the_reader_of_mcap_and_its_profile(root, tmp_path):
    mcap = pytest.importorskip("mcap.reader")
    export_bag(root, tmp_path / "bag.mcap", images="video")
    with (tmp_path / "bag.mcap").open("rb") as file:
        reader = mcap.make_reader(file)
        summary = reader.get_summary()
        assert reader.get_header().profile == "ros2"
    assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
    assert b"string format" in next(
        s.data for s in summary.schemas.values() if s.name == "foxglove_msgs/msg/CompressedVideo"
    )
    assert summary.statistics.message_count == 15 * 4 + 2 * 3


@pytest.mark.skipif(shutil.which("ros2") is None, reason="ros2 bag is not installed")
@pytest.mark.parametrize("name", ["bag.mcap", "folder"])
def test_ros2_bag_reads_it(root, tmp_path, name):
    export_bag(root, tmp_path / name)
    command = ["ros2", "bag", "info", str(tmp_path / name)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "invalid choice" in answer.stderr:
        pytest.skip("this ros2 has no bag command")
    assert answer.returncode == 0, answer.stderr
    assert "Topic: /action | Type: sensor_msgs/msg/JointState | Count: 15" in answer.stdout


def test_a_bag_tells_which_dataset_it_is(root, tmp_path):
    export_bag(root, tmp_path / "folder")
    text = (tmp_path / "folder/metadata.yaml").read_text()
    assert "dataset: dataset" in text
    assert "robot_type: so100" in text


def test_an_export_that_fails_leaves_nothing(root, tmp_path):
    (tmp_path / "bag.mcap").write_text("mine")
    with pytest.raises(BagError, match="exists already"):
        export_bag(root, tmp_path / "bag.mcap")
    with pytest.raises(DatasetError, match="lies in the dataset"):
        export_bag(root, root / "bag.mcap")
    with pytest.raises(ConfigError, match="expected 1 to 100"):
        export_bag(root, tmp_path / "other.mcap", jpeg_quality=0)
    assert [path.name for path in tmp_path.iterdir()] == ["bag.mcap"]


def test_a_parameter_file_that_cannot_be_written_is_refused_before_the_export(root, tmp_path):
    with pytest.raises(ConfigError, match="its directory does not exist: create it"):
        export_bag(root, tmp_path / "bag.mcap", parameters=tmp_path / "none/robot.yaml")
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_rows(root, tmp_path):
    steps = []
    export_bag(root, tmp_path / "bag.mcap", images="none", progress=lambda *step: steps.append(step))
    assert steps == [(row, 15) for row in range(1, 16)]

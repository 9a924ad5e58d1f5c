"""Bags that are written, as other programs read them."""

from __future__ import annotations

import pytest

pytest.importorskip("rosbags")

from rosbags.highlevel import AnyReader

from lerobot_recorder.bags import BagWriter
from lerobot_recorder.errors import BagError

JOINTS = "sensor_msgs/msg/JointState"
TEXT = "std_msgs/msg/String"
VIDEO = "foxglove_msgs/msg/CompressedVideo"
VIDEO_DEFINITION = "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"


def joints(second):
    return {
        "header": {"stamp": {"sec": second, "nanosec": 5}, "frame_id": "base"},
        "name": ["a", "b"],
        "position": [0.1, second],
    }


def write(path, storage="mcap"):
    with BagWriter(
        path, storage=storage, definitions={VIDEO: VIDEO_DEFINITION}, notes={"dataset": "me/pick"}
    ) as bag:
        bag.add("/note", TEXT, 10**9, {"data": "äöü"}, latched=True)
        for second in range(1, 4):
            bag.add("/joints", JOINTS, second * 10**9, joints(second))
        bag.add("/video", VIDEO, 4 * 10**9, {"data": b"\x00\x01\xff", "format": "av1"})
        bag.add("/info", "sensor_msgs/msg/CameraInfo", 4 * 10**9, {"width": 3, "k": [*range(9)]})


@pytest.mark.parametrize(
    ("name", "storage"),
    [("bag.mcap", "mcap"), ("folder", "mcap"), ("folder.v2", "mcap"), ("folder", "sqlite3")],
)
def test_rosbags_reads_what_was_written(tmp_path, name, storage):
    write(tmp_path / name, storage)
    if (tmp_path / name).is_dir():
        assert len(list((tmp_path / name).glob(f"*.{'db3' if storage == 'sqlite3' else 'mcap'}"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with AnyReader([tmp_path / name]) as reader:
        found = [(c.topic, t, reader.deserialize(raw, c.msgtype)) for c, t, raw in reader.messages()]
        durability = {c.topic: c.ext.offered_qos_profiles[0].durability.name for c in reader.connections}
    assert [(topic, t) for topic, t, _ in found] == [
        ("/note", 10**9),
        *(("/joints", second * 10**9) for second in range(1, 4)),
        ("/video", 4 * 10**9),
        ("/info", 4 * 10**9),
    ]
    note, first, *_, video, info = (message for *_, message in found)
    assert note.data == "äöü"
    assert (first.header.stamp.sec, first.header.stamp.nanosec, first.header.frame_id) == (1, 5, "base")
    assert (first.name, first.position.tolist(), first.velocity.tolist()) == (["a", "b"], [0.1, 1.0], [])
    assert (bytes(video.data), video.format) == (b"\x00\x01\xff", "av1")
    assert (info.width, info.k.tolist(), info.p.tolist(), info.roi.height) == (3, [*range(9)], [0.0] * 12, 0)
    assert durability["/note"] == "TRANSIENT_LOCAL"
    assert durability["/joints"] == "VOLATILE"


def test_the_reader_of_mcap_reads_it_too(tmp_path):
    decoder = pytest.importorskip("mcap_ros2.reader")
    write(tmp_path / "bag.mcap")
    found = list(decoder.read_ros2_messages(str(tmp_path / "bag.mcap")))
    assert [message.channel.topic for message in found] == ["/note", *["/joints"] * 3, "/video", "/info"]
    assert [*found[1].ros_msg.position] == [0.1, 1.0]
    assert {message.schema.encoding for message in found} == {"ros2msg"}


def test_nothing_is_left_of_a_bag_that_was_not_completed(tmp_path):
    with pytest.raises(KeyError), BagWriter(tmp_path / "bag.mcap") as bag:
        bag.add("/joints", JOINTS, 0, joints(0))
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["bag.mcap", "folder"])
def test_a_bag_is_never_overwritten(tmp_path, name):
    write(tmp_path / name)
    with pytest.raises(BagError, match=r"exists already and is not overwritten"):
        BagWriter(tmp_path / name)


def test_a_name_that_is_taken_meanwhile_stays(tmp_path):
    with pytest.raises(BagError, match="exists already"), BagWriter(tmp_path / "bag.mcap") as bag:
        bag.add("/joints", JOINTS, 0, joints(0))
        (tmp_path / "bag.mcap").write_text("mine")
    assert (tmp_path / "bag.mcap").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_field_that_a_type_does_not_have_is_an_error(tmp_path):
    with pytest.raises(BagError, match="has no field positions"), BagWriter(tmp_path / "bag.mcap") as bag:
        bag.add("/joints", JOINTS, 0, {"positions": [1.0]})


def test_a_full_disk_is_an_error_in_one_sentence(tmp_path):
    bag = BagWriter(tmp_path / "bag.mcap")
    bag._writer.storage.bio.close()
    bag._writer.storage.bio = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115
    with pytest.raises(BagError, match="no space left on the disk"), bag:
        bag.add("/note", TEXT, 0, {"data": "x" * 3 * 2**20})
    assert list(tmp_path.iterdir()) == []

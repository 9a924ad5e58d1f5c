"""Bags that are read, in all their forms."""

from __future__ import annotations

import itertools
import shutil
import tracemalloc

import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bags import JOINTS, START_NS, Sent, joints, jpeg, store, write_bag, write_mcap
from mcap.writer import CompressionType, IndexType

from lerobot_recorder.bags import mcap_file, open_bag
from lerobot_recorder.errors import ConfigError

STEP_NS = 10_000_000


@pytest.fixture(scope="module")
def messages():
    """Two topics of which every third stamp is equal."""
    found = []
    for number in range(300):
        log_ns = START_NS + number * STEP_NS
        found.append(joints(log_ns, {"a": float(number), "b": -1.0}))
        if number % 3 == 0:
            found.append(jpeg(log_ns, bytes([number % 256]) * 9000))
    return found


def stamps(bag, **limits):
    return [(each.topic, each.log_ns) for each in bag.messages(**limits)]


FORMS = [
    ("mcap", ""),
    ("mcap", "file"),
    ("mcap", "message"),
    ("mcap", "storage"),
    ("sqlite3", ""),
    ("sqlite3", "file"),
    ("sqlite3", "message"),
]


@pytest.mark.parametrize("metadata", [True, False], ids=["metadata", "bare"])
@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize(("storage", "compression"), FORMS)
def test_every_form_of_a_bag_gives_the_same_messages(
    tmp_path, messages, storage, compression, files, metadata
):
    path = write_bag(
        tmp_path / "bag", messages, storage=storage, compression=compression, files=files, metadata=metadata
    )
    with open_bag(path) as bag:
        found = list(bag.messages())
        assert [(each.topic, each.type, each.log_ns) for each in found] == [each[:3] for each in messages]
        assert found[-1].decode().position.tolist() == [299.0, -1.0]
        assert bytes(found[1].decode().data) == bytes(9000)
        assert {topic.name: topic.count for topic in bag.topics.values()} == {
            "/joint_states": 300,
            "/camera/image_raw/compressed": 100,
        }
        assert (bag.start_ns, bag.end_ns) == (START_NS, START_NS + 299 * STEP_NS)
        assert bag.damage == ""
        assert bag.fields(JOINTS)["position"] == "sequence<double>"


@pytest.mark.parametrize(
    "options",
    [
        {"compression": CompressionType.LZ4, "chunk_size": 50_000},
        {"compression": CompressionType.NONE, "chunk_size": 50_000},
        {"use_chunking": False},
        {"use_chunking": False, "use_statistics": False},
        {"index_types": IndexType.NONE, "chunk_size": 50_000},
        {"index_types": IndexType.MESSAGE, "chunk_size": 50_000},
        {"repeat_channels": False, "repeat_schemas": False, "chunk_size": 50_000},
        {"use_statistics": False},
    ],
    ids=str,
)
def test_a_file_with_any_index_or_none_gives_the_same_messages(tmp_path, messages, options):
    with open_bag(write_mcap(tmp_path / "one.mcap", messages, **options)) as bag:
        assert stamps(bag) == [(each.topic, each.log_ns) for each in messages]
        assert bag.topics["/joint_states"].count == 300
        assert (bag.start_ns, bag.end_ns, bag.damage) == (START_NS, START_NS + 299 * STEP_NS, "")


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("files", [1, 4])
@pytest.mark.parametrize("arrange", [reversed, lambda items: sorted(items, key=lambda each: each.topic)])
def test_messages_come_by_log_time_whatever_their_order_in_the_files(
    tmp_path, messages, storage, files, arrange
):
    path = write_bag(tmp_path / "bag", list(arrange(messages)), storage=storage, files=files)
    with open_bag(path) as bag:
        found = [each.log_ns for each in bag.messages()]
    assert found == sorted(each.log_ns for each in messages)


def test_chunks_that_overlap_are_read_with_little_memory(tmp_path, messages, monkeypatch):
    monkeypatch.setattr(mcap_file, "_CACHE", 30_000)
    by_topic = sorted(messages, key=lambda each: each.topic)
    with open_bag(write_mcap(tmp_path / "one.mcap", by_topic, chunk_size=20_000)) as bag:
        found = stamps(bag)
    assert found == [(each.topic, each.log_ns) for each in sorted(by_topic, key=lambda each: each.log_ns)]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_messages_with_equal_stamps_come_in_the_order_of_the_file(tmp_path, storage):
    sent = [joints(START_NS, {"a": float(number)}, f"/{number % 7}") for number in range(100)]
    with open_bag(write_bag(tmp_path / "bag", sent, storage=storage, files=3)) as bag:
        assert [each.decode().position[0] for each in bag.messages()] == list(range(100))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_topics_and_times_limit_what_is_read(tmp_path, messages, storage):
    with open_bag(write_bag(tmp_path / "bag", messages, storage=storage, files=3)) as bag:
        limits = {"start_ns": START_NS + 30 * STEP_NS, "end_ns": START_NS + 60 * STEP_NS}
        found = stamps(bag, topics=["/joint_states"], **limits)
        assert found == [("/joint_states", START_NS + number * STEP_NS) for number in range(30, 61)]
        with pytest.raises(ConfigError, match=r"no topic /joints; it has /camera.*, /joint_states"):
            stamps(bag, topics=["/joints"])


def test_only_wanted_chunks_are_decompressed(tmp_path, messages, monkeypatch):
    by_topic = sorted(messages, key=lambda each: each.topic)
    read = []
    whole = mcap_file.chunk_content
    monkeypatch.setattr(
        mcap_file, "chunk_content", lambda *given: read.append(len(given[1])) or whole(*given)
    )
    with open_bag(write_mcap(tmp_path / "one.mcap", by_topic, chunk_size=20_000)) as bag:
        assert read == []
        assert len(stamps(bag, topics=["/joint_states"])) == 300
        few = len(read)
        stamps(bag)
        assert few < len(read) - few


def test_several_readers_do_not_disturb_each_other(tmp_path, messages):
    with open_bag(write_bag(tmp_path / "bag", messages)) as bag:
        pairs = list(itertools.zip_longest(bag.messages(), bag.messages()))
    assert len(pairs) == 400
    assert all(one.data == other.data for one, other in pairs)


def test_the_digest_follows_the_content_not_the_name(tmp_path, messages):
    path = write_bag(tmp_path / "bag", messages)
    copy = shutil.copytree(path, tmp_path / "copy")
    other = write_bag(tmp_path / "other", messages[:-1])
    with open_bag(path) as one, open_bag(copy) as two, open_bag(other) as three:
        assert one.digest() == two.digest() != three.digest()
        assert one.size_bytes == two.size_bytes == (path / "bag.mcap").stat().st_size


def test_temporary_files_are_deleted(tmp_path, messages, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "scratch").mkdir()
    with open_bag(write_bag(tmp_path / "bag", messages, compression="file")) as bag:
        assert len(stamps(bag)) == 400
        assert any((tmp_path / "scratch").iterdir())
    assert not any((tmp_path / "scratch").iterdir())


CUSTOM = {
    "my_robot/msg/Finger": "float32 force\nint8[3] tactile\n",
    "my_robot/msg/Hand": (
        "std_msgs/Header header\nFinger[] fingers\nmy_robot/Finger thumb\nstring<=8 side\n"
        "float64[<=4] angles\nuint8[] raw\nbool closed\nbyte flags\n"
    ),
}


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_types_come_from_the_bag(tmp_path, storage):
    hand = {
        "fingers": [{"force": 1.5, "tactile": [1, 2, 3]}],
        "side": "left",
        "angles": [0.5],
        "closed": True,
    }
    sent = [Sent("/hand", "my_robot/msg/Hand", START_NS, hand)]
    with open_bag(write_bag(tmp_path / "bag", sent, storage=storage, types=store(CUSTOM))) as bag:
        (message,) = (each.decode() for each in bag.messages())
        assert bag.fields("my_robot/msg/Hand") == {
            "header": "std_msgs/Header",
            "fingers": "sequence<my_robot/Finger>",
            "thumb": "my_robot/Finger",
            "side": "string<8>",
            "angles": "sequence<double, 4>",
            "raw": "sequence<uint8>",
            "closed": "boolean",
            "flags": "octet",
        }
        assert bag.fields("my_robot/Finger")["tactile"] == "int8[3]"
        assert bag.fields("std_msgs/Header") == {"stamp": "builtin_interfaces/Time", "frame_id": "string"}
    assert (message.fingers[0].tactile.tolist(), message.side, message.closed) == ([1, 2, 3], "left", True)


def test_the_index_of_a_long_file_needs_little_memory(tmp_path):
    path = tmp_path / "long.mcap"
    messages = [joints(START_NS + number, {"a": 0.0}) for number in range(3000)]
    write_mcap(path, messages, chunk_size=1)
    with open_bag(path):  # what is imported stays
        pass
    tracemalloc.start()
    try:
        with open_bag(path) as bag:
            assert bag.topics["/joint_states"].count == 3000
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / 3000 < 500

"""Bags that are damaged, still growing, or no bags."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import sqlite3
import subprocess
import sys

import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

import yaml
from bags import JOINTS, START_NS, Sent, joints, jpeg, mcap_bytes, serialized, store, write_bag, write_mcap
from mcap.writer import CompressionType

from lerobot_recorder.bags import library, open_bag
from lerobot_recorder.errors import BagError, ConfigError

STEP_NS = 10_000_000


@pytest.fixture(scope="module")
def messages():
    noise = random.Random(1)
    found = []
    for number in range(200):
        log_ns = START_NS + number * STEP_NS
        found.append(joints(log_ns, {"a": float(number)}))
        if number % 3 == 0:
            found.append(jpeg(log_ns, noise.randbytes(9000)))
    return found


def stamps(path):
    """Return topics, log times and data of all messages, and the damage."""
    with open_bag(path) as bag:
        return [(each.topic, each.log_ns, bytes(each.data)) for each in bag.messages()], bag.damage


@pytest.mark.parametrize("options", [{"chunk_size": 20_000}, {"use_chunking": False}], ids=str)
def test_an_mcap_file_that_was_cut_anywhere_gives_its_whole_part(tmp_path, messages, options):
    path = write_mcap(tmp_path / "one.mcap", messages, **options)
    whole, _ = stamps(path)
    content = path.read_bytes()
    longest = 0
    for cut in range(200, len(content), len(content) // 40):
        path.write_bytes(content[:cut])
        found, damage = stamps(path)
        assert found == whole[: len(found)]
        assert len(found) >= longest
        longest = len(found)
        if len(found) < len(whole):
            assert damage.startswith(
                "one.mcap has no end, because its recorder was killed or is still recording"
            )
    assert longest > 0.9 * len(whole)


def test_a_part_that_was_allocated_but_never_written_is_left_out(tmp_path, messages):
    path = write_mcap(tmp_path / "one.mcap", messages, chunk_size=20_000)
    whole, _ = stamps(path)
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + bytes(half))
    found, damage = stamps(path)
    assert found == whole[: len(found)]
    assert len(found) > 0.4 * len(whole)
    assert "bytes cannot be read" in damage


@pytest.mark.parametrize(
    "options", [{}, {"enable_crcs": False, "compression": CompressionType.NONE, "use_statistics": False}]
)
def test_any_flipped_byte_gives_messages_or_one_error(tmp_path, messages, options):
    content = mcap_bytes(messages[:60], chunk_size=20_000, **options)
    path = tmp_path / "one.mcap"
    chance = random.Random(2)
    for _ in range(60):
        place = chance.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        with contextlib.suppress(BagError), open_bag(path) as bag:
            for message in bag.messages():
                message.decode()


def test_a_damaged_chunk_in_the_middle_is_an_error_after_what_is_before(tmp_path, messages):
    content = bytearray(mcap_bytes(messages, chunk_size=20_000))
    image = messages[153].message["data"]
    place = content.index(image[:1000])
    content[place] ^= 1
    (tmp_path / "one.mcap").write_bytes(content)
    found = []
    with (
        open_bag(tmp_path / "one.mcap") as bag,
        pytest.raises(BagError, match=r"one.mcap is damaged at byte"),
    ):
        found.extend(bag.messages())
    assert len(found) > 50


def test_an_sqlite3_file_that_was_cut_anywhere_gives_its_whole_part(tmp_path, messages):
    content = (write_bag(tmp_path / "bag", messages, storage="sqlite3") / "bag.db3").read_bytes()
    path = tmp_path / "one.db3"
    path.write_bytes(content)
    whole, _ = stamps(path)
    longest = 0
    for cut in range(60_000, len(content), len(content) // 40):
        path.write_bytes(content[:cut])
        found, damage = stamps(path)
        assert found == whole[: len(found)]
        assert len(found) >= longest
        longest = len(found)
        assert damage.startswith("one.db3 is damaged at the end") == (len(found) < len(whole))
    assert longest > 0.9 * len(whole)


RECORDER = """
import os, sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute(f"PRAGMA journal_mode={sys.argv[2]}")
file.execute("PRAGMA cache_size=1")
copy = "INSERT INTO messages (topic_id, timestamp, data) SELECT topic_id, timestamp + ?, data FROM messages"
file.execute("BEGIN")
file.execute(copy, (10_000_000_000,))
file.execute("COMMIT")
file.execute("BEGIN")
file.execute(copy, (20_000_000_000,))
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_what_a_killed_recorder_committed_is_read_and_its_files_stay(tmp_path, messages, mode):
    path = write_bag(tmp_path / "bag", messages, storage="sqlite3", metadata=False)
    subprocess.run([sys.executable, "-c", RECORDER, path / "bag.db3", mode], check=False)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    assert len(before) > 1
    found, damage = stamps(path)
    assert len(found) == 2 * len(messages)
    assert damage == ""
    after = {file.name: file.read_bytes() for file in path.iterdir()}
    assert {name: data for name, data in after.items() if not name.endswith("-shm")} == {
        name: data for name, data in before.items() if not name.endswith("-shm")
    }


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_recorder_can_write_while_its_bag_is_read(tmp_path, messages, mode):
    path = write_bag(tmp_path / "bag", messages, storage="sqlite3") / "bag.db3"
    recorder = sqlite3.connect(path, isolation_level=None, timeout=0)
    recorder.execute(f"PRAGMA journal_mode={mode}")
    recorder.execute("PRAGMA synchronous=OFF")
    with open_bag(path) as bag:
        found = []
        for message in bag.messages():
            found.append(message.log_ns)
            recorder.execute(
                "INSERT INTO messages (topic_id, timestamp, data) VALUES (1, ?, ?)", (message.log_ns, b"")
            )
    recorder.close()
    assert found == [each.log_ns for each in messages]


def test_an_mcap_file_that_grows_is_read_up_to_where_it_was(tmp_path, messages):
    content = mcap_bytes(messages, chunk_size=20_000)
    path = tmp_path / "one.mcap"
    path.write_bytes(content[: len(content) // 2])
    with open_bag(path) as bag:
        reader = bag.messages()
        found = [next(reader)]
        path.write_bytes(content)
        found += reader
        assert "is still recording" in bag.damage
        assert len(found) == sum(topic.count for topic in bag.topics.values()) < len(messages)


def test_both_files_of_an_interrupted_compression_are_read_once(tmp_path, messages):
    path = write_bag(tmp_path / "bag", messages, compression="file")
    (path / "bag.mcap").write_bytes(mcap_bytes(messages))
    (path / "bag.mcap.zstd").write_bytes((path / "bag.mcap.zstd").read_bytes()[:1000])
    (path / "metadata.yaml").write_text("rosbag2_bagfile_info")
    assert len(stamps(path)[0]) == len(messages)


def test_an_incomplete_compressed_file_gives_its_whole_part(tmp_path, messages):
    path = write_bag(tmp_path / "bag", messages, compression="file")
    file = path / "bag.mcap.zstd"
    file.write_bytes(file.read_bytes()[:-100_000])
    found, damage = stamps(path)
    assert found == []
    assert "bag.mcap has no end" in damage


def test_a_full_disk_is_an_error_that_names_another_place(tmp_path, messages, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = write_bag(tmp_path / "bag", messages, compression="file")
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(BagError, match=r"No space left on device; set TMPDIR to a folder with more space"):
        open_bag(path)


def test_an_empty_bag_has_no_topics_and_no_damage(tmp_path):
    for storage in ("mcap", "sqlite3"):
        with open_bag(write_bag(tmp_path / storage, [], storage=storage)) as bag:
            assert (dict(bag.topics), list(bag.messages()), bag.damage) == ({}, [], "")


def test_a_type_that_two_topics_define_differently_is_decoded_for_each(tmp_path):
    first, second = ({"my/msg/X": text} for text in ("float64 a\n", "string b\n"))
    one = write_mcap(tmp_path / "bag_0.mcap", [Sent("/1", "my/msg/X", 1, {"a": 1.0})], types=store(first))
    write_mcap(tmp_path / "bag_1.mcap", [Sent("/2", "my/msg/X", 2, {"b": "x"})], types=store(second))
    with open_bag(one.parent) as bag:
        a, b = (each.decode() for each in bag.messages())
    assert (a.a, b.b) == (1.0, "x")


IDL = """\
================================================================================
IDL: my/msg/Grip
// generated from rosidl_adapter/resource/msg.idl.em

#include "std_msgs/msg/Header.idl"

module my {
  module msg {
    struct Grip {
      std_msgs::msg::Header header;
      double force;
      sequence<long, 3> steps;
    };
  };
};
"""


def test_definitions_in_idl_are_understood(tmp_path):
    text = {"my/msg/Grip": "std_msgs/Header header\nfloat64 force\nint32[<=3] steps\n"}
    path = _with_schema(tmp_path, store(text), "my/msg/Grip", {"force": 2.5, "steps": [1]}, "ros2idl", IDL)
    with open_bag(path) as bag:
        (message,) = bag.messages()
        assert message.decode().force == 2.5
        assert bag.fields("my/msg/Grip")["steps"] == "sequence<int32, 3>"


def test_the_calls_of_a_service_are_messages(tmp_path):
    trigger = "---\nbool success\nstring message\n"
    parts = {
        "std_srvs/msg/Trigger_Request": "",
        "std_srvs/msg/Trigger_Response": "bool success\nstring message\n",
        "std_srvs/msg/Trigger_Event": (
            "service_msgs/ServiceEventInfo info\n"
            "Trigger_Request[<=1] request\nTrigger_Response[<=1] response\n"
        ),
    }
    call = {"info": {"event_type": 1}, "response": [{"success": True, "message": "saved"}]}
    path = _with_schema(tmp_path, store(parts), "std_srvs/msg/Trigger_Event", call, "ros2msg", trigger)
    path.write_bytes(path.read_bytes().replace(b"std_srvs/msg/Trigger", b"std_srvs/srv/Trigger"))
    with open_bag(path) as bag:
        event = next(bag.messages()).decode()
    assert (event.info.event_type, event.response[0].message, event.request) == (1, "saved", [])


@pytest.mark.parametrize("encoding", ["unknown", ""])
def test_a_type_that_the_recorder_did_not_know_is_that_of_ros(tmp_path, encoding):
    path = _with_schema(tmp_path, store(), "std_msgs/msg/Float64", {"data": 2.5}, encoding, "")
    with open_bag(path) as bag:
        assert next(bag.messages()).decode().data == 2.5


def _with_schema(folder, types, kind, fields, encoding, text, serialization="cdr"):
    from mcap.writer import Writer

    with (folder / "one.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start("ros2", "test")
        schema = writer.register_schema(kind, encoding, text.encode())
        channel = writer.register_channel("/topic", serialization, schema)
        writer.add_message(channel, 1, serialized(types, kind, fields), 1)
        writer.finish()
    return folder / "one.mcap"


def _drop_definitions(path):
    """Make an sqlite3 file like those of humble, which has no definitions."""
    with sqlite3.connect(path / "bag.db3") as file:
        file.execute("DROP TABLE message_definitions")
    file.close()


def test_a_bag_without_definitions_has_the_types_of_ros(tmp_path, messages):
    path = write_bag(tmp_path / "bag", messages, storage="sqlite3")
    _drop_definitions(path)
    with open_bag(path) as bag:
        assert next(bag.messages()).decode().name == ["a"]
        assert bag.fields(JOINTS)["name"] == "sequence<string>"


def test_a_type_without_definition_is_an_error_that_names_it(tmp_path):
    sent = [Sent("/hand", "my/msg/Hand", 1, {"a": 1.0})]
    path = write_bag(tmp_path / "bag", sent, storage="sqlite3", types=store({"my/msg/Hand": "float64 a"}))
    _drop_definitions(path)
    with open_bag(path) as bag:
        (message,) = bag.messages()
        with pytest.raises(
            BagError, match=r"no definition of my/msg/Hand, and it is no type of ROS itself; rec"
        ):
            message.decode()
        with pytest.raises(ConfigError, match=r"no definition of my/msg/Hand"):
            bag.fields("my/msg/Hand")


@pytest.mark.parametrize(
    ("encoding", "text", "serialization", "reason"),
    [
        (
            "ros2msg",
            "float64 [a",
            "cdr",
            r"/topic: cannot use the definition of my/msg/X in the bag: .*leave",
        ),
        (
            "ros2msg",
            "float64 a",
            "json",
            r"/topic: its messages are serialized as 'json', expected cdr, as ROS 2",
        ),
        ("ros2msg", "string a\nfloat64[9] b", "cdr", r"/topic: a message of 12 bytes is no my/msg/X"),
    ],
)
def test_messages_that_cannot_be_decoded_are_an_error_with_a_way_out(
    tmp_path, encoding, text, serialization, reason
):
    types = store({"my/msg/X": "float64 a"})
    path = _with_schema(tmp_path, types, "my/msg/X", {"a": 1.0}, encoding, text, serialization)
    with open_bag(path) as bag:
        (message,) = bag.messages()
        with pytest.raises(BagError, match=reason):
            message.decode()


def _metadata(path, **changes):
    document = yaml.safe_load((path / "metadata.yaml").read_text())
    document["rosbag2_bagfile_information"].update(changes)
    (path / "metadata.yaml").write_text(yaml.safe_dump(document))


def _no_bag(path):
    shutil.rmtree(path)
    path.mkdir()


def _two_kinds(path):
    (path / "metadata.yaml").unlink()
    shutil.copy(path / "bag.mcap", path / "bag.db3")


BAD = {
    "does not exist": (shutil.rmtree, r"bag does not exist$"),
    "no files": (_no_bag, r"bag is no bag: expected a rosbag2 folder, an .mcap or a .db3 file$"),
    "missing": (
        lambda p: (p / "bag.mcap").unlink(),
        r"names bag.mcap, missing in .*: copy it there, or remove",
    ),
    "twice": (
        lambda p: _metadata(p, relative_file_paths=["a/bag.mcap", "b/bag.mcap"]),
        r"names bag.mcap more than once: give its files different names",
    ),
    "two kinds": (_two_kinds, r"files of several kinds, db3, mcap: give the files one by one"),
    "compression": (
        lambda p: _metadata(p, compression_format="lzma"),
        r"bag is compressed as 'lzma', expected zstd or none; convert it with 'ros2 bag convert'",
    ),
    "no mcap": (lambda p: (p / "bag.mcap").write_bytes(b"x" * 99), r"bag.mcap is no MCAP file"),
    "empty": (lambda p: (p / "bag.mcap").write_bytes(b""), r"bag.mcap is no MCAP file"),
}


@pytest.mark.parametrize(("harm", "reason"), BAD.values(), ids=BAD)
def test_what_is_no_bag_is_an_error_with_a_way_out(tmp_path, messages, harm, reason):
    path = write_bag(tmp_path / "bag", messages[:3])
    harm(path)
    with pytest.raises(BagError, match=reason) as error:
        open_bag(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (os.urandom(9000), r"one.db3 is no sqlite3 file, or it is encrypted"),
        (b"SQLite format 3\0" + bytes(9000), r"one.db3 is no bag, or damaged"),
    ],
)
def test_what_is_no_sqlite3_file_is_an_error(tmp_path, content, reason):
    (tmp_path / "one.db3").write_bytes(content)
    with pytest.raises(BagError, match=reason):
        open_bag(tmp_path / "one.db3")


def test_a_bag_of_ros_1_is_an_error_that_names_the_converter(tmp_path):
    (tmp_path / "one.bag").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(BagError, match=r"rosbags-convert --src"):
        open_bag(tmp_path / "one.bag")


def test_an_unknown_compression_of_chunks_is_an_error(tmp_path, messages):
    content = mcap_bytes(messages, chunk_size=20_000).replace(
        b"\x04\x00\x00\x00zstd", b"\x04\x00\x00\x00snap"
    )
    for part in (content, content[: len(content) // 2]):
        (tmp_path / "one.mcap").write_bytes(part)
        with pytest.raises(
            BagError, match=r"one.mcap is compressed as 'snap', expected zstd, lz4 or nothing"
        ):
            open_bag(tmp_path / "one.mcap")


def test_without_the_packages_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"mcap and rosbags: pip install 'lerobot_recorder\[bags\]'"):
        open_bag(tmp_path)

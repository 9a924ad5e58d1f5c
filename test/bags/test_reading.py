"""Bags that are read, in all their forms."""

from __future__ import annotations

import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bags import JOINTS, START_NS, joints, jpeg, write_bag

from lerobot_recorder.bags import open_bag

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

"""Bags, as the discovery sees them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bags import START_NS, Sent, joints, jpeg, qos, write_bag, write_mcap

from lerobot_recorder.bags import open_bag
from lerobot_recorder.topics import survey_of_bag

JPEG = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
URDF = '<robot name="arm7"><joint name="lift" type="prismatic"/></robot>'


def session():
    """Ten seconds: an arm at 50 Hz, its gripper at 10 Hz on the same topic, and a camera at 25 Hz."""
    sent = [Sent("/robot_description", "std_msgs/msg/String", START_NS, {"data": URDF})]
    for number in range(500):
        log_ns = START_NS + number * 20_000_000
        sent.append(joints(log_ns, {"elbow": 0.1, "lift": 0.2}))
        if number % 5 == 0:
            sent.append(joints(log_ns + 1, {"gripper": 1.0}))
        if number % 2 == 0:
            sent.append(jpeg(log_ns + 2, JPEG))
    return [*sent, Sent("/map", "nav_msgs/msg/MapMetaData", START_NS, {})]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_rates_joints_sizes_and_reliability_come_from_the_bag(tmp_path, storage):
    profiles = {"/joint_states": qos(reliable=True), "/camera/image_raw/compressed": qos(reliable=False)}
    path = write_bag(tmp_path / "bag", session(), storage=storage, qos=profiles)
    with open_bag(path) as bag:
        survey = survey_of_bag(bag, 3.0)
    camera, arm, gripper = survey.topics
    assert (arm.joints, arm.rate_hz, arm.received, arm.reliable) == (("elbow", "lift"), 50.0, 151, True)
    assert (gripper.joints, gripper.rate_hz) == (("gripper",), 10.0)
    assert (camera.rate_hz, camera.encoding, camera.width, camera.height) == (25.0, "jpeg", 64, 48)
    assert not camera.reliable
    assert (survey.robot, survey.sliding) == ("arm7", ("lift",))
    assert survey.others == (("/map", "nav_msgs/msg/MapMetaData"),)


def test_reliability_comes_from_the_metadata_where_the_file_lacks_it(tmp_path):
    path = write_bag(tmp_path / "bag", session(), qos={"/joint_states": qos(reliable=False)})
    write_mcap(path / "bag.mcap", session())
    with open_bag(path) as bag:
        assert [topic.reliable for topic in survey_of_bag(bag, 3.0).topics] == [True, False, False]


def test_a_topic_that_is_slower_than_one_looks_has_a_rate(tmp_path):
    sent = [joints(START_NS + number * 10**9, {"a": 0.0}) for number in range(60)]
    with open_bag(write_bag(tmp_path / "bag", sent)) as bag:
        (topic,) = survey_of_bag(bag, 3.0).topics
    assert (topic.rate_hz, topic.received) == (1.0, 4)

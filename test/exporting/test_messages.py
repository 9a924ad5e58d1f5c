"""Features as ROS messages."""

from __future__ import annotations

import numpy as np
import pytest

from lerobot_recorder.exporting.messages import header, topic_of, vector_topics


def message_of(value, **feature):
    (topic,) = vector_topics({"observation.x": feature}, {})
    return topic.message_type, topic.make(header(1_500_000_000), value)


@pytest.mark.parametrize(
    ("names", "joints", "field"),
    [
        (["pan.pos", "lift.pos"], ("pan", "lift"), "position"),
        (["pan.vel", "lift.vel"], ("pan", "lift"), "velocity"),
        (["pan.effort", "lift.effort"], ("pan", "lift"), "effort"),
        (["left_waist", "right_waist"], ("left_waist", "right_waist"), "position"),
        ({"motors": ["a", "b"]}, ("a", "b"), "position"),
        (["arm.pos", "base.vel"], ("arm.pos", "base.vel"), "position"),
    ],
)
def test_named_values_are_joint_states(names, joints, field):
    value = np.array([0.5, 1.5], np.float32)
    kind, message = message_of(value, dtype="float32", shape=[2], names=names)
    assert kind == "sensor_msgs/msg/JointState"
    assert message["name"] == joints
    assert message[field].tolist() == [0.5, 1.5]
    assert message["header"]["stamp"] == {"sec": 1, "nanosec": 500_000_000}


@pytest.mark.parametrize(
    ("dtype", "kind", "value"),
    [("bool", "Bool", True), ("int32", "Int64", -3), ("uint8", "UInt64", 7), ("float64", "Float64", 0.1)],
)
def test_single_values_without_names_have_their_own_type(dtype, kind, value):
    found, message = message_of(np.dtype(dtype).type(value), dtype=dtype, shape=[1], names=None)
    assert found == f"std_msgs/msg/{kind}"
    assert message == {"data": value}


def test_values_without_names_are_arrays_with_their_shape():
    value = np.arange(6, dtype=np.int16).reshape(2, 3)
    kind, message = message_of(value, dtype="int16", shape=[2, 3], names=None)
    assert kind == "std_msgs/msg/Int64MultiArray"
    assert message["data"].tolist() == [0, 1, 2, 3, 4, 5]
    assert message["layout"]["dim"] == [{"size": 2, "stride": 6}, {"size": 3, "stride": 3}]


def test_texts_are_strings():
    assert message_of("go", dtype="string", shape=[1], names=None) == ("std_msgs/msg/String", {"data": "go"})


@pytest.mark.parametrize(
    ("feature", "topic"),
    [
        ("observation.state", "/observation/state"),
        ("observation.images.top-left", "/observation/images/top_left"),
        ("action.2nd", "/action/_2nd"),
    ],
)
def test_a_topic_has_a_name_that_ros_allows(feature, topic):
    assert topic_of(feature) == topic

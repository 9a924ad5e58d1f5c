from __future__ import annotations

import pytest

from lerobot_recorder.discovery import SeenTopic, Survey, make_plan, parameter_text

yaml = pytest.importorskip("yaml")

STATE = SeenTopic(
    "/lab/joint_states", "sensor_msgs/msg/JointState", received=300, rate_hz=100.0, joints=("on", "rail")
)
DEPTH = SeenTopic(
    "/lab/camera/depth/image_raw",
    "sensor_msgs/msg/Image",
    received=6,
    rate_hz=2.0,
    reliable=False,
    encoding="32FC1",
    width=320,
    height=240,
)


def test_the_file_holds_the_plan_for_both_nodes():
    text = parameter_text(make_plan(Survey((STATE, DEPTH), "Big Arm", ("rail",))))
    nodes = {name: node["ros__parameters"] for name, node in yaml.safe_load(text).items()}
    recorder = nodes["/**/recorder"]
    assert recorder["repo_id"] == nodes["/**/encoder"]["repo_id"] == "local/big_arm"
    assert recorder["streams"] == ["state", "camera_depth"]
    assert recorder["state.names"] == ["on", "rail"]
    assert recorder["camera_depth.depth"] is True
    assert recorder["camera_depth.max_age_s"] == 2.0


def test_the_comments_tell_units_rates_and_qos():
    text = parameter_text(make_plan(Survey((STATE, DEPTH), "", ("rail",))))
    assert "# 100.0 Hz, reliable" in text
    assert "rad, and m for rail" in text
    assert "# 2.0 Hz, best effort, 320x240 32FC1" in text
    assert "# Depth in m." in text
    assert "No commands were seen" in text


def test_what_is_left_out_is_named():
    other = SeenTopic("/lab/broadcaster/joint_states", STATE.type, received=300, joints=("on",))
    text = parameter_text(make_plan(Survey((STATE, other))))
    assert (
        "#   /lab/broadcaster/joint_states (sensor_msgs/JointState, once, reliable): its joints are" in text
    )


def test_topics_of_other_types_are_named_too():
    text = parameter_text(make_plan(Survey((STATE,), others=(("/map", "nav_msgs/msg/OccupancyGrid"),))))
    assert "#   /map (nav_msgs/OccupancyGrid): a stream of this type with a field can record" in text


def test_a_text_that_may_be_the_task_is_offered():
    others = (("/task/instruction", "std_msgs/msg/String"), ("/rosout_text", "std_msgs/msg/String"))
    text = parameter_text(make_plan(Survey((STATE,), others=others)))
    assert '#task_topic: "/task/instruction"' in text
    assert '"/rosout_text"' not in text
    assert "/rosout_text (std_msgs/String): task_topic can take the task from it" in text


def uncommented(stream: str, *topics: SeenTopic) -> dict:
    """Return the parameters of an offered stream."""
    text = parameter_text(make_plan(Survey((STATE, *topics))))
    assert f"{stream}." not in str(yaml.safe_load(text))
    changed = yaml.safe_load(text.replace(f"    #{stream}.", f"    {stream}."))
    found = changed["/**/recorder"]["ros__parameters"].items()
    return {name.removeprefix(f"{stream}."): value for name, value in found if name.startswith(f"{stream}.")}


def test_sensors_are_offered_with_the_names_that_their_type_does_not_define():
    imu = SeenTopic("/imu", "sensor_msgs/msg/Imu", received=300, rate_hz=100.0)
    assert uncommented("imu", imu) == {"topic": "/imu", "type": imu.type, "feature": "observation.imu"}
    joy = SeenTopic("/joy", "sensor_msgs/msg/Joy", received=300, numbers=("axes[0]", "buttons[0]"))
    assert uncommented("joy", joy)["names"] == ["axes[0]", "buttons[0]"]
    many = SeenTopic("/skin", "std_msgs/msg/UInt8MultiArray", received=9, numbers=tuple(map(str, range(900))))
    text = parameter_text(make_plan(Survey((STATE, many))))
    assert "/skin (std_msgs/UInt8MultiArray, once, reliable): it has no values, or very many" in text


TREE = (("base_link", "shoulder"), ("shoulder", "wrist"), ("wrist", "gripper_link"), ("wrist", "camera"))


def test_the_transform_from_base_to_tool_is_offered():
    moving = SeenTopic("/tf", "tf2_msgs/msg/TFMessage", received=300, rate_hz=50.0, links=TREE)
    base = SeenTopic("/tf", "tf2_msgs/msg/TFMessage", received=30, links=(("odom", "base_link"),))
    held = SeenTopic("/tf_static", "tf2_msgs/msg/TFMessage", received=1, links=(("gripper_link", "tcp"),))
    expected = {
        "topic": "/tf",
        "type": "tf",
        "parent": "base_link",
        "child": "tcp",
        "feature": "observation.tcp",
    }
    assert uncommented("tcp", moving, base, held) == expected
    text = parameter_text(make_plan(Survey((STATE, moving, held))))
    assert "the frames are base_link, camera, gripper_link, shoulder, tcp, wrist" in text
    assert "/tf_static" not in text


def test_a_tree_that_does_not_move_or_has_a_loop_offers_nothing_impossible():
    held = SeenTopic("/tf_static", "tf2_msgs/msg/TFMessage", received=1, links=(("a", "b"),))
    text = parameter_text(make_plan(Survey((STATE, held))))
    assert "/tf_static (tf2_msgs/TFMessage, once, reliable): a stream of the type tf records" in text
    loop = SeenTopic("/tf", held.type, received=9, links=(("a", "b"), ("b", "a")))
    make_plan(Survey((STATE, loop)))


def test_an_offered_stream_is_recorded_once_its_lines_are_uncommented():
    wrench = SeenTopic("/ft", "geometry_msgs/msg/WrenchStamped", received=300, rate_hz=100.0)
    text = parameter_text(make_plan(Survey((STATE, wrench))))
    assert "ft.topic" not in yaml.safe_load(text)["/**/recorder"]["ros__parameters"]
    added = yaml.safe_load(text.replace("    #ft", "    ft"))["/**/recorder"]["ros__parameters"]
    expected = {"ft.topic": "/ft", "ft.type": wrench.type, "ft.feature": "observation.ft"}
    assert {name: added[name] for name in expected} == expected


@pytest.mark.parametrize(("received", "max_age_s"), [(0, 3600.0), (3, 3600.0), (150, None)])
def test_a_command_of_a_motion_holds_until_the_next_unless_commands_are_streamed(received, max_age_s):
    command = SeenTopic(
        "/lab/arm_controller/joint_trajectory",
        "trajectory_msgs/msg/JointTrajectory",
        received=received,
        rate_hz=received / 3,
        joints=("on", "rail"),
    )
    text = parameter_text(make_plan(Survey((STATE, command))))
    recorder = yaml.safe_load(text)["/**/recorder"]["ros__parameters"]
    assert recorder["action.topic"] == command.name
    assert recorder.get("action.max_age_s") == max_age_s
    assert ("is valid until the next" in text) == (max_age_s is not None)


def test_a_stream_slower_than_the_rows_is_declared():
    slow = SeenTopic("/lab/joint_states", STATE.type, received=30, rate_hz=10.0, joints=("on", "rail"))
    both, alone = (
        yaml.safe_load(parameter_text(make_plan(Survey(topics))))["/**/recorder"]["ros__parameters"]
        for topics in ((slow, DEPTH), (slow,))
    )
    assert (both["fps"], alone["fps"]) == (5, 30)
    assert "state.min_rate_hz" not in both
    assert both["camera_depth.min_rate_hz"] == 1.6
    assert alone["state.min_rate_hz"] == 8.0

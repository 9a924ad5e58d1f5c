from __future__ import annotations

import pytest

from lerobot_recorder.discovery import SeenTopic, Survey, make_plan
from lerobot_recorder.discovery.seen import described
from lerobot_recorder.errors import StreamError

JOINTS = ("shoulder_joint", "elbow_joint")
TYPES = {
    "joint_states": "sensor_msgs/msg/JointState",
    "joint_commands": "sensor_msgs/msg/JointState",
    "joint_target": "sensor_msgs/msg/JointState",
    "joint_trajectory": "trajectory_msgs/msg/JointTrajectory",
    "commands": "std_msgs/msg/Float64MultiArray",
    "controller_state": "control_msgs/msg/JointTrajectoryControllerState",
    "cmd_vel": "geometry_msgs/msg/Twist",
    "compressed": "sensor_msgs/msg/CompressedImage",
    "compressedDepth": "sensor_msgs/msg/CompressedImage",
    "image_compressed": "sensor_msgs/msg/CompressedImage",
}


def seen(name: str, joints: tuple[str, ...] = (), rate_hz: float = 30.0, **facts) -> SeenTopic:
    kind = TYPES.get(name.rsplit("/", 1)[1], "sensor_msgs/msg/Image")
    if kind.endswith("Image"):
        facts = {"encoding": "rgb8" if kind == "sensor_msgs/msg/Image" else "jpeg", **facts}
    return SeenTopic(name, kind, received=round(rate_hz * 3), rate_hz=rate_hz, joints=joints, **facts)


def planned(*topics: SeenTopic) -> dict[str, str]:
    return {stream.name: stream.topic.name for stream in make_plan(Survey(topics)).streams}


def stream(name: str, *topics: SeenTopic):
    return next(stream for stream in make_plan(Survey(topics)).streams if stream.name == name)


STATE = seen("/arm/joint_states", JOINTS)


def test_a_leader_is_the_action_and_not_another_arm():
    found = planned(seen("/follower/joint_states", JOINTS), seen("/leader/joint_states", JOINTS))
    assert found == {"state": "/follower/joint_states", "action": "/leader/joint_states"}


@pytest.mark.parametrize("told", ["/follower/joint_target", "/follower/joint_commands"])
def test_what_a_follower_is_told_comes_before_its_leader(told):
    state, leader = seen("/follower/joint_states", JOINTS), seen("/leader/joint_states", JOINTS)
    assert planned(state, leader, seen(told, JOINTS)) == {"state": state.name, "action": told}
    assert planned(state, leader, seen(told, JOINTS, 0.0))["action"] == leader.name


@pytest.mark.parametrize(
    "command",
    [
        seen("/arm/joint_trajectory_controller/joint_trajectory", JOINTS),
        seen("/arm/forward_position_controller/commands", values=2),
        seen("/arm/joint_trajectory_controller/controller_state", JOINTS),
        seen("/arm/joint_commands", JOINTS),
    ],
)
def test_each_of_the_usual_controllers_gives_the_action(command):
    action = stream("action", STATE, command)
    assert action.topic == command
    assert (action.aliases or action.names) == ("shoulder", "elbow")


def test_commands_that_are_sent_come_before_the_controllers_aim_and_that_before_those_nobody_sends():
    sent = seen("/arm/jtc/joint_trajectory", JOINTS)
    aim = seen("/arm/jtc/controller_state", JOINTS)
    silent = seen("/arm/jtc/joint_trajectory", JOINTS, 0.0)
    assert planned(STATE, aim, sent)["action"] == sent.name
    assert planned(STATE, aim, silent)["action"] == aim.name
    action = stream("action", STATE, silent)
    assert "no publisher yet" in action.remarks[0]


def test_several_controllers_share_an_arm_and_the_state_takes_their_order():
    state = seen("/joint_states", ("finger", "elbow", "shoulder", "wheel"))
    arm = seen("/arm_controller/commands", ("shoulder", "elbow"))
    gripper = seen("/gripper_controller/commands", ("finger",))
    found = planned(state, arm, gripper)
    assert list(found) == ["state", "arm_action", "gripper_action"]
    assert stream("state", state, arm, gripper).names == ("shoulder", "elbow", "finger", "wheel")


def test_two_arms_keep_their_namespaces_and_their_joints_apart():
    sides = ("left", "right")
    topics = [
        seen(f"/{side}/{role}/joint_states", JOINTS) for side in sides for role in ("follower", "leader")
    ]
    streams = make_plan(Survey(tuple(topics))).streams
    names = {each.name: each.aliases for each in streams}
    assert names == {
        "left_state": ("left_shoulder", "left_elbow"),
        "right_state": ("right_shoulder", "right_elbow"),
        "left_leader_action": ("left_shoulder", "left_elbow"),
        "right_leader_action": ("right_shoulder", "right_elbow"),
    }
    assert [each.feature for each in streams] == ["observation.state"] * 2 + ["action"] * 2


def test_an_arm_and_a_gripper_on_one_topic_are_two_streams_of_it():
    arm, gripper = seen("/joint_states", JOINTS), seen("/joint_states", ("finger",))
    streams = make_plan(Survey((arm, gripper))).streams
    assert {each.name: (each.topic, each.feature) for each in streams} == {
        "state": (arm, "observation.state"),
        "state_2": (gripper, "observation.state"),
    }
    assert all("another stream records" in each.remarks[0] for each in streams)


def test_joint_states_that_others_hold_already_are_left_out():
    merged = seen("/joint_states", (*JOINTS, "finger"))
    plan = make_plan(Survey((merged, seen("/broadcaster/joint_states", JOINTS))))
    assert [each.topic for each in plan.streams] == [merged]
    ((topic, why),) = plan.left_out
    assert (topic.name, why) == ("/broadcaster/joint_states", "its joints are recorded from /joint_states")


def test_a_mobile_base_adds_its_velocities_to_the_action():
    found = planned(STATE, seen("/arm/joint_commands", JOINTS), seen("/cmd_vel"))
    assert found["cmd_vel_action"] == "/cmd_vel"


def test_values_without_names_are_numbered_and_said_to_be_so():
    action = stream("action", STATE, seen("/arm/hand_controller/commands", values=3))
    assert action.names == tuple(f"arm_hand_controller_{number}" for number in range(3))
    assert "check their order" in action.remarks[0]


def test_each_camera_has_one_transport_compressed_where_there_is():
    found = planned(
        seen("/camera1/image_raw"),
        seen("/camera1/image_compressed"),
        seen("/camera2/image_raw"),
        seen("/camera2/image_raw/compressed"),
        seen("/cameras/top"),
        seen("/wrist_camera/image_rect"),
        seen("/wrist_camera/image_raw"),
    )
    assert found == {
        "camera1": "/camera1/image_compressed",
        "camera2": "/camera2/image_raw/compressed",
        "top": "/cameras/top",
        "wrist": "/wrist_camera/image_raw",
    }


def test_depth_is_marked_raw_and_aligned_where_it_can_be():
    camera = "/camera/camera"
    topics = (
        seen(f"{camera}/color/image_raw/compressed"),
        seen(f"{camera}/depth/image_rect_raw", encoding="16UC1"),
        seen(f"{camera}/aligned_depth_to_color/image_raw", encoding="16UC1"),
        seen(f"{camera}/aligned_depth_to_color/image_raw/compressedDepth", encoding="16UC1"),
    )
    streams = make_plan(Survey(topics)).streams
    assert {each.name: (each.topic.name, each.depth) for each in streams} == {
        "camera": (f"{camera}/color/image_raw/compressed", False),
        "camera_depth": (f"{camera}/aligned_depth_to_color/image_raw", True),
    }


def test_what_cannot_be_recorded_or_sends_nothing_is_left_out():
    video = seen("/top/image_raw/compressed", encoding="")
    silent = seen("/wrist/image_raw", rate_hz=0.0)
    plan = make_plan(Survey((STATE, seen("/top/image_raw"), video, silent)))
    assert [each.topic.name for each in plan.streams] == ["/arm/joint_states", "/top/image_raw"]
    assert dict(plan.left_out) == {
        video: "/top/image_raw has the same images",
        silent: "no message arrived",
    }


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        (seen("/values/commands"), "its values have no names"),
        (seen("/lidar/image_raw", encoding="64FC1"), "images with the encoding 64FC1 cannot be recorded"),
    ],
)
def test_whatever_is_left_out_has_a_reason(topic, why):
    assert dict(make_plan(Survey((STATE, topic))).left_out) == {topic: why}


@pytest.mark.parametrize("kind", ["Wrench", "WrenchStamped", "Pose", "PoseStamped", "Twist", "TwistStamped"])
def test_what_describes_a_body_is_offered(kind):
    body = SeenTopic("/tool/measured", f"geometry_msgs/msg/{kind}", received=90, rate_hz=30.0)
    plan = make_plan(Survey((STATE, body)))
    assert [each.topic for each in plan.streams] == [STATE]
    assert [(each.name, each.topic, each.feature) for each in plan.offered] == [
        ("tool_measured", body, "observation.tool_measured")
    ]
    assert not plan.left_out


@pytest.mark.parametrize(
    ("rates", "fps"), [((30.2, 26.9), 30), ((60.0,), 30), ((14.8, 30.0), 15), ((3.0,), 5), ((), 30)]
)
def test_rows_come_as_often_as_the_slowest_cameras_images(rates, fps):
    cameras = [seen(f"/camera{number}/image_raw", rate_hz=rate) for number, rate in enumerate(rates)]
    assert make_plan(Survey((STATE, *cameras))).fps == fps


@pytest.mark.parametrize("topics", [(), (seen("/top/image_raw", rate_hz=0.0),)])
def test_where_nothing_is_published_that_is_said(topics):
    with pytest.raises(StreamError, match="no joint states, commands or images are published: start"):
        make_plan(Survey(topics))


def test_a_survey_survives_its_way_between_processes():
    survey = Survey((STATE, seen("/top/image_raw", width=640, height=480)), "arm", ("finger",))
    assert Survey.from_json(survey.to_json()) == survey


def test_a_description_tells_the_name_and_what_slides():
    urdf = '<robot name="ur5e"><joint name="a" type="revolute"/><joint name="b" type="prismatic"/></robot>'
    assert described(["", "no urdf", urdf]) == ("ur5e", ("b",))
    assert described([]) == ("", ())

"""Vectors of joints by name, and of the numbers of any type by their paths."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs import msg as geometry
from geometry_msgs.msg import Pose, PoseStamped, Twist
from sensor_msgs.msg import Imu, JointState, Joy, MultiDOFJointState
from std_msgs.msg import ByteMultiArray, Float64MultiArray, UInt8MultiArray
from trajectory_msgs.msg import (
    JointTrajectory,
    JointTrajectoryPoint,
    MultiDOFJointTrajectory,
    MultiDOFJointTrajectoryPoint,
)

from lerobot_recorder.errors import ConfigError, StreamError
from lerobot_recorder.nodes.message_types import InstalledTypes
from lerobot_recorder.topics import vectors
from lerobot_recorder.topics.fields import Kind, Layout, MessageTypes

XYZ = ("x", "y", "z")
POSE = tuple(f"position.{axis}" for axis in XYZ) + tuple(f"orientation.{axis}" for axis in (*XYZ, "w"))
TWIST = tuple(f"{part}.{axis}" for part in ("linear", "angular") for axis in XYZ)


class DefinedTypes:
    """Types that only a test defines."""

    def __init__(self, **fields: dict[str, str]) -> None:
        self._fields = {f"lab_msgs/msg/{name}": each for name, each in fields.items()}

    def fields(self, message_type: str) -> dict[str, str]:
        return self._fields[message_type]


def vector(kind: str, types: MessageTypes | None = None, **settings: Any) -> vectors.Vector:
    return vectors.vector_of(Layout(kind, types or InstalledTypes()), **settings)


def taken(message: Any, **settings: Any) -> dict[str, float]:
    """Return the values of a message by their names in the dataset."""
    package = type(message).__module__.partition(".")[0]
    made = vector(f"{package}/msg/{type(message).__name__}", **settings)
    values = made.take(message)
    assert values.dtype == np.float64
    return dict(zip(made.names, values.tolist(), strict=True))


# Joints


def test_the_fault_of_a_message_with_many_names_is_a_short_text():
    take = vector("sensor_msgs/msg/JointState", names=("one", "two")).take
    with pytest.raises(
        StreamError, match=r"no joint one in the message, it has two, joint_0, .* more"
    ) as refusal:
        take(JointState(name=["two", *(f"joint_{k}" for k in range(100_000)), "x" * 100_000]))
    assert len(str(refusal.value)) < 300


def test_joints_are_found_by_name_in_any_order():
    take = vector("sensor_msgs/msg/JointState", field="velocity", names=("elbow", "wrist_joint")).take
    state = JointState(name=["wrist", "x", "elbow_joint"], position=[0.0] * 3, velocity=[1.0, 2.0, 3.0])
    assert take(state).tolist() == [3.0, 1.0]
    with pytest.raises(StreamError, match="no joint elbow"):
        take(JointState(name=["wrist"], velocity=[1.0]))
    with pytest.raises(StreamError, match="3 joints but 0 values of velocity"):
        take(JointState(name=["wrist", "x", "elbow"]))


def test_joints_that_change_their_order_between_messages_are_found():
    take = vector("sensor_msgs/msg/JointState", names=("a", "b")).take
    for names, values in (("ab", [1.0, 2.0]), ("ba", [2.0, 1.0]), ("xba", [0.0, 2.0, 1.0])):
        assert take(JointState(name=list(names), position=values)).tolist() == [1.0, 2.0]
    with pytest.raises(vectors.OtherJointsError):
        take(JointState(name=["x"], position=[0.0]))
    assert take(JointState(name=["a", "b"], position=[1.0, 2.0])).tolist() == [1.0, 2.0]


def test_exact_joint_names_are_preferred():
    for found in (["gripper", "gripper_joint"], ["gripper_joint", "gripper"]):
        for name in found:
            take = vector("sensor_msgs/msg/JointState", names=(name,)).take
            assert take(JointState(name=found, position=[0.0, 1.0])).tolist() == [found.index(name)]


def test_commands_of_the_usual_controllers():
    trajectory = JointTrajectory(joint_names=["b", "a"], points=[JointTrajectoryPoint(positions=[2.0, 1.0])])
    assert taken(trajectory, names=("a", "b")) == {"a.pos": 1, "b.pos": 2}
    assert taken(Float64MultiArray(data=[1.0, 2.0]), names=("a", "b")) == {"a.pos": 1, "b.pos": 2}
    with pytest.raises(StreamError, match="3 values, 2 are named"):
        taken(Float64MultiArray(data=[1.0, 2.0, 3.0]), names=("a", "b"))


@pytest.mark.parametrize("aim", ["reference", "desired"])
def test_the_reference_of_controllers_is_read(aim):
    point = {"positions": "sequence<double>", "velocities": "sequence<double>"}
    types = SimpleNamespace(
        fields=lambda kind: point if "Point" in kind else {aim: "trajectory_msgs/JointTrajectoryPoint"}
    )
    kind = "control_msgs/msg/JointTrajectoryControllerState"
    take = vector(kind, types, field="velocity", names=("a", "b")).take
    point = JointTrajectoryPoint(positions=[8.0, 9.0], velocities=[2.0, 1.0])
    assert take(SimpleNamespace(joint_names=["b", "a"], **{aim: point})).tolist() == [1.0, 2.0]


def test_joints_with_several_degrees_of_freedom_are_found_by_name():
    far, near = geometry.Transform(), geometry.Transform()
    far.translation.x, near.translation.y = 5.0, 0.5
    turn = geometry.Twist()
    turn.angular.z = 2.0
    trajectory = MultiDOFJointTrajectory(
        joint_names=["arm", "base"],
        points=[MultiDOFJointTrajectoryPoint(transforms=[far, near], velocities=[geometry.Twist(), turn])],
    )
    moved = taken(trajectory, names=("base", "arm"))
    assert (moved["base.translation.y"], moved["arm.translation.x"], moved["arm.rotation.w"]) == (0.5, 5, 1)
    assert taken(trajectory, field="velocity", names=("base",))["base.angular.z"] == 2.0
    state = MultiDOFJointState(joint_names=["base"], transforms=[near], twist=[turn])
    assert taken(state, names=("base",), aliases=("robot",))["robot.translation.y"] == 0.5
    with pytest.raises(StreamError, match="1 joints but 0 values of effort"):
        taken(state, field="effort", names=("base",))
    with pytest.raises(StreamError, match="the trajectory has no point"):
        taken(MultiDOFJointTrajectory(joint_names=["base"]), names=("base",))


# Numbers of any type


@pytest.mark.parametrize("kind", [each for each in vectors.USUAL_TYPES if not each.startswith("control")])
def test_usual_types_are_recorded_without_a_path_or_ask_for_names(kind):
    package, _, name = kind.split("/")
    message = getattr(pytest.importorskip(f"{package}.msg"), name)()
    if "Joint" in name or "Array" in name or name == "Joy":
        with pytest.raises(ConfigError, match=r"give names|names: name the joints"):
            vector(kind)
    else:
        made = vector(kind)
        assert made.take(message).shape == (len(made.names),)
    assert Layout(kind, InstalledTypes()).has_header == hasattr(message, "header")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("geometry_msgs/msg/Twist", TWIST),
        ("geometry_msgs/msg/Accel", TWIST),
        ("geometry_msgs/msg/Pose", POSE),
        ("geometry_msgs/msg/PoseWithCovariance", POSE),
        ("geometry_msgs/msg/TwistWithCovariance", TWIST),
        ("geometry_msgs/msg/Point", XYZ),
        ("geometry_msgs/msg/Quaternion", (*XYZ, "w")),
    ],
)
def test_stamped_messages_have_the_same_names_as_plain_ones(kind, names):
    assert vector(kind).names == vector(f"{kind}Stamped").names == names


def test_covariances_stamps_and_constants_are_left_out_unless_a_path_leads_to_them():
    imu = Imu()
    imu.linear_acceleration.z = 9.8
    imu.orientation_covariance[8] = 0.5
    imu.header.stamp.sec = 7
    assert list(taken(imu)) == [
        *(f"orientation.{axis}" for axis in (*XYZ, "w")),
        *(f"{quantity}.{axis}" for quantity in ("angular_velocity", "linear_acceleration") for axis in XYZ),
    ]
    assert taken(imu)["linear_acceleration.z"] == 9.8
    assert taken(imu, field="orientation_covariance")["orientation_covariance[8]"] == 0.5
    assert taken(imu, names=("header.stamp.sec", "orientation.w")) == {
        "header.stamp.sec": 7,
        "orientation.w": 1,
    }
    assert vector("sensor_msgs/msg/Range").names == ("range",)
    assert vector("sensor_msgs/msg/BatteryState", names=("charge", "cell_voltage[1]")).names[0] == "charge"


def test_a_path_takes_all_numbers_below_it():
    wrench = geometry.WrenchStamped()
    wrench.wrench.force.y = 3.0
    assert taken(wrench, field="wrench.force") == {"force.x": 0, "force.y": 3, "force.z": 0}
    assert taken(wrench, field="wrench.force.y") == {"force.y": 3}
    assert taken(wrench, field="wrench.force", names=("y", "x")) == {"y": 3, "x": 0}
    assert taken(wrench, names=("wrench.force.y",), aliases=("push",)) == {"push": 3}
    assert taken(Pose(), field="position") == {"position.x": 0, "position.y": 0, "position.z": 0}
    odometry = pytest.importorskip("nav_msgs.msg").Odometry()
    odometry.pose.pose.position.x, odometry.pose.covariance[35] = 1.5, 0.1
    assert taken(odometry)["pose.position.x"] == 1.5
    assert len(taken(odometry)) == 13
    assert taken(odometry, field="pose.pose.position.x") == {"pose.position.x": 1.5}
    assert taken(odometry, field="pose.covariance[35]") == {"pose.covariance[35]": 0.1}


def test_elements_of_arrays_are_taken_by_index_or_all_by_names():
    joy = Joy(axes=[0.5, -0.5], buttons=[0, 1])
    assert taken(joy, names=("axes[1]", "buttons[1]")) == {"axes[1]": -0.5, "buttons[1]": 1}
    assert taken(joy, field="axes", names=("left", "right")) == {"left": 0.5, "right": -0.5}
    assert taken(UInt8MultiArray(data=[3, 4]), names=("a", "b")) == {"a": 3, "b": 4}
    assert taken(Float64MultiArray(data=[1.0, 2.0, 3.0]), field="data[2]") == {"data[2]": 3}
    assert taken(Float64MultiArray(data=[1.0, 2.0]), names=("data[1]", "data[0]")) == {
        "data[1]": 2,
        "data[0]": 1,
    }
    trajectory = JointTrajectory(points=[JointTrajectoryPoint(positions=[1.0, 2.0])])
    assert taken(trajectory, field="points[0].positions[1]") == {"points[0].positions[1]": 2}
    with pytest.raises(StreamError, match=r"no buttons\[3\]: only 2 elements are there"):
        taken(joy, field="buttons[3]")
    with pytest.raises(StreamError, match="2 values, 1 are named"):
        taken(joy, field="axes", names=("left",))


def test_octets_and_truth_values_are_numbers():
    assert taken(ByteMultiArray(data=[b"\x03", b"\xff"]), names=("a", "b")) == {"a": 3, "b": 255}
    for name, value, number in (
        ("Byte", b"\x07", 7),
        ("Bool", True, 1),
        ("Char", 65, 65),
        ("Int64", -(2**40), -(2**40)),
    ):
        message = getattr(import_module("std_msgs.msg"), name)(data=value)
        assert taken(message) == {"data": number}


@pytest.mark.parametrize(
    ("kind", "settings", "why"),
    [
        ("WrenchStamped", {"field": "wrench.forces"}, "wrench has no field forces; it has force, torque"),
        ("WrenchStamped", {"field": "header.frame_id"}, "header.frame_id has no number .* it is a string"),
        ("WrenchStamped", {"names": ["force.x", "forc.y"]}, "has no value forc.y; it has force.x, force.y"),
        ("WrenchStamped", {"names": ["header.frame_id"]}, "frame_id is not one number; it is a string"),
        ("WrenchStamped", {"field": "wrench..force"}, "expected a path such as pose.position.x"),
        ("WrenchStamped", {"field": "wrench.force.x[0]"}, "wrench.force.x has no elements: it is a double"),
        ("WrenchStamped", {"aliases": ["a"]}, "aliases: 1 for the 6 values force.x"),
        ("PoseWithCovariance", {"field": "covariance[36]"}, r"covariance has 36 elements, no \[36\]"),
        ("PolygonStamped", {}, r"it has header, polygon"),
        ("PolygonStamped", {"field": "polygon.points"}, r"give an index, such as polygon.points\[0\]"),
        ("PolygonStamped", {"field": "polygon.points.x"}, r"give an index, such as polygon.points\[0\]"),
    ],
)  # fmt: skip
def test_a_path_that_leads_nowhere_is_refused_with_what_there_is(kind, settings, why):
    with pytest.raises(ConfigError, match=why):
        vector(f"geometry_msgs/msg/{kind}", **settings)


def test_types_without_numbers_and_with_arrays_say_what_to_give():
    with pytest.raises(ConfigError, match=r"std_msgs/msg/String has no number .* it has data"):
        vector("std_msgs/msg/String")
    with pytest.raises(
        ConfigError, match=r"how many values axes, buttons has: give names, such as axes\[0\]"
    ):
        vector("sensor_msgs/msg/Joy")
    with pytest.raises(ConfigError, match="no field torque; it has header, name, position, velocity, effort"):
        vector("sensor_msgs/msg/JointState", field="torque", names=["elbow"])
    endless = DefinedTypes(Endless={"inner": "lab_msgs/Endless", "value": "double"})
    with pytest.raises(ConfigError, match="lab_msgs/msg/Endless contain themselves"):
        vector("lab_msgs/msg/Endless", endless)
    huge = DefinedTypes(Huge={"data": "double[1000000]"})
    with pytest.raises(ConfigError, match="more than 10000 numbers"):
        vector("lab_msgs/msg/Huge", huge)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("double", Kind("double")),
        ("geometry_msgs/Pose", Kind("geometry_msgs/msg/Pose")),
        ("geometry_msgs/msg/Pose", Kind("geometry_msgs/msg/Pose")),
        ("sequence<double>", Kind("double", is_array=True)),
        ("sequence<geometry_msgs/Pose, 4>", Kind("geometry_msgs/msg/Pose", is_array=True)),
        ("double[36]", Kind("double", is_array=True, length=36)),
        ("float64[]", Kind("float64", is_array=True)),
        ("float64[<=3]", Kind("float64", is_array=True)),
        ("string<10>", Kind("string<10>")),
    ],
)
def test_types_of_fields_are_read_in_any_notation(text, kind):
    assert Kind.parse(text) == kind


def test_types_and_messages_of_a_bag_are_read_like_installed_ones():
    pytest.importorskip("rosbags")
    from bag_types import BagTypes

    text = "std_msgs/Header header\nlab_msgs/Finger[2] fingers\nfloat32[] raw\nbyte mode\nbool ok\n"
    types = BagTypes(Finger="float64 force\nuint8 id\nstring label\n", Hand=text)
    made = vector("lab_msgs/msg/Hand", types)
    assert made.names == (
        "fingers[0].force",
        "fingers[0].id",
        "fingers[1].force",
        "fingers[1].id",
        "mode",
        "ok",
    )
    known = types.store.types
    header = known["std_msgs/msg/Header"](known["builtin_interfaces/msg/Time"](1, 2), "hand")
    finger = known["lab_msgs/msg/Finger"]
    hand = types.make(
        "lab_msgs/msg/Hand",
        header,
        [finger(0.5, 1, "a"), finger(1.5, 2, "b")],
        np.ones(3, np.float32),
        9,
        True,
    )
    assert made.take(hand).tolist() == [0.5, 1, 1.5, 2, 9, 1]
    assert vector("lab_msgs/msg/Hand", types, field="raw", names="abc").take(hand).tolist() == [1, 1, 1]
    assert vector("lab_msgs/msg/Hand", types, names=["raw[2]"]).take(hand).tolist() == [1]
    for kind in ("sensor_msgs/msg/Imu", "geometry_msgs/msg/PoseStamped"):
        assert vector(kind, types).names == vector(kind).names


def test_poses_of_installed_types_can_be_taken_in_part():
    pose = PoseStamped()
    pose.pose.position.y = 2.0
    assert taken(pose, names=("position.y", "orientation.w")) == {"position.y": 2, "orientation.w": 1}
    twist = Twist()
    twist.linear.x, twist.angular.z = 0.5, -0.25
    assert list(taken(twist).values()) == [0.5, 0, 0, 0, 0, -0.25]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (JointState(name=["a", "b"], position=[1.0, 2.0]), {"a": 1, "b": 2}),
        (geometry.PointStamped(), {"x": 0, "y": 0, "z": 0}),
        (Float64MultiArray(data=[3.0, 4.0]), {"data[0]": 3, "data[1]": 4}),
        (Joy(axes=[0.5], buttons=[1]), {"axes[0]": 0.5, "buttons[0]": 1}),
    ],
)
def test_the_values_of_a_message_are_shown_by_name(message, shown):
    package = type(message).__module__.partition(".")[0]
    layout = Layout(f"{package}/msg/{type(message).__name__}", InstalledTypes())
    assert vectors.values_in(layout, message) == shown

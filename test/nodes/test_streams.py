from __future__ import annotations

import array
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped, WrenchStamped
from rclpy.clock import Clock as RosClock
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, JointState, Joy
from std_msgs.msg import Bool, Float64MultiArray, String

from lerobot_recorder.discovery import VIDEO
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.nodes.clock import node_clock
from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.nodes.parameters import Parameters
from lerobot_recorder.nodes.streams import Listener, Subscriptions, _check_topic
from lerobot_recorder.spool import Spool
from lerobot_recorder.topics import PARAMETERS, STREAM_PARAMETERS, StreamSettings, bindings
from lerobot_recorder.topics.tf import TransformTracker

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
OVERRIDE = "qos_overrides./robot/joint_states.subscription"


def subscribed(graph, topic: str = "/robot/joint_states"):
    infos = graph.node.get_subscriptions_info_by_topic(topic)
    return [info.qos_profile.reliability for info in infos]


def republish(graph, robot, reliability) -> None:
    """Replace the publisher, in the thread that publishes: there is none to publish with in between."""

    def replace() -> None:
        graph.node.destroy_publisher(robot.joints)
        robot.joints = graph.node.create_publisher(
            JointState, "robot/joint_states", QoSProfile(depth=10, reliability=reliability)
        )

    graph.do(replace)


def alive(graph) -> bool:
    return not graph.status["recorder"]["missing"]


@pytest.fixture
def subscribe(graph):
    """Return what makes the subscriptions of a recorder within the test's own process."""
    nodes, made = [], []

    def make(values: dict) -> Subscriptions:
        given = [Parameter(name, value=value) for name, value in values.items()]
        node = GuardedNode("recorder", context=graph.context, parameter_overrides=given)
        nodes.append(node)
        parameters = Parameters(node)
        parameters.declare(PARAMETERS)
        for name in parameters["streams"]:
            parameters.declare(STREAM_PARAMETERS, f"{name}.")
        topics = Subscriptions(node, parameters, node_clock(node))
        graph.do(lambda: graph.executor.add_node(node))
        made.append(topics)
        return topics

    yield make
    for node, topics in zip(nodes, made, strict=True):
        graph.do(lambda node=node: graph.executor.remove_node(node))
        topics.close()
        node.destroy_node()


def joint_states(**settings) -> dict:
    """Parameters for a recorder of joint states alone."""
    named = {"topic": "robot/joint_states", "names": ["one", "two"], **settings}
    return {"streams": ["state"], **{f"state.{name}": value for name, value in named.items()}}


def test_messages_out_of_order_are_sorted():
    listener = Listener(binding=None, topic="")  # type: ignore[arg-type]
    second = 10**9
    assert [listener.note_arrival(came) for came in (1, 5, 3, 4, 6)] == [1, 5, 5, 5, 6]
    assert [listener.note_arrival(came * second) for came in (100, 99, 40, 41)] == [
        100 * second, 100 * second, 40 * second, 41 * second,
    ]  # fmt: skip


def test_a_publisher_that_returns_with_another_reliability_is_received(graph, make_robot, tmp_path):
    robot = make_robot()
    graph.start("recorder", robot.recorder_parameters(tmp_path / "data"))
    for reliability in (RELIABLE, BEST_EFFORT, RELIABLE):
        republish(graph, robot, reliability)
        graph.wait(lambda reliability=reliability: subscribed(graph) == [reliability])
        graph.status.clear()
        graph.wait(lambda: alive(graph))


def test_qos_overrides_have_the_last_word(graph, make_robot, tmp_path):
    robot = make_robot()
    override = {f"{OVERRIDE}.reliability": "best_effort", f"{OVERRIDE}.depth": 7}
    graph.start("recorder", {**robot.recorder_parameters(tmp_path / "data"), **override})
    graph.wait(lambda: alive(graph))
    assert subscribed(graph) == [BEST_EFFORT]
    assert subscribed(graph, "/robot/camera") == [RELIABLE]
    republish(graph, robot, BEST_EFFORT)
    republish(graph, robot, RELIABLE)
    graph.status.clear()
    graph.wait(lambda: alive(graph))
    assert subscribed(graph) == [BEST_EFFORT]
    assert not graph.set_parameter("recorder", f"{OVERRIDE}.depth", 8)[0]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({f"{OVERRIDE}.reliability": "likely"}, "expected one of system_default, reliable, best_effort"),
        ({f"{OVERRIDE}.depth": 0}, "expected a whole number from 1 up, found 0"),
        ({"qos_overrides./robot/joint_state.subscription.depth": 5}, "matches no subscription"),
        (
            {"state.type": "std_msgs/Float64MultiArray", "state.stamp": "header"},
            "Float64MultiArray has no header; use receive",
        ),
        (
            {"state.type": "geometry_msgs/Twist", "state.names": ["linear.x"], "state.unit": "degrees"},
            "the unit degrees is for positions and velocities of joints",
        ),
        (
            {
                "streams": ["state", "top", "more"],
                "more.topic": "x",
                "more.names": ["two"],
                "more.feature": "observation.state",
            },
            "two.pos is in it twice",
        ),
    ],
)
def test_impossible_subscriptions_are_refused_at_the_start(graph, make_robot, tmp_path, wrong, reason):
    recorder = graph.start("recorder", {**make_robot().recorder_parameters(tmp_path / "data"), **wrong})
    assert graph.end_of(recorder) == 1
    assert reason in recorder.last_lines[-1]


def test_several_topics_fill_one_feature(graph, make_robot, tmp_path):
    root, robot = tmp_path / "data", make_robot()
    gripper = graph.node.create_publisher(Float64MultiArray, "gripper/commands", 10)
    graph.node.create_timer(0.02, lambda: gripper.publish(Float64MultiArray(data=[0.25])))
    hand = {"topic": "gripper/commands", "type": "std_msgs/Float64MultiArray", "names": ["hand"]}
    hand["feature"] = "observation.state"
    second = {"topic": "robot/joint_states", "names": ["two"], "aliases": ["second"]}
    parameters = {**robot.recorder_parameters(root), "streams": ["state", "hand", "second", "top"]}
    parameters |= {f"hand.{name}": value for name, value in hand.items()}
    parameters |= {f"second.{name}": value for name, value in second.items()}
    graph.start("recorder", {**parameters, "second.feature": "observation.state"})
    graph.wait(lambda: graph.call("recorder/start_episode")[0])
    graph.wait(lambda: graph.frames() >= 5)
    assert graph.call("recorder/save_episode")[0]
    episode = Spool(root).ready()[0]
    names = episode.manifest.features["observation.state"]["names"]
    assert names == ["one.pos", "two.pos", "hand.pos", "second.pos"]
    rows = episode.rows()["observation.state"]
    assert (rows[:, 2] == 0.25).all()
    assert (
        rows[:, 1] == rows[:, 3]
    ).mean() > 0.8  # the two subscriptions may hear a message either side of a tick


def test_topics_that_are_published_instead_are_named_with_their_type(graph, subscribe):
    graph.node.create_publisher(CompressedImage, "front/image_raw/compressed", 10)
    graph.node.create_publisher(CameraInfo, "front/image_info", 10)
    graph.node.create_publisher(Image, "cam/image_raw", 10)
    graph.node.create_publisher(JointState, "robot/joint_states", 10)
    topics = subscribe({"streams": ["front"], "front.topic": "front/image_raw"})
    known = "/front/image_raw/compressed (sensor_msgs/msg/CompressedImage), /cam/image_raw"
    hint = f"it has no publisher; published topics: {known}"
    graph.wait(lambda: graph.do(lambda: topics.hint(topics.streams[0])) == hint)


def test_latched_messages_are_received_and_so_are_publishers_that_stop_latching(graph, subscribe):
    message = JointState(name=["one", "two"], position=[1.0, 2.0])
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = graph.node.create_publisher(JointState, "robot/joint_states", latched)
    publisher.publish(message)
    (stream,) = subscribe(joint_states()).streams
    graph.wait(lambda: stream.newest() is not None)
    graph.do(lambda: graph.node.destroy_publisher(publisher))
    stream.reset()
    restarted = graph.node.create_publisher(JointState, "robot/joint_states", 1)
    graph.node.create_timer(0.02, lambda: restarted.publish(message))
    graph.wait(lambda: stream.newest() is not None)


@pytest.mark.parametrize(("sec", "found"), [(-1, "a negative stamp"), (0, "no stamp")])
def test_an_invalid_stamp_is_a_fault(graph, subscribe, sec, found):
    (stream,) = subscribe(joint_states(stamp="header")).streams
    publisher = graph.node.create_publisher(JointState, "robot/joint_states", 10)
    message = JointState(name=["one", "two"], position=[1.0, 2.0])
    message.header.stamp.sec = sec
    graph.node.create_timer(0.02, lambda: publisher.publish(message))
    graph.wait(lambda: any(f"the header carries {found}" in fault for fault in stream.faults()))


def test_an_image_without_pixels_is_a_fault(graph, subscribe):
    (stream,) = subscribe({"streams": ["top"], "top.topic": "robot/camera"}).streams
    publisher = graph.node.create_publisher(Image, "robot/camera", 10)
    graph.node.create_timer(0.02, lambda: publisher.publish(Image(encoding="bgr8")))
    graph.wait(lambda: "an image of 0x0 has no pixels" in stream.faults())
    assert stream.newest() is None


def test_a_truncated_jpeg_is_a_fault_and_not_recorded(graph, subscribe):
    (stream,) = subscribe({"streams": ["top"], "top.topic": "robot/camera/compressed"}).streams
    publisher = graph.node.create_publisher(CompressedImage, "robot/camera/compressed", 10)
    jpeg = cv2.imencode(".jpg", np.zeros((32, 48, 3), np.uint8))[1].tobytes()
    cut = CompressedImage(format="jpeg", data=array.array("B", jpeg[:-10]))
    graph.node.create_timer(0.02, lambda: publisher.publish(cut))
    graph.wait(lambda: any("a JPEG was cut short" in fault for fault in stream.faults()))
    assert stream.newest() is None


def test_a_message_that_cannot_be_converted_is_a_fault_and_the_next_one_is_used(graph, subscribe):
    topics = subscribe(joint_states())
    (stream,) = topics.streams
    listener = topics._listeners[0]
    source = listener.binding

    def fail(message: JointState) -> None:
        raise ZeroDivisionError("nobody thought of this")

    listener.binding = replace(source, take=fail)
    publisher = graph.node.create_publisher(JointState, "robot/joint_states", 10)
    message = JointState(name=["one", "two"], position=[1.0, 2.0])
    graph.node.create_timer(0.02, lambda: publisher.publish(message))
    fault = "a message cannot be used: ZeroDivisionError: nobody thought of this"
    graph.wait(lambda: fault in stream.faults())
    listener.binding = source
    graph.wait(lambda: stream.newest() is not None)


def test_two_streams_of_one_topic_receive_from_two_publishers(graph, subscribe):
    hand = {"hand.topic": "robot/joint_states", "hand.names": ["finger"]}
    topics = subscribe({**joint_states(), **hand, "streams": ["state", "hand"]})
    for names in (["one", "two"], ["finger"]):
        publisher = graph.node.create_publisher(JointState, "robot/joint_states", 10)
        message = JointState(name=names, position=[1.0] * len(names))
        graph.node.create_timer(0.02, lambda publisher=publisher, message=message: publisher.publish(message))

    def received() -> int:
        return min(stream.status(0).received for stream in topics.streams)

    graph.wait(received)
    faults = [stream.faults() for stream in topics.streams]
    before = received()
    graph.wait(lambda: received() > before + 10)
    assert [stream.faults() for stream in topics.streams] == faults


@pytest.mark.parametrize("names", [["three"], ["one", "three"]])
def test_missing_joints_are_a_fault(graph, subscribe, names):
    (stream,) = subscribe(joint_states(names=names)).streams
    publisher = graph.node.create_publisher(JointState, "robot/joint_states", 10)
    message = JointState(name=["one", "two"], position=[1.0, 2.0])
    graph.node.create_timer(0.02, lambda: publisher.publish(message))
    graph.wait(lambda: "no joint three in the message, it has one, two" in stream.faults())


@pytest.fixture
def tf_message(monkeypatch):
    """Return what makes a message of a transform. ``tf2_msgs`` is no wheel: then text stands in for it."""
    if find_spec("tf2_msgs"):
        from tf2_msgs.msg import TFMessage

        return TFMessage, lambda transform: TFMessage(transforms=[transform])
    add = TransformTracker.add

    def add_text(self: TransformTracker, text: String, *, is_static: bool):
        child, x = text.data.split()
        message = SimpleNamespace(transforms=[transform_to(child, float(x))])
        return add(self, message, is_static=is_static)

    monkeypatch.setattr(TransformTracker, "add", add_text)
    monkeypatch.setattr(bindings, "TF", "std_msgs/msg/String")
    as_text = lambda moved: String(data=f"{moved.child_frame_id} {moved.transform.translation.x}")  # noqa: E731
    return String, as_text


def transform_to(child: str, x: float) -> TransformStamped:
    moved = TransformStamped(child_frame_id=child)
    moved.header.frame_id = {"arm": "base", "tool": "arm"}[child]
    moved.header.stamp = RosClock().now().to_msg()
    moved.transform.translation.x = x
    return moved


@pytest.mark.usefixtures("transform_buffer")
def test_a_transform_is_received_from_two_topics_with_several_publishers(graph, subscribe, tf_message):
    kind, made_of = tf_message
    topics = subscribe({"streams": ["hand"], "hand.type": "tf", "hand.parent": "base", "hand.child": "tool"})
    (stream,) = topics.streams
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    for _ in range(2):  # several nodes publish transforms
        publisher = graph.node.create_publisher(kind, "/tf", 10)
        graph.node.create_timer(0.05, lambda each=publisher: each.publish(made_of(transform_to("arm", 0.5))))
    why = "there is no frame tool; there are arm, base"
    graph.wait(lambda: why in stream.faults())
    assert why in stream.missing(topics._clock.now_ns())
    held = graph.node.create_publisher(kind, "/tf_static", latched)
    held.publish(made_of(transform_to("tool", 0.25)))
    graph.wait(lambda: stream.newest() is not None)
    assert stream.newest().value.tolist() == [0.75, 0, 0, 0, 0, 0, 1]
    assert not stream.conflict
    graph.wait(lambda: stream.status(0).received > 5)
    assert not stream.missing(topics._clock.now_ns())


def test_fields_of_several_types_are_recorded_by_their_paths(graph, tmp_path):
    streams = {
        "imu": {"type": "sensor_msgs/msg/Imu", "field": "angular_velocity", "stamp": "header"},
        "push": {"type": "geometry_msgs/msg/WrenchStamped", "field": "wrench.force.z"},
        "joy": {"type": "sensor_msgs/msg/Joy", "names": ["axes[1]", "buttons[0]"], "aliases": ["up", "ok"]},
        "closed": {"type": "std_msgs/msg/Bool", "feature": "action"},
        "says": {"type": "std_msgs/msg/String"},
    }
    values = {f"{name}.{key}": value for name, each in streams.items() for key, value in each.items()}
    values |= {f"{name}.topic": f"robot/{name}" for name in streams}
    imu, push = Imu(), WrenchStamped()
    imu.angular_velocity.y, push.wrench.force.z = 0.5, 2.0
    messages = {
        "imu": imu,
        "push": push,
        "joy": Joy(axes=[0.1, 0.25], buttons=[1]),
        "closed": Bool(data=True),
        "says": String(data="Push harder"),
    }
    publishers = {
        name: graph.node.create_publisher(type(message), f"robot/{name}", 10)
        for name, message in messages.items()
    }

    def publish() -> None:
        imu.header.stamp = RosClock().now().to_msg()
        for name, publisher in publishers.items():
            publisher.publish(messages[name])

    graph.node.create_timer(0.01, publish)
    graph.start(
        "recorder", {"root": str(tmp_path / "data"), "streams": list(streams), "task": "Push", **values}
    )
    graph.wait(lambda: alive(graph))
    assert graph.call("recorder/start_episode")[0]
    graph.wait(lambda: graph.frames() >= 5)
    assert graph.call("recorder/save_episode")[0]
    (episode,) = Spool(tmp_path / "data").waiting()
    declared = {key: feature["names"] for key, feature in episode.manifest.features.items()}
    rows = episode.rows()
    assert rows["says"][0] == ["Push harder"]
    assert declared.pop("says") is None
    found = {key: dict(zip(names, rows[key][0].tolist(), strict=True)) for key, names in declared.items()}
    assert found == {
        "observation.imu": {f"angular_velocity.{axis}": 0.5 * (axis == "y") for axis in "xyz"},
        "observation.push": {"force.z": 2},
        "observation.joy": {"up": 0.25, "ok": 1},
        "action": {"data": 1},
    }


def test_a_field_that_does_not_exist_ends_the_recorder_with_what_there_is(graph, tmp_path):
    values = {"push.type": "geometry_msgs/msg/Wrench", "push.topic": "robot/push", "push.field": "forces"}
    recorder = graph.start("recorder", {"root": str(tmp_path / "data"), "streams": ["push"], **values})
    assert graph.end_of(recorder) != 0
    why = "push.field: geometry_msgs/msg/Wrench has no field forces; it has force, torque"
    assert any(why in line for line in recorder.last_lines), recorder.last_lines


def test_packets_of_a_video_are_recorded_from_bags_only():
    types = SimpleNamespace(fields=lambda _kind: {"data": "sequence<uint8>"})
    settings = StreamSettings(topic="/cam/video", type=VIDEO)
    packets = bindings.binding_of("cam", settings, "raw", types)
    with pytest.raises(
        ConfigError, match=r"cam\.type: foxglove_msgs/msg/CompressedVideo is imported from bags"
    ):
        _check_topic(SimpleNamespace(resolve_topic_name=str), packets)

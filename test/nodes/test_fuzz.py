"""Messages of any content on all that the nodes listen to, found by asking the graph what that is."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from hostile import Hostile
from rcl_interfaces.srv import ListParameters
from rclpy.node import NodeNameNonExistentError
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from lerobot_recorder.arms.calibration import JOINTS
from lerobot_recorder.cli.processes import NodeOutput
from lerobot_recorder.discovery.seen import TYPES
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.recording.api import EpisodeRecorder
from lerobot_recorder.topics import RECORDABLE

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)  # suits every subscription
MESSAGES, REQUESTS = 60, 12
ANSWER_S = 0.3
PAUSE_S = 0.003
INSTALLED = sorted(
    kind
    for kind in RECORDABLE
    if find_spec(kind.partition("/")[0])
    and "Stamped" not in kind
    and not ("std_msgs" in kind and "Int" in kind)
)
"""Of the types that are alike, one each."""
ARM = {"follower.port": "sim", "cameras": [""]}


def recorder_parameters(root) -> dict:
    """Return parameters with a stream of each type of message, and of depth."""
    streams = {}
    for number, kind in enumerate(INSTALLED):
        streams[f"stream_{number}"] = {"topic": f"robot/t{number}", "type": kind}
        if "Joint" in kind or "Array" in kind:
            streams[f"stream_{number}"]["names"] = ["one", "two"]
        if kind.endswith("/Joy"):
            streams[f"stream_{number}"]["names"] = ["axes[0]", "buttons[1]"]
    for name, kind in (("depth", "sensor_msgs/msg/Image"), ("packed", "sensor_msgs/msg/CompressedImage")):
        streams[name] = {"topic": f"robot/{name}", "type": kind, "depth": True}
    streams["says"] = {"topic": "robot/says", "type": "std_msgs/msg/String"}
    values = {f"{name}.{key}": value for name, each in streams.items() for key, value in each.items()}
    values |= {f"{name}.feature": f"observation.{name}" for name in streams if name.startswith("stream_")}
    for name in streams:
        if values[f"{name}.type"] in ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"):
            values[f"{name}.feature"] = f"observation.images.{name}"
    return {"root": str(root), "streams": list(streams), "task": "Fuzz", "task_topic": "robot/task", **values}


def class_of(kind: str):
    package, place, name = kind.split("/")
    return getattr(import_module(f"{package}.{place}"), name)


def known(graph, ask, node: str) -> list:
    """Ask for topics or services of a node; its name may be discovered later than what it publishes."""

    def names() -> list:
        with suppress(NodeNameNonExistentError):
            return ask(node, "/")
        return []

    return graph.wait(names)


def publish_hostile(graph, node: str, hostile: Hostile) -> set[str]:
    """Publish on each topic that a node listens to, and return these topics."""
    publishers = {}
    for topic, kinds in known(graph, graph.node.get_subscriber_names_and_types_by_node, node):
        kind = class_of(kinds[0])
        publisher = graph.do(partial(graph.node.create_publisher, kind, topic, LATCHED))
        publishers[topic] = (kind, publisher)
    graph.wait(lambda: all(each.get_subscription_count() for _, each in publishers.values()))
    for _ in range(MESSAGES):
        for kind, publisher in publishers.values():
            publisher.publish(hostile.message(kind))
        time.sleep(PAUSE_S)
    for _, publisher in publishers.values():
        graph.do(lambda publisher=publisher: graph.node.destroy_publisher(publisher))
    return set(publishers)


def call_hostile(graph, node: str, hostile: Hostile) -> set[str]:
    """Call each service of a node that does not end it, and return their names. Some calls get no answer."""
    services = dict(known(graph, graph.node.get_service_names_and_types_by_node, node))
    services.pop(f"/{node}/end_recording", None)
    for name, kinds in services.items():
        kind = class_of(kinds[0])
        client = graph.do(partial(graph.node.create_client, kind, name))
        assert client.wait_for_service(60)
        answers = [client.call_async(hostile.message(kind.Request)) for _ in range(REQUESTS)]
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline and not all(answer.done() for answer in answers):
            time.sleep(PAUSE_S)
        graph.do(lambda client=client: graph.node.destroy_client(client))
    return set(services)


def answers(graph, node: str) -> bool:
    return bool(graph.ask(ListParameters, f"{node}/list_parameters", ListParameters.Request()).result.names)


def listens(graph, node: str, number: int) -> None:
    graph.wait(lambda: len(known(graph, graph.node.get_subscriber_names_and_types_by_node, node)) >= number)


def ends_well(graph, process) -> None:
    assert process.running, process.last_lines
    process.interrupt()
    assert graph.end_of(process) == 0, process.last_lines


@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_messages_and_calls_do_not_end_the_hardware_node(graph, seed):
    heard: list[JointState] = []
    graph.node.create_subscription(JointState, "follower/joint_states", heard.append, 50)
    hardware = graph.start("hardware", ARM)
    graph.wait(lambda: heard)
    hostile = Hostile(seed)
    assert "/follower/joint_commands" in publish_hostile(graph, "hardware", hostile)
    assert "/hardware/enable_torque" in call_hostile(graph, "hardware", hostile)
    heard.clear()
    graph.wait(lambda: len(heard) > 10)
    assert answers(graph, "hardware")
    assert graph.switch("hardware/enable_torque", True)[0]
    ends_well(graph, hardware)


def test_invalid_commands_do_not_move_an_arm(graph):
    heard: list[JointState] = []
    graph.node.create_subscription(JointState, "follower/joint_states", heard.append, 50)
    commands = graph.node.create_publisher(JointState, "follower/joint_commands", 10)
    hardware = graph.start("hardware", ARM)
    graph.wait(lambda: len(heard) > 20 and commands.get_subscription_count())
    rest = np.array(heard[-1].position)
    aside = [value + 0.3 for value in rest]
    nan, inf = float("nan"), float("inf")
    meaningless = [
        JointState(name=list(JOINTS), position=[nan] * 6),
        JointState(name=list(JOINTS), position=[inf] * 6),
        JointState(name=list(JOINTS), position=[*aside[:5], nan]),
        JointState(name=list(JOINTS), position=aside[:5]),
        JointState(name=list(JOINTS[:5]), position=aside),
        JointState(name=[], position=aside),
        JointState(name=["", *JOINTS[1:]], position=aside),
        JointState(name=[*JOINTS, "x" * 100_000], position=[*aside, 0.0]),
        JointState(name=list(JOINTS), position=[1e300] * 6),
    ]
    for stamp in ((-1, 0), (-(2**31), 2**32 - 1), (2**31 - 1, 2**32 - 1), (1, 0)):
        message = JointState(name=list(JOINTS), position=aside)
        message.header.stamp.sec, message.header.stamp.nanosec = stamp
        meaningless.append(message)
    for message in meaningless:
        heard.clear()
        commands.publish(message)
        graph.wait(lambda: len(heard) > 15)
        assert np.abs(np.array(heard[-1].position) - rest).max() < 0.02, message.header
    assert all(len(line) < 1000 for line in hardware.last_lines)

    def moved() -> bool:
        commands.publish(JointState(name=["shoulder_pan"], position=[aside[0]]))
        return abs(heard[-1].position[0] - aside[0]) < 0.05

    graph.wait(moved)


@pytest.mark.parametrize("seed", [3, 4])
def test_hostile_messages_and_calls_do_not_end_the_recorder(graph, tmp_path, seed):
    recorder = graph.start("recorder", recorder_parameters(tmp_path / "data"))
    graph.wait(lambda: graph.status["recorder"]["streams"])
    hostile = Hostile(seed)
    robot = [
        graph.node.create_publisher(class_of(kind), f"robot/t{n}", 10) for n, kind in enumerate(INSTALLED)
    ]
    robot += [
        graph.node.create_publisher(class_of(kind), f"robot/{name}", 10)
        for name, kind in (("depth", "sensor_msgs/msg/Image"), ("packed", "sensor_msgs/msg/CompressedImage"))
    ]
    robot.append(
        graph.node.create_publisher(String, "robot/task", 10)
    )  # the recorder subscribes to publishers
    listens(graph, "recorder", len(robot))
    assert {f"/robot/t{number}" for number in range(len(INSTALLED))} <= publish_hostile(
        graph, "recorder", hostile
    )
    assert "/recorder/start_episode" in call_hostile(graph, "recorder", hostile)
    assert answers(graph, "recorder")
    assert len(json.dumps(graph.status["recorder"])) < 200_000
    ends_well(graph, recorder)


def test_hostile_messages_and_calls_do_not_end_the_encoder(graph, tmp_path):
    encoder = graph.start("encoder", {"root": str(tmp_path / "data")})
    graph.wait(lambda: graph.status["encoder"])
    hostile = Hostile(5)
    assert "/episode_completed" in publish_hostile(graph, "encoder", hostile)
    assert "/encoder/encode_pending" in call_hostile(graph, "encoder", hostile)
    assert graph.call("encoder/encode_pending")[0]
    ends_well(graph, encoder)


def record_long_episode(root) -> None:
    """Record an episode in which the arm stands still for two minutes."""
    names = [f"{joint}.pos" for joint in JOINTS]
    feature = {"dtype": "float32", "shape": (len(names),), "names": names}
    rest = np.zeros(len(names), np.float32)
    features = {"observation.state": feature, "action": feature}
    with EpisodeRecorder(root, features, 10) as recorder, recorder.episode("rest") as episode:
        for _ in range(1200):
            episode.add({"observation.state": rest, "action": rest})
    with BatchEncoder(root, 1):
        pass


def test_hostile_messages_and_calls_do_not_end_a_replay(graph, tmp_path):
    record_long_episode(tmp_path / "data")
    graph.start("hardware", ARM)
    replay = graph.start("replay", {"root": str(tmp_path / "data"), "approach_speed_rad_s": 5.0})
    states: list[str] = []
    graph.node.create_subscription(
        String, "replay/status", lambda message: states.append(json.loads(message.data)["state"]), 10
    )
    graph.wait(lambda: "replaying" in states)
    hostile = Hostile(6)
    assert "/follower/joint_states" in publish_hostile(graph, "replay", hostile)
    call_hostile(graph, "replay", hostile)
    assert answers(graph, "replay")
    states.clear()
    graph.wait(lambda: "replaying" in states)
    ends_well(graph, replay)


def test_hostile_messages_do_not_end_a_survey(graph):
    hostile = Hostile(7)
    installed = [kind for kind in TYPES if find_spec(kind.partition("/")[0])]
    kinds = {f"seen/t{n}": class_of(kind) for n, kind in enumerate(installed)}
    publishers = [(kind, graph.node.create_publisher(kind, topic, 10)) for topic, kind in kinds.items()]
    publishers.append((String, graph.node.create_publisher(String, "robot_description", 10)))

    def publish() -> None:
        for kind, publisher in publishers:
            publisher.publish(hostile.message(kind))

    graph.node.create_timer(0.02, publish)
    look = graph.run("discover", ["2"])
    assert graph.end_of(look) == 0, look.last_lines


@pytest.mark.parametrize("name", ["hardware", "recorder", "encoder", "replay"])
def test_hostile_lines_of_the_parent_do_not_end_a_node(graph, tmp_path, name):
    record_long_episode(tmp_path / "data")
    root = {"root": str(tmp_path / "data")}
    parameters = {"hardware": ARM, "recorder": recorder_parameters(tmp_path / "other")}
    node = graph.start(name, parameters.get(name, root))
    for line in (
        "{",
        "[]",
        "3",
        "",
        '{"call": 1}',
        '{"call": "%", "data": {}}',
        "\x00",
        '{"call": null, "node": []}',
        "[" * 5000,
        "x" * 100_000,
    ):
        node.send(line)
    node.send('{"call": "nothing"}')

    def answered() -> bool:
        event = graph.events.get(timeout=60)
        return isinstance(event, NodeOutput) and '"nothing"' in event.line and not event.is_log

    graph.wait(answered)
    node.interrupt()
    assert graph.end_of(node) == 0

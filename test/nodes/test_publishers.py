"""Two publishers of one topic: what comes of the wrong one is never recorded without a word."""

from __future__ import annotations

import pytest
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from lerobot_recorder.cli.processes import NodeOutput
from lerobot_recorder.spool import Spool


class Other:
    """Another node of the graph, as of a second robot: it publishes on a topic."""

    def __init__(self, graph, kind: type, topic: str, message, name: str = "other") -> None:
        self.graph = graph

        def make() -> None:
            self.node = Node(name, context=graph.context)
            publisher = self.node.create_publisher(kind, topic, 10)
            self.node.create_timer(0.02, lambda: publisher.publish(message))
            graph.executor.add_node(self.node)

        graph.do(make)

    def end(self) -> None:
        if self.node is not None:
            self.graph.do(lambda: self.graph.executor.remove_node(self.node))
            self.node.destroy_node()
            self.node = None


@pytest.fixture
def other(graph):
    others = []

    def make(*arguments, **settings) -> Other:
        others.append(Other(graph, *arguments, **settings))
        return others[-1]

    yield make
    for each in others:
        each.end()


def same_joints() -> JointState:
    return JointState(name=["one_joint", "two_joint"], position=[9.0, 9.0])


def status(graph) -> dict:
    return graph.status["recorder"]


def started(graph) -> bool:
    return graph.call("recorder/start_episode")[0]


def test_an_unattended_run_that_waits_logs_a_second_publisher(graph, other, tmp_path):
    def is_logged(text: str) -> bool:
        lines = (graph.events.get_nowait() for _ in range(graph.events.qsize()))
        return any(isinstance(line, NodeOutput) and line.is_log and text in line.line for line in lines)

    state = {"state.topic": "robot/joint_states", "state.names": ["one_joint", "two_joint"]}
    graph.start(
        "recorder", {"root": str(tmp_path / "data"), "streams": ["state"], "num_episodes": 1, **state}
    )
    graph.wait(lambda: is_logged("waiting for streams"))
    for name in ("one", "two"):  # an episode does not start in between, as a joint is missing
        other(JointState, "robot/joint_states", JointState(name=["one_joint"], position=[9.0]), name=name)
    graph.wait(lambda: is_logged("has 2 publishers, whose messages would be mixed: nodes /one, /two"))


@pytest.mark.parametrize(
    ("kind", "topic", "message"),
    [(JointState, "robot/joint_states", same_joints()), (Image, "robot/camera", Image(encoding="bgr8"))],
)
def test_no_episode_starts_as_long_as_a_topic_has_two_publishers(
    graph, make_robot, other, tmp_path, kind, topic, message
):
    second = other(kind, topic, message)
    graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    graph.wait(lambda: any("has 2 publishers" in line for line in status(graph)["missing"]))
    success, why = graph.call("recorder/start_episode")
    assert not success
    assert (
        f"/{topic} has 2 publishers, whose messages would be mixed: nodes /other, /test; end all but one"
        in why
    )
    assert "allow_multiple_publishers" in why
    second.end()
    graph.wait(lambda: started(graph))


def test_a_second_publisher_in_a_take_makes_it_a_bad_one(graph, make_robot, other, tmp_path):
    graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    graph.wait(lambda: started(graph))
    graph.wait(lambda: graph.frames() > 3)
    second = other(JointState, "robot/joint_states", same_joints())
    graph.wait(lambda: "has 2 publishers" in status(graph)["streams"]["state"]["wrong"])
    second.end()
    success, why = graph.call("recorder/save_episode")
    assert not success
    assert "state: /robot/joint_states has 2 publishers" in why
    (rejected,) = Spool(tmp_path / "data").rejected()
    assert "nodes /other, /test" in rejected.manifest.reasons[0]


def test_several_publishers_are_recorded_where_that_is_requested(graph, make_robot, other, tmp_path):
    other(JointState, "robot/joint_states", same_joints())
    parameters = make_robot().recorder_parameters(tmp_path / "data")
    graph.start("recorder", {**parameters, "state.allow_multiple_publishers": True})
    graph.wait(lambda: len(graph.node.get_publishers_info_by_topic("/robot/joint_states")) == 2)
    graph.wait(lambda: started(graph))
    graph.wait(lambda: graph.frames() > 10)
    assert graph.call("recorder/save_episode")[0]


def test_an_arm_and_its_gripper_may_share_a_topic(graph, make_robot, other, tmp_path):
    other(JointState, "robot/joint_states", JointState(name=["finger"], position=[0.5]), name="gripper")
    parameters = make_robot().recorder_parameters(tmp_path / "data")
    hand = {"hand.topic": "robot/joint_states", "hand.names": ["finger"], "hand.feature": "observation.state"}
    graph.start("recorder", {**parameters, "streams": ["state", "hand", "top"], **hand})
    graph.wait(lambda: len(graph.node.get_publishers_info_by_topic("/robot/joint_states")) == 2)
    graph.wait(lambda: started(graph))
    graph.wait(lambda: graph.frames() > 10)
    assert graph.call("recorder/save_episode")[0]
    (saved,) = Spool(tmp_path / "data").ready()
    assert (saved.rows()["observation.state"][:, 2] == 0.5).all()
    other(JointState, "robot/joint_states", same_joints(), name="third")
    graph.wait(lambda: any("has 3 publishers" in line for line in status(graph)["missing"]))

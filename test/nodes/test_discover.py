from __future__ import annotations

from sensor_msgs.msg import JointState

ARM, GRIPPER = ("shoulder", "elbow"), ("finger",)


def joints_seen(graph) -> set[tuple[str, ...]]:
    """Look as often as it takes to see anything: on a busy computer, publishers are found late."""
    return graph.wait(lambda: {topic.joints for topic in graph.survey().topics})


def publish(graph, *parts: tuple[str, ...]) -> None:
    """Publish joint states of parts of a robot on one topic, each part by itself."""
    for part in parts:
        publisher = graph.node.create_publisher(JointState, "joint_states", 10)
        message = JointState(name=part, position=[0.0] * len(part))
        graph.node.create_timer(0.05, lambda publisher=publisher, message=message: publisher.publish(message))


def test_the_joints_of_all_messages_on_a_topic_are_seen(graph):
    publish(graph, ARM, GRIPPER, ARM[:1])
    assert joints_seen(graph) == {ARM, GRIPPER}


def test_where_one_message_holds_all_joints_it_is_all_that_counts(graph):
    publish(graph, GRIPPER, (*ARM, *GRIPPER), ARM)
    assert joints_seen(graph) == {(*ARM, *GRIPPER)}

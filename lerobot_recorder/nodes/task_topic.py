"""Sets the task by a topic."""

from __future__ import annotations

from rclpy.parameter import Parameter
from rclpy.subscription import Subscription
from std_msgs.msg import String

from lerobot_recorder.discovery import TEXT
from lerobot_recorder.errors import RecorderError
from lerobot_recorder.nodes.clock import steady_timer
from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.nodes.publishers import Offer, matching, offer_of
from lerobot_recorder.topics import task_in

_MATCH_S = 0.2


class TaskTopic:
    """Sets the parameter ``task`` to each text on a topic; does nothing without a topic.

    Its subscription has the reliability and durability that the publishers offer, so that a text that was
    latched before the recorder started counts.
    """

    def __init__(self, node: GuardedNode, topic: str) -> None:
        """Subscribe as soon as there is a publisher."""
        self._node = node
        self._topic = topic
        self._offer: Offer | None = None
        self._subscription: Subscription[String] | None = None
        self._refused = ""
        if topic:
            steady_timer(node, _MATCH_S, self._match)

    def _match(self) -> None:
        topic = self._node.resolve_topic_name(self._topic)
        publishers = self._node.get_publishers_info_by_topic(topic)
        offered = [info for info in publishers if info.topic_type == TEXT]
        if not offered or (offer := offer_of(offered)) == self._offer:
            return
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._offer = offer
        self._subscription = self._node.create_subscription(String, topic, self._receive, matching(offer, 1))

    def _receive(self, message: String) -> None:
        try:
            if not (task := task_in(message)):
                return
            result = self._node.set_parameters_atomically([Parameter("task", value=task)])
            refused = "" if result.successful else result.reason
        except RecorderError as error:
            refused = str(error)
        if refused and refused != self._refused:
            self._node.get_logger().warning(f"{self._topic}: {refused}; the task stays")
        self._refused = refused

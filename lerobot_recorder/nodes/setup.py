"""Subscribes to what describes the robot: its URDF, and the calibrations of the cameras."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.subscription import Subscription
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import String

from lerobot_recorder.dataset import SetupFiles
from lerobot_recorder.nodes.clock import steady_timer
from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.nodes.parameters import Parameters
from lerobot_recorder.nodes.publishers import Offer, matching, offer_of
from lerobot_recorder.nodes.streams import Subscriptions
from lerobot_recorder.parameter_files import files_in
from lerobot_recorder.topics import RobotSetup, RowSettings
from lerobot_recorder.versions import UNKNOWN, version_of

_MATCH_S = 0.2


@dataclass
class _Source:
    """A topic whose last message describes a part of the robot.

    Attributes:
        topic: its name.
        kind: class of its messages.
        note: takes a message.
        is_repeated: whether the same message comes again and again, so that one is enough.
        offer: what its publishers offer.
        subscription: exists while a message is awaited.
        has_come: whether one has arrived since it was last asked for.
    """

    topic: str
    kind: Any
    note: Callable[[Any], None]
    is_repeated: bool
    offer: Offer | None = None
    subscription: Subscription[Any] | None = None
    has_come: bool = False

    def take(self, message: Any) -> None:
        self.has_come = True
        self.note(message)


class SetupTopics:
    """Subscribes to what describes a robot, and keeps it in a `RobotSetup`.

    Calibrations are published with every image. One message of each camera is taken, and another one after
    `look_again`.
    """

    def __init__(self, node: GuardedNode, parameters: Parameters, topics: Subscriptions) -> None:
        """Read the parameter files, and subscribe once there are publishers."""
        self._node = node
        self._setup = setup = RobotSetup(
            topics.bindings,
            topics.settings,
            parameters.settings(RowSettings),
            parameters["robot_type"],
            recorder_versions(),
            files_in(sys.argv),
            node.get_fully_qualified_name(),
        )
        setup.files()  # reads the parameter files before anyone changes them
        self._sources = [
            _Source("robot_description", String, lambda message: _note_robot(setup, message), False),
            *(
                _Source(topic, CameraInfo, _noter(setup, stream), True)
                for stream, topic in setup.camera_info_topics().items()
            ),
        ]
        self._timer = steady_timer(node, _MATCH_S, self._match)

    def files(self) -> SetupFiles:
        """Return what is known now, as files. From any thread."""
        return self._setup.files()

    def look_again(self) -> None:
        """Take another message of each camera: it may have been calibrated. From any thread."""
        for source in self._sources:
            source.has_come = False

    def _match(self) -> None:
        for source in self._sources:
            if source.is_repeated and source.has_come:
                self._unsubscribe(source)
                continue
            topic = self._node.resolve_topic_name(source.topic)
            publishers = self._node.get_publishers_info_by_topic(topic)
            kind = f"{source.kind.__module__.partition('.')[0]}/msg/{source.kind.__name__}"
            offered = [info for info in publishers if info.topic_type == kind]
            if offered and (offer := offer_of(offered)) != source.offer:
                self._unsubscribe(source)
                source.offer = offer
                source.subscription = self._node.create_subscription(
                    source.kind, source.topic, source.take, matching(offer, 1)
                )

    def _unsubscribe(self, source: _Source) -> None:
        source.offer = None
        if source.subscription is not None:
            self._node.destroy_subscription(source.subscription)
            source.subscription = None


def recorder_versions() -> dict[str, str]:
    """Return the versions of what takes part in a recording."""
    return {
        "lerobot_recorder": version_of("lerobot_recorder"),
        "python": platform.python_version(),
        "ros_distro": os.environ.get("ROS_DISTRO", UNKNOWN),
        "rclpy": next((v for name in ("rclpy", "ros-rclpy") if (v := version_of(name)) != UNKNOWN), UNKNOWN),
        "rmw": get_rmw_implementation_identifier(),
        "av": version_of("av"),
    }


def _note_robot(setup: RobotSetup, message: String) -> None:
    setup.robot_description = message.data


def _noter(setup: RobotSetup, stream: str) -> Callable[[Any], None]:
    return lambda message: setup.note_camera_info(stream, message)

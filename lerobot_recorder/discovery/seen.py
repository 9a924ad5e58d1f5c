"""Published topics, as observed for some seconds."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property

JOINT_STATE = "sensor_msgs/msg/JointState"
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
ARRAY = "std_msgs/msg/Float64MultiArray"
CONTROLLER_STATE = "control_msgs/msg/JointTrajectoryControllerState"
TWISTS = ("geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped")
IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"

TYPES = (JOINT_STATE, TRAJECTORY, ARRAY, CONTROLLER_STATE, *TWISTS, IMAGE, COMPRESSED)
"""Message types that are observed."""


@dataclass(frozen=True)
class SeenTopic:
    """An observed topic. One whose messages hold different joints appears once for each set of joints.

    Attributes:
        name: full name with namespace
        type: type of its messages
        reliable: whether all publishers are reliable
        received: number of received messages
        rate_hz: messages per second, 0 if fewer than two arrived
        joints: names of the joints, in the order of the message or of the controller that receives it
        field: recorded field of the message: ``position``, ``velocity`` or ``effort``
        values: number of values of an array
        encoding: encoding of images; of compressed ones ``jpeg``, ``png`` or ``16UC1``, empty for others
        width: width of images, in pixels
        height: height of images, in pixels
    """

    name: str
    type: str
    reliable: bool = True
    received: int = 0
    rate_hz: float = 0.0
    joints: tuple[str, ...] = ()
    field: str = "position"
    values: int = 0
    encoding: str = ""
    width: int = 0
    height: int = 0

    @property
    def parts(self) -> list[str]:
        """The parts of its name."""
        return self.name.strip("/").split("/")

    @cached_property
    def words(self) -> frozenset[str]:
        """The words in its name."""
        return frozenset(re.split(r"[/_]+", self.name.strip("/").lower()))


@dataclass(frozen=True)
class Survey:
    """Result of an observation of the ROS graph.

    Attributes:
        topics: topics of the types that can be recorded
        robot: name from the robot's description; empty if there is none
        sliding: joints that are measured in metres, from its description
    """

    topics: tuple[SeenTopic, ...] = ()
    robot: str = ""
    sliding: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the survey as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Survey:
        """Parse the output of ``to_json``."""
        content = json.loads(line)
        topics = (SeenTopic(**{**topic, "joints": tuple(topic["joints"])}) for topic in content["topics"])
        return cls(tuple(topics), content["robot"], tuple(content["sliding"]))

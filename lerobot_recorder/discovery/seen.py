"""What was published while one looked, by topic."""

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
"""Types of messages that are looked at."""


@dataclass(frozen=True)
class SeenTopic:
    """What was seen of a topic. One whose messages hold different joints was seen once for each set of them.

    Attributes:
        name: in full, with its namespace.
        type: of its messages.
        publishers: how many there are.
        reliable: whether all of them are.
        received: messages while one looked.
        rate_hz: messages per second, 0 when there were fewer than two.
        joints: their names, in the order of a message, or of the controller that takes it.
        field: what a message holds of them: `position`, `velocity` or `effort`.
        values: number of values, of an array.
        encoding: of images, as in the message; of compressed ones `jpeg`, `png` or `16UC1`, empty for others.
        width: pixels.
        height: pixels.
    """

    name: str
    type: str
    publishers: int = 1
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
    """What was published while one looked.

    Attributes:
        topics: of the types that can be recorded.
        robot: the robot's name by its description; empty where there is none.
        sliding: joints that are measured in metres, by its description.
    """

    topics: tuple[SeenTopic, ...] = ()
    robot: str = ""
    sliding: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Write it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Survey:
        """Read what `to_json` wrote."""
        content = json.loads(line)
        topics = (SeenTopic(**{**topic, "joints": tuple(topic["joints"])}) for topic in content["topics"])
        return cls(tuple(topics), content["robot"], tuple(content["sliding"]))

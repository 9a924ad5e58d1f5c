"""What is known of a running robot: its topics, observed for some seconds, and its description."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from xml.etree import ElementTree

JOINT_STATE = "sensor_msgs/msg/JointState"
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
ARRAY = "std_msgs/msg/Float64MultiArray"
CONTROLLER_STATE = "control_msgs/msg/JointTrajectoryControllerState"
TWISTS = ("geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped")
_STAMPED = ("Accel", "Point", "Pose", "Transform", "Twist", "Wrench")
_COVARIANT = ("PoseWithCovariance", "TwistWithCovariance")
_SENSORS = ("BatteryState", "FluidPressure", "Imu", "NavSatFix", "Range", "Temperature")
_WHOLE = tuple(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))
NUMBERS = (
    *(
        f"geometry_msgs/msg/{each}{stamped}"
        for each in (*_STAMPED, *_COVARIANT)
        for stamped in ("", "Stamped")
    ),
    *(f"sensor_msgs/msg/{each}" for each in _SENSORS),
    "nav_msgs/msg/Odometry",
    *(f"std_msgs/msg/{each}" for each in ("Bool", *_WHOLE, "Float32", "Float64")),
)
"""Types whose numbers are defined by the type."""

JOY = "sensor_msgs/msg/Joy"
ARRAYS = tuple(f"std_msgs/msg/{each}MultiArray" for each in (*_WHOLE, "Float32"))
"""Types with arrays of numbers; `ARRAY` carries commands."""

TF = "tf2_msgs/msg/TFMessage"
TEXT = "std_msgs/msg/String"

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
IMAGES = (IMAGE, COMPRESSED)
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
VIDEO = "foxglove_msgs/msg/CompressedVideo"
"""Packets of a video; only bags are read with them."""

TYPES = (
    JOINT_STATE,
    TRAJECTORY,
    ARRAY,
    CONTROLLER_STATE,
    *NUMBERS,
    JOY,
    *ARRAYS,
    TF,
    IMAGE,
    COMPRESSED,
)
"""Message types that are observed; in bags also `VIDEO`."""


_LEAST_LOSS = 0.05
"""Fraction of the messages; with fewer losses the rate is still right."""


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
        numbers: paths of the numbers in a message whose type does not define them
        links: parent and child of the transforms in a message
        encoding: encoding of images; of compressed ones ``jpeg``, ``png`` or ``16UC1``, empty for others
        width: width of images, in pixels
        height: height of images, in pixels
        lost: number of messages that were sent but did not arrive, as far as the middleware knows
    """

    name: str
    type: str
    reliable: bool = True
    received: int = 0
    rate_hz: float = 0.0
    joints: tuple[str, ...] = ()
    field: str = "position"
    values: int = 0
    numbers: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    encoding: str = ""
    width: int = 0
    height: int = 0
    lost: int = 0

    @property
    def has_losses(self) -> bool:
        """Whether so many messages were lost that their rate is unknown."""
        return self.lost > 1 and self.lost > _LEAST_LOSS * (self.received + self.lost)

    @property
    def losses(self) -> str:
        """How many messages were lost; empty if hardly any were."""
        if not self.has_losses:
            return ""
        kind = "images" if self.type in (IMAGE, COMPRESSED, VIDEO) else "messages"
        return f"{self.lost} of {self.received + self.lost} {kind} of {self.name} were lost in transport"

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
    """Result of an observation of the ROS graph, or of a bag.

    Attributes:
        topics: topics of the types that can be recorded
        robot: name from the robot's description; empty if there is none
        sliding: joints that are measured in metres, from its description
        remedy: what to do about messages that were lost; empty if none were
        others: names and types of the other topics
        bag: path of the bag; empty if it was the ROS graph
    """

    topics: tuple[SeenTopic, ...] = ()
    robot: str = ""
    sliding: tuple[str, ...] = ()
    remedy: str = ""
    others: tuple[tuple[str, str], ...] = ()
    bag: str = ""

    @property
    def losses(self) -> list[str]:
        """A sentence for each topic that lost messages."""
        lines = dict.fromkeys(topic.losses for topic in self.topics if topic.has_losses)
        return [f"{line}; {self.remedy}" for line in lines]

    def to_json(self) -> str:
        """Return the survey as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Survey:
        """Parse the output of ``to_json``."""
        content = json.loads(line)
        topics = (
            SeenTopic(
                **{
                    **topic,
                    "joints": tuple(topic["joints"]),
                    "numbers": tuple(topic["numbers"]),
                    "links": tuple(map(tuple, topic["links"])),
                }
            )
            for topic in content["topics"]
        )
        others = tuple((name, kind) for name, kind in content["others"])
        return cls(tuple(topics), content["robot"], tuple(content["sliding"]), content["remedy"], others)


def described(descriptions: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the first robot's name, and the joints of all robots that are measured in metres.

    Texts that are not a URDF are skipped.
    """
    robots = [robot for text in descriptions if (robot := _parsed(text)) is not None]
    name = next((robot.get("name", "") for robot in robots), "")
    joints = (joint for robot in robots for joint in robot.iter("joint"))
    return name, tuple(joint.get("name", "") for joint in joints if joint.get("type") == "prismatic")


def _parsed(text: str) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None

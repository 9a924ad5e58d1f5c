"""The recorder's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from lerobot_recorder.arms import Role, Unit
from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.recording import (
    ButtonSettings,
    CueSettings,
    GridSettings,
    ImageGeometry,
    RecorderSettings,
    RunSettings,
    StreamSpec,
)
from lerobot_recorder.settings import parameters_of, setting, setting_of
from lerobot_recorder.topics.transform import Rotation


@dataclass(frozen=True)
class RowSettings:
    """What the rows of the dataset consist of."""

    fps: int = setting_of(GridSettings, "fps")
    streams: tuple[str, ...] = setting(
        ("state", "action"), "Names of the streams; each has parameters <stream>.topic and so on"
    )
    image_format: str = setting(
        "raw", "Format in which images of raw topics are kept until they are encoded", choices=("raw", "png")
    )
    task_topic: str = setting(
        "",
        "Topic of std_msgs/String that sets task: an episode has the text that was published last when it "
        "started; empty: none",
    )


@dataclass(frozen=True)
class StreamSettings:
    """A topic and how its messages are recorded."""

    topic: str = setting(
        "", "Topic; a relative name is inside the node's namespace; empty: /tf for the type tf"
    )
    type: str = setting(
        "",
        "Type of its messages; empty: JointState, or an image type if the name of the topic is one of a "
        "camera; tf: the transform from parent to child, by /tf and /tf_static",
    )
    parent: str = setting("", "For the type tf: the frame in which the pose is given, for example base_link")
    child: str = setting("", "For the type tf: the frame whose pose is recorded, for example tool0")
    rotation: Rotation = setting(
        "quaternion",
        "For the type tf: how the rotation is recorded; rotation_vector: axis times angle, in rad",
        choices=get_args(Rotation),
    )
    feature: str = setting(
        "",
        "Feature of the dataset that it fills; empty: action for the stream action, "
        "observation.images.<stream> for images, <stream> for texts, otherwise observation.<stream>",
    )
    names: tuple[str, ...] = setting(
        (),
        "Joints, or numbers such as linear.x or axes[0], in the order of the feature; empty: all numbers, if "
        "the type of the message defines them",
    )
    aliases: tuple[str, ...] = setting(
        (), "Names in the dataset, in the order of names; empty: the same names"
    )
    field: str = setting(
        "",
        "Part of the message that is recorded: position, velocity or effort of joints, or of any type a path "
        "such as wrench.force or data[3], with all numbers below it, or of a text; empty: the position of "
        "joints, all numbers of other types, the text of a String",
    )
    unit: str = setting(
        "as_published",
        "Unit in the dataset; degrees: for positions and velocities of rotating joints, so100: LeRobot's "
        "units for the six joints of one arm, with calibration and role",
        choices=get_args(Unit),
    )
    calibration: str = setting(
        "", "For the unit so100: LeRobot's id of the arm, the path of its calibration file, or sim"
    )
    role: Role = setting(
        "follower", "For the unit so100: the arm that the calibration is of", choices=get_args(Role)
    )
    image_format: str = setting(
        "",
        "Format in which images are kept until they are encoded, except JPEGs and PNGs that stay as they "
        "arrive; empty: as image_format",
        choices=("", "raw", "png"),
    )
    depth: bool = setting(False, "The images are depth maps")
    levels: tuple[int, int] = setting(
        (0, 0),
        "Values of 16-bit images that become black and white; both 0: 0 and 65535, except for images that "
        "may be depth maps",
        low=0,
        high=65535,
    )
    crop: tuple[int, int, int, int] = setting_of(ImageGeometry, "crop")
    rotate: int = setting_of(ImageGeometry, "rotate")
    resize: tuple[int, int] = setting_of(ImageGeometry, "resize")
    odd_size: str = setting_of(ImageGeometry, "odd_size")
    width: int = setting(
        0, "Width that images must have as they arrive; others are refused; 0: any", unit="pixels", low=0
    )
    height: int = setting(
        0, "Height that images must have as they arrive; others are refused; 0: any", unit="pixels", low=0
    )
    max_age_s: float = setting_of(StreamSpec, "max_age_s")
    min_rate_hz: float = setting_of(StreamSpec, "min_rate_hz")
    allow_multiple_publishers: bool = setting(
        False, "Record the messages of all publishers of the topic, mixed; otherwise a second one is refused"
    )
    stamp: str = setting(
        "receive",
        "Time of a sample; receive: when the message arrived, header: the time in its header; rows wait up "
        "to 0.5 s for late messages",
        choices=("receive", "header"),
    )


PARAMETERS = parameters_of(
    DatasetPlace, RowSettings, RunSettings, RecorderSettings, ButtonSettings, CueSettings
)
STREAM_PARAMETERS = parameters_of(StreamSettings)

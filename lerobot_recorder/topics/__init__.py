"""Topics as streams: which messages fill a stream, and how they become samples. Does not use ROS.

Messages are read by the names of their fields: those of rclpy and those of a bag's reader alike.

==============  ==========================================================
settings        the recorder's parameters: rows, and a topic per stream
bindings        a stream binding: a topic and how to read it
fields          finds the numbers in a message by the definition of its type
vectors         turns messages into vectors
tf              the transform between two frames of a tree
tf_buffer       interpolates transforms: by tf2, or without it
tf2_buffer      the buffer of tf2
transform       a position and a rotation
task            the task of an episode from a topic
images          turns messages into images
camera_info     the calibration of cropped, rotated and resized images
setup           what is known of a robot, as files to keep beside the dataset
observed        what messages show of their topic
bag_survey      what a bag has, for the discovery
stamps          stamps in the headers of messages
==============  ==========================================================
"""

from lerobot_recorder.topics.bag_survey import survey_of_bag
from lerobot_recorder.topics.bindings import (
    RECORDABLE,
    StreamBinding,
    binding_of,
)
from lerobot_recorder.topics.camera_info import adjusted_camera_info
from lerobot_recorder.topics.fields import Layout, MessageTypes
from lerobot_recorder.topics.images import (
    compressed_to_encoded,
    compressed_to_png,
    image_to_depth,
    image_to_rgb,
)
from lerobot_recorder.topics.observed import ObservedPart, ObservedTopic, facts_of
from lerobot_recorder.topics.settings import PARAMETERS, STREAM_PARAMETERS, RowSettings, StreamSettings
from lerobot_recorder.topics.setup import (
    DESCRIPTION_FILE,
    ROBOT_FILE,
    RobotSetup,
    camera_info_topic,
    kept_camera_info,
    meanings,
)
from lerobot_recorder.topics.stamps import header_ns, stamp_ns
from lerobot_recorder.topics.task import task_in
from lerobot_recorder.topics.vectors import (
    OtherJointsError,
    by_name,
    joints_in,
    values_in,
)

__all__ = [
    "DESCRIPTION_FILE",
    "PARAMETERS",
    "RECORDABLE",
    "ROBOT_FILE",
    "STREAM_PARAMETERS",
    "Layout",
    "MessageTypes",
    "ObservedPart",
    "ObservedTopic",
    "OtherJointsError",
    "RobotSetup",
    "RowSettings",
    "StreamBinding",
    "StreamSettings",
    "adjusted_camera_info",
    "binding_of",
    "by_name",
    "camera_info_topic",
    "compressed_to_encoded",
    "compressed_to_png",
    "facts_of",
    "header_ns",
    "image_to_depth",
    "image_to_rgb",
    "joints_in",
    "kept_camera_info",
    "meanings",
    "stamp_ns",
    "survey_of_bag",
    "task_in",
    "values_in",
]

"""Creates a parameter file for the recorder from the topics of a robot or a bag. Does not use ROS.

::

    graph, bag ─► Survey (seen) ─► Plan (plan, joints, cameras) ─► text (parameter_file)

==============  ==========================================================
seen            the published topics; name and sliding joints from a URDF
joints          which topics are the state, and which the action
cameras         which topics are cameras: one transport each, depth separate
transforms      the transform to a robot's tool
left_out        why topics are not recorded, and what could be
plan            all streams of a robot
parameter_file  a plan as a parameter file for the recorder and the encoder
==============  ==========================================================
"""

from lerobot_recorder.discovery.parameter_file import parameter_text, use_command
from lerobot_recorder.discovery.plan import Plan, make_plan
from lerobot_recorder.discovery.seen import (
    ARRAY,
    ARRAYS,
    CAMERA_INFO,
    COMPRESSED,
    CONTROLLER_STATE,
    IMAGE,
    IMAGES,
    JOINT_STATE,
    JOY,
    NUMBERS,
    TEXT,
    TF,
    TRAJECTORY,
    TYPES,
    VIDEO,
    SeenTopic,
    Survey,
    described,
)

__all__ = [
    "ARRAY",
    "ARRAYS",
    "CAMERA_INFO",
    "COMPRESSED",
    "CONTROLLER_STATE",
    "IMAGE",
    "IMAGES",
    "JOINT_STATE",
    "JOY",
    "NUMBERS",
    "TEXT",
    "TF",
    "TRAJECTORY",
    "TYPES",
    "VIDEO",
    "Plan",
    "SeenTopic",
    "Survey",
    "described",
    "make_plan",
    "parameter_text",
    "use_command",
]

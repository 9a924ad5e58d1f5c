"""What a bag says of the robot, to keep beside the dataset as the recorder node does."""

from __future__ import annotations

import platform

from lerobot_recorder.discovery import CAMERA_INFO, TEXT
from lerobot_recorder.importing.parameters import ImportParameters
from lerobot_recorder.importing.sim_time import TimedBag
from lerobot_recorder.importing.streams import BagStreams
from lerobot_recorder.topics import RobotSetup
from lerobot_recorder.versions import version_of

_ROBOT = ("robot_description", TEXT)
_PACKAGES = ("lerobot_recorder", "rosbags", "av")


def setup_of_bag(bag: TimedBag, streams: BagStreams, parameters: ImportParameters) -> RobotSetup:
    """Return the set-up that a bag describes; the first message of each topic counts.

    Raises:
        BagError: the bag cannot be read.
    """
    setup = RobotSetup(
        streams.bindings,
        parameters.streams,
        parameters.rows,
        parameters.recorder.robot_type,
        {"python": platform.python_version(), **{name: version_of(name) for name in _PACKAGES}},
        [parameters.file] if parameters.file else [],
        parameters.topic("recorder"),
    )
    cameras: dict[str, list[str]] = {}
    for stream, topic in setup.camera_info_topics().items():
        cameras.setdefault(parameters.topic(topic), []).append(stream)
    kinds = {parameters.topic(_ROBOT[0]): _ROBOT[1], **dict.fromkeys(cameras, CAMERA_INFO)}
    for topic, kind in kinds.items():
        found = bag.topics.get(topic)
        if found is None or found.type != kind:
            continue
        message = next((each.decode() for each in bag.messages([topic])), None)
        if message is not None and topic in cameras:
            for stream in cameras[topic]:
                setup.note_camera_info(stream, message)
        elif message is not None:
            setup.robot_description = message.data
    return setup

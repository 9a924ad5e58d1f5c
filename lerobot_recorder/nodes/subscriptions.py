"""Streams out of topics: parameters, subscriptions that match their publishers, and what is missing."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.time import Time

from lerobot_recorder.errors import ConfigError, RecorderError, StreamError
from lerobot_recorder.nodes import conversion, vectors
from lerobot_recorder.nodes.clock import steady_timer
from lerobot_recorder.nodes.parameters import Parameter, Parameters
from lerobot_recorder.nodes.qos import QosOverrides, matching
from lerobot_recorder.recording import Clock, Sample, Stream, StreamSpec
from lerobot_recorder.robot.calibration import JOINTS, load_calibration

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
UNITS = ("as_published", "degrees", "so100")
STAMPS = ("receive", "header")

STREAM_PARAMETERS = (
    Parameter("topic", "", "The topic; relative names are within the node's namespace"),
    Parameter("type", "", "The type of its messages; empty: JointState, or what the topic of a camera says"),
    Parameter(
        "feature", "", "The dataset's feature that it fills; empty: by the stream's name, as LeRobot does"
    ),
    Parameter("names", [""], "Joints, or values of the message, in the order of the feature"),
    Parameter("aliases", [""], "Names in the dataset, in the order of names; empty: the same"),
    Parameter("field", "position", "What is recorded of joints", choices=tuple(vectors.SUFFIXES)),
    Parameter("unit", "as_published", "The unit in the dataset", choices=UNITS),
    Parameter("calibration", "", "For the unit so100: LeRobot's id of the arm, the path of its file, or sim"),
    Parameter("role", "follower", "Whose calibration it is", choices=("follower", "leader")),
    Parameter("image_format", "", "How its images are spooled; empty: as image_format says"),
    Parameter("depth", False, "Whether its images are depth maps"),
    Parameter("width", 0, "Width that its images must have; 0: any", "pixels", 0),
    Parameter("height", 0, "Height that its images must have; 0: any", "pixels", 0),
    Parameter("max_age_s", 0.5, "A sample older than this at a tick makes the episode bad", "s", 0.001),
    Parameter("stamp", "receive", "The time of a sample: when it came, or its header's", choices=STAMPS),
)

_IMAGES_KEPT = 10
_VECTORS_KEPT = 5
_STAMPED_KEPT = 100
"""Messages kept for a moment of inattention. Of vectors few, unless their source has stamped them: a long
queue is worked off oldest first, and would be a second behind as long as the machine is busy."""

_MATCH_S = 0.2


@dataclass
class _Source:
    """A stream, and where it comes from."""

    stream: Stream
    topic: str
    message_type: str
    take: Callable[[Any], Any]
    reliable: bool | None = None
    subscription: Any = None


class Subscriptions:
    """The subscriptions of a recorder's streams.

    Each is made once a publisher is there, with the reliability that it offers, and made anew should that
    change: a best-effort subscription to a reliable publisher would lose images, and a reliable one to a
    best-effort publisher would get nothing. QoS override parameters have the last word.

    Attributes:
        streams: what they fill, in the order of the parameter `streams`.
    """

    def __init__(self, node: Node, parameters: Parameters, clock: Clock) -> None:
        """Read the stream parameters.

        Raises:
            ConfigError: a stream cannot be recorded as configured.
        """
        self._node = node
        self._clock = clock
        self._sources = [
            _source(name, parameters.group(f"{name}."), parameters["image_format"])
            for name in parameters["streams"]
        ]
        self.streams = [source.stream for source in self._sources]
        self._overrides = QosOverrides(node, [source.topic for source in self._sources])
        self._timer = steady_timer(node, _MATCH_S, self._match)

    def hint(self, stream: Stream) -> str:
        """Say what is published that may have been meant, for a stream that brings nothing."""
        source = next(source for source in self._sources if source.stream is stream)
        wanted = self._node.resolve_topic_name(source.topic)
        found = dict(self._node.get_topic_names_and_types())
        types = [kind for kind in found.get(wanted, []) if kind == source.message_type]
        if wanted in found and not types and self._node.count_publishers(wanted):
            return f"it carries {', '.join(found[wanted])}, not {source.message_type}"
        if self._node.count_publishers(wanted):
            return "it has a publisher"
        same = [topic for topic, kinds in found.items() if source.message_type in kinds and topic != wanted]
        published = [topic for topic in same if self._node.count_publishers(topic)]
        close = difflib.get_close_matches(wanted, published, 3, 0.3) or published[:3]
        return f"nobody publishes it; published are {', '.join(close)}" if close else "nobody publishes it"

    def _match(self) -> None:
        for source in self._sources:
            publishers = self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(source.topic))
            offered = [info for info in publishers if info.topic_type == source.message_type]
            if not offered:
                continue
            reliable = all(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in offered)
            if reliable != source.reliable:
                self._subscribe(source, reliable)

    def _subscribe(self, source: _Source, reliable: bool) -> None:
        if source.subscription is not None:
            self._node.destroy_subscription(source.subscription)
        source.reliable = reliable
        source.subscription = self._node.create_subscription(
            message_class(source.message_type),
            source.topic,
            lambda message, info: self._receive(source, message, info),
            matching(reliable, _kept(source.stream.spec)),
            qos_overriding_options=self._overrides.options(source.topic),
        )

    def _receive(self, source: _Source, message: Any, info: Mapping[str, Any]) -> None:
        received_ns = self._received_ns(info)
        try:
            stamp_ns = _header_ns(message) if source.stream.spec.by_header else received_ns
            if not received_ns:
                raise StreamError("use_sim_time is set, but no time has come on /clock")
            source.stream.push(Sample(stamp_ns, source.take(message)))
        except RecorderError as error:
            source.stream.fault(str(error))

    def _received_ns(self, info: Mapping[str, Any]) -> int:
        """Return when a message came: by the middleware, as this callback may be late."""
        came_ns = info.get("received_timestamp", 0) if self._clock.name == "system" else 0
        return came_ns or self._clock.now_ns()


def _kept(spec: StreamSpec) -> int:
    if spec.is_image:
        return _IMAGES_KEPT
    return _STAMPED_KEPT if spec.by_header else _VECTORS_KEPT


def message_class(message_type: str) -> Any:
    """Return the class of a type of message.

    Raises:
        ConfigError: it is not installed.
    """
    package, _, name = message_type.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"messages of type {message_type} are not installed here: {error}") from error


def _header_ns(message: Any) -> int:
    stamp_ns: int = Time.from_msg(message.header.stamp).nanoseconds
    if not stamp_ns:
        raise StreamError("the header carries no stamp; with stamp: receive the time of its arrival counts")
    return stamp_ns


def _source(name: str, settings: Mapping[str, Any], image_format: str) -> _Source:
    topic = settings["topic"]
    if not topic:
        raise ConfigError(f"{name}.topic: no topic is given")
    message_type = _full_type(settings["type"] or _likely_type(name, settings["feature"], topic))
    try:
        message_class(message_type)
        if message_type in (IMAGE, COMPRESSED):
            spec = _image_spec(name, settings, message_type, image_format)
            return _Source(
                Stream(spec, _decoder(spec, message_type)), topic, message_type, lambda message: message
            )
        return _vector_source(name, settings, message_type)
    except RecorderError as error:
        raise ConfigError(f"stream {name}: {error}") from error


def _likely_type(name: str, feature: str, topic: str) -> str:
    if topic.endswith("/compressed"):
        return COMPRESSED
    is_camera = (
        feature.startswith("observation.images") or "image" in topic or "camera" in topic or name in topic
    )
    return IMAGE if is_camera and name not in ("state", "action") else "sensor_msgs/msg/JointState"


def _full_type(name: str) -> str:
    package, _, rest = name.partition("/")
    return name if rest.startswith("msg/") else f"{package}/msg/{rest}"


def _image_spec(name: str, settings: Mapping[str, Any], message_type: str, image_format: str) -> StreamSpec:
    wanted = settings["image_format"] or image_format
    return StreamSpec(
        name=name,
        feature=settings["feature"] or f"observation.images.{name}",
        is_image=True,
        is_depth=settings["depth"],
        size=(settings["width"], settings["height"]) if settings["width"] and settings["height"] else None,
        image_format=wanted if wanted in ("raw", "png") else "raw",
        max_age_s=settings["max_age_s"],
        by_header=settings["stamp"] == "header",
        source=settings["topic"],
    )


def _decoder(spec: StreamSpec, message_type: str) -> Callable[[Any], Any]:
    if message_type == COMPRESSED:
        return conversion.compressed_to_depth if spec.is_depth else conversion.compressed_to_encoded
    return conversion.image_to_depth if spec.is_depth else conversion.image_to_rgb


def _vector_source(name: str, settings: Mapping[str, Any], message_type: str) -> _Source:
    names = [each for each in settings["names"] if each] or list(vectors.default_names(message_type))
    if not names:
        raise ConfigError(f"{name}.names: name the joints to record, in the order of the feature")
    aliases = [each for each in settings["aliases"] if each] or names
    if len(aliases) != len(names):
        raise ConfigError(f"{name}.aliases: {len(aliases)} for {len(names)} names")
    if settings["stamp"] == "header" and not vectors.has_header(message_type):
        raise ConfigError(f"{name}.stamp: {message_type} has no header; use receive")
    spec = StreamSpec(
        name=name,
        feature=settings["feature"] or ("action" if name == "action" else f"observation.{name}"),
        names=vectors.feature_names(message_type, aliases, settings["field"]),
        max_age_s=settings["max_age_s"],
        by_header=settings["stamp"] == "header",
        source=settings["topic"],
    )
    extract = vectors.extractor(message_type, names, settings["field"])
    convert = _converter(message_type, aliases, settings)
    return _Source(Stream(spec), settings["topic"], message_type, lambda message: convert(extract(message)))


def _converter(
    message_type: str, names: list[str], settings: Mapping[str, Any]
) -> Callable[[np.ndarray], np.ndarray]:
    if settings["unit"] == "as_published":
        return lambda values: values
    if settings["unit"] == "degrees":
        if not vectors.has_joints(message_type) or settings["field"] == "effort":
            raise ConfigError("the unit degrees is for positions and velocities of joints")
        return np.degrees
    if sorted(names) != sorted(JOINTS) or settings["field"] != "position":
        raise ConfigError(
            f"the unit so100 is for the positions of {', '.join(JOINTS)}, found {', '.join(names)}"
        )
    calibration = load_calibration(settings["calibration"], settings["role"])
    to_joints = [names.index(joint) for joint in JOINTS]
    to_names = [JOINTS.index(name) for name in names]
    return lambda values: calibration.lerobot_units(values[to_joints])[to_names]

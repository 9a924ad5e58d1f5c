"""Stream bindings: which topic fills a stream, and how its messages become samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from lerobot_recorder.arms import JOINTS, load_calibration
from lerobot_recorder.errors import ConfigError, RecorderError, StreamError
from lerobot_recorder.images import check_size, decode_depth
from lerobot_recorder.recording import Sample, Stream, StreamSpec
from lerobot_recorder.topics import images, vectors
from lerobot_recorder.topics.settings import StreamSettings
from lerobot_recorder.topics.stamps import header_ns, measured_ns

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
RECORDABLE = frozenset((IMAGE, COMPRESSED, *vectors.VECTOR_TYPES))

_OF_VECTORS = ("names", "aliases", "field", "unit", "calibration", "role")
_OF_IMAGES = ("image_format", "depth", "width", "height")


@dataclass(frozen=True)
class StreamBinding:
    """A topic and how to read it into a stream.

    Attributes:
        stream: the stream to fill.
        topic: the topic as configured.
        message_type: type of the messages, for example ``sensor_msgs/msg/Image``.
        take: turns a message into a sample's value; raises RecorderError if the message is unusable.
        allow_multiple_publishers: whether several publishers may fill the stream.
        held_topics: further topics of the same type, whose messages hold until the next, like ``/tf_static``.
    """

    stream: Stream
    topic: str
    message_type: str
    take: Callable[[Any], Any]
    allow_multiple_publishers: bool = False
    held_topics: tuple[str, ...] = ()

    def samples(self, message: Any, received_ns: int, topic: str = "") -> Iterable[Sample]:  # noqa: ARG002
        """Return the samples that a message gives; usually one.

        Args:
            message: a message of ``message_type``.
            received_ns: when it arrived, in nanoseconds of the recorder's clock.
            topic: the topic that it arrived on; empty: ``self.topic``.

        Raises:
            RecorderError: the message cannot be used.
        """
        value, source_ns = self.take(message), header_ns(message)
        stamp_ns = measured_ns(source_ns) if self.stream.spec.by_header else received_ns
        return (Sample(stamp_ns, value, source_ns),)


class MessageTypes(Protocol):
    """The message types that are known: those of a ROS installation, or those that a bag defines."""

    def fields(self, message_type: str) -> Mapping[str, str]:
        """Return the types of a message's fields by name, for example ``geometry_msgs/Pose`` or ``double``.

        Raises:
            ConfigError: the type is unknown.
        """


def binding_of(name: str, settings: StreamSettings, image_format: str, types: MessageTypes) -> StreamBinding:
    """Return the binding that a stream's parameters describe.

    Args:
        name: name of the stream.
        settings: parameters of the stream.
        image_format: how to spool images of raw topics, unless the stream has its own setting.
        types: the message types that are known.

    Raises:
        ConfigError: the stream cannot be recorded as configured.
    """
    topic = settings.topic
    if not topic:
        raise ConfigError(f"{name}.topic: no topic is given")
    message_type = _full_type(settings.type or _likely_type(name, settings.feature, topic))
    try:
        types.fields(message_type)
        if message_type in (IMAGE, COMPRESSED):
            binding = _image_binding(name, settings, message_type, image_format)
        else:
            binding = _vector_binding(name, settings, message_type)
        return replace(binding, allow_multiple_publishers=settings.allow_multiple_publishers)
    except RecorderError as error:
        of = "" if str(error).startswith(f"{name}.") else f"stream {name}: "
        raise ConfigError(f"{of}{error}") from error


def _refuse(name: str, settings: StreamSettings, others: Sequence[str], message_type: str) -> None:
    """Refuse parameters that have no meaning for a message type."""
    default = StreamSettings()
    given = [other for other in others if getattr(settings, other) != getattr(default, other)]
    if given:
        named = ", ".join(f"{name}.{other}" for other in given)
        taken = "" if settings.type else f", which is what {name} is taken for; else give {name}.type"
        raise ConfigError(f"{named}: has no meaning for {message_type}{taken}")


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


def _image_spec(name: str, settings: StreamSettings, message_type: str, image_format: str) -> StreamSpec:
    _refuse(name, settings, _OF_VECTORS, message_type)
    size = (settings.width, settings.height)
    if 0 in size and size != (0, 0):
        raise ConfigError(f"{name}.width and {name}.height: give both, or none")
    return StreamSpec(
        name=name,
        feature=settings.feature or f"observation.images.{name}",
        is_image=True,
        is_depth=settings.depth,
        size=size if all(size) else None,
        image_format=settings.image_format or image_format,
        max_age_s=settings.max_age_s,
        min_rate_hz=settings.min_rate_hz,
        by_header=settings.stamp == "header",
        source=settings.topic,
    )


def _image_binding(
    name: str, settings: StreamSettings, message_type: str, image_format: str
) -> StreamBinding:
    spec = _image_spec(name, settings, message_type, image_format)
    if spec.is_depth and settings.image_format:
        raise ConfigError(
            f"{name}.image_format: has no meaning for depth maps, which are spooled as they come"
        )
    decode: Callable[[Any], Any] = _unchanged
    take: Callable[[Any], Any] = _unchanged
    if message_type == IMAGE:
        decode = images.image_to_depth if spec.is_depth else images.image_to_rgb
    elif spec.is_depth:
        decode, take = decode_depth, images.compressed_to_png
    else:
        _refuse(name, settings, ("image_format",), message_type)
        take = images.compressed_to_encoded
    stream = Stream(spec, decode)
    return StreamBinding(stream, spec.source, message_type, lambda message: _sized(take(message), spec))


def _unchanged(value: Any) -> Any:
    return value


def _sized(image: Any, spec: StreamSpec) -> Any:
    """Return the image if its size is possible and matches the declared size."""
    check_size("an image", image.width, image.height)
    if spec.size not in (None, (image.width, image.height)):
        width, height = spec.size
        raise StreamError(
            f"expected images of {width}x{height} as declared, found {image.width}x{image.height}"
        )
    return image


def _vector_binding(name: str, settings: StreamSettings, message_type: str) -> StreamBinding:
    names = list(settings.names or vectors.default_names(message_type))
    if not names:
        taken = "" if settings.type else f"; give {name}.type if its messages are no {message_type}"
        raise ConfigError(f"{name}.names: name the joints to record, in the order of the feature{taken}")
    _refuse(name, settings, _OF_IMAGES, message_type)
    if not vectors.has_joints(message_type):
        _refuse(name, settings, ("field",), message_type)
    aliases = list(settings.aliases) or names
    if len(aliases) != len(names):
        raise ConfigError(f"{name}.aliases: {len(aliases)} for {len(names)} names")
    if settings.stamp == "header" and not vectors.has_header(message_type):
        raise ConfigError(f"{name}.stamp: {message_type} has no header; use receive")
    spec = StreamSpec(
        name=name,
        feature=settings.feature or ("action" if name == "action" else f"observation.{name}"),
        names=vectors.feature_names(message_type, aliases, settings.field),
        max_age_s=settings.max_age_s,
        min_rate_hz=settings.min_rate_hz,
        by_header=settings.stamp == "header",
        source=settings.topic,
    )
    extract = vectors.extractor(message_type, names, settings.field)
    convert = _converter(message_type, names, aliases, settings)
    return StreamBinding(
        Stream(spec), settings.topic, message_type, lambda message: convert(extract(message))
    )


def _converter(
    message_type: str, names: list[str], aliases: list[str], settings: StreamSettings
) -> Callable[[np.ndarray], np.ndarray]:
    if settings.unit == "as_published":
        return _unchanged
    if settings.unit == "degrees":
        if not vectors.has_joints(message_type) or settings.field == "effort":
            raise ConfigError("the unit degrees is for positions and velocities of joints")
        return np.degrees
    joints = _arm_joints(names) or _arm_joints(aliases)
    if not joints or settings.field != "position":
        raise ConfigError(
            f"the unit so100 is for the positions of one arm, {', '.join(JOINTS)}, found the "
            f"{settings.field} of {', '.join(names)}: give each arm a stream of its own, with the "
            "same feature"
        )
    calibration = load_calibration(settings.calibration, settings.role)
    to_joints = [joints.index(joint) for joint in JOINTS]
    to_names = [JOINTS.index(joint) for joint in joints]
    return lambda values: calibration.lerobot_units(values[to_joints])[to_names]


def _arm_joints(names: Sequence[str]) -> list[str]:
    """Return the SO-100 joint that each name stands for; an empty list if they are not the joints of one arm.

    The names may share a prefix, such as ``left_``, and end in ``_joint``.
    """
    plain = [name.removesuffix("_joint") for name in names]
    prefix = next((name.removesuffix(JOINTS[0]) for name in plain if name.endswith(JOINTS[0])), "")
    joints = [name.removeprefix(prefix) for name in plain]
    return joints if sorted(joints) == sorted(JOINTS) else []

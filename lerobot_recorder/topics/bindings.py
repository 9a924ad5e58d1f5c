"""Stream bindings: which topic fills a stream, and how its messages become samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from lerobot_recorder.arms import JOINTS, load_calibration
from lerobot_recorder.bags import full_type
from lerobot_recorder.discovery import COMPRESSED, IMAGE, IMAGES, JOINT_STATE, TEXT, TF, VIDEO
from lerobot_recorder.errors import ConfigError, RecorderError, StreamError
from lerobot_recorder.excerpt import listing
from lerobot_recorder.images import EncodedImage, Png, check_size, decode_depth
from lerobot_recorder.recording import ImageGeometry, Sample, Stream, StreamSpec
from lerobot_recorder.spool import text_fault
from lerobot_recorder.topics import images, vectors
from lerobot_recorder.topics.fields import Extract, Layout, MessageTypes, Place, extract_text
from lerobot_recorder.topics.settings import StreamSettings
from lerobot_recorder.topics.stamps import header_ns, measured_ns
from lerobot_recorder.topics.tf import TransformTracker
from lerobot_recorder.topics.transform import NAMES, Rotation, continued

RECORDABLE = frozenset((*IMAGES, *vectors.USUAL_TYPES))

_OF_VECTORS = ("names", "aliases", "field", "unit", "calibration", "role")
_TF = "tf"
_OF_TF = ("parent", "child", "rotation")
_OF_NAMES = ("names:", "field:", "aliases:")
_OF_GEOMETRY = ("crop", "rotate", "resize", "odd_size")
_OF_IMAGES = ("image_format", "depth", "width", "height", "levels", *_OF_GEOMETRY)


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
        geometry: what becomes of the pixels of its images.
        joints: the joints whose values these are; empty: they belong to no joints.
        quantity: ``position``, ``velocity`` or ``effort`` of joints; empty for others.
        is_video: whether its messages are packets of a video, which are decoded in their order.
    """

    stream: Stream
    topic: str
    message_type: str
    take: Callable[[Any], Any]
    allow_multiple_publishers: bool = False
    geometry: ImageGeometry = field(default_factory=ImageGeometry)
    held_topics: tuple[str, ...] = ()
    joints: tuple[str, ...] = ()
    quantity: str = ""
    is_video: bool = False

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


@dataclass(frozen=True)
class TransformBinding(StreamBinding):
    """A transform between two frames, which the messages of two topics give.

    Attributes:
        tracker: knows the transforms so far.
        rotation: how the rotation is recorded.
    """

    tracker: TransformTracker = field(kw_only=True)
    rotation: Rotation = field(kw_only=True)

    def samples(self, message: Any, received_ns: int, topic: str = "") -> Iterable[Sample]:  # noqa: ARG002
        """Yield the transform at each stamp for which it is known now: none, one or several samples.

        Raises:
            StreamError: no transform connects the frames, or it is damaged or static.
        """
        for stamp_ns, transform in self.tracker.add(message, is_static=topic in self.held_topics):
            yield Sample(stamp_ns, transform.vector(self.rotation), stamp_ns)


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
    topic = settings.topic or ("/tf" if settings.type == _TF else "")
    if not topic:
        raise ConfigError(f"{name}.topic: no topic is given")
    message_type = full_type(settings.type or _likely_type(name, settings.feature, topic))
    try:
        if settings.type == _TF:
            Layout(TF, types)
            return _transform_binding(name, settings, topic)
        _refuse(name, settings, _OF_TF, message_type)
        layout = Layout(message_type, types)
        if message_type in (*IMAGES, VIDEO):
            binding = _image_binding(name, settings, message_type, image_format)
        elif (place := _text_place(layout, settings.field)) is not None:
            binding = _text_binding(name, settings, layout, place)
        else:
            binding = _vector_binding(name, settings, layout)
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
    return IMAGE if is_camera and name not in ("state", "action") else JOINT_STATE


def _image_spec(
    name: str,
    settings: StreamSettings,
    image_format: str,
    declared: tuple[int, int] | None,
    geometry: ImageGeometry,
) -> StreamSpec:
    return StreamSpec(
        name=name,
        feature=settings.feature or f"observation.images.{name}",
        is_image=True,
        is_depth=settings.depth,
        size=_final_size(geometry, declared),
        image_format=settings.image_format or image_format,
        max_age_s=settings.max_age_s,
        min_rate_hz=settings.min_rate_hz,
        by_header=settings.stamp == "header",
        source=settings.topic,
    )


def _final_size(geometry: ImageGeometry, declared: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the size of the recorded images, if the parameters determine it."""
    if declared is None and any(geometry.resize):
        return ImageGeometry(odd_size=geometry.odd_size).size_of(*geometry.resize)
    return None if declared is None else geometry.size_of(*declared)


def _declared_size(name: str, settings: StreamSettings) -> tuple[int, int] | None:
    size = (settings.width, settings.height)
    if 0 in size and size != (0, 0):
        raise ConfigError(f"{name}.width and {name}.height: give both, or none")
    return size if all(size) else None


def _geometry(name: str, settings: StreamSettings) -> ImageGeometry:
    try:
        return ImageGeometry(**{each: getattr(settings, each) for each in _OF_GEOMETRY})
    except ConfigError as error:
        raise ConfigError(f"{name}.{error}") from error


def _levels(name: str, settings: StreamSettings) -> tuple[int, int]:
    black, white = settings.levels
    if (black or white) and black >= white:
        raise ConfigError(f"{name}.levels: expected black below white, found {[black, white]}")
    if (black or white) and settings.depth:
        raise ConfigError(f"{name}.levels: has no meaning for depth maps, which keep their values")
    return black, white


def _image_binding(
    name: str, settings: StreamSettings, message_type: str, image_format: str
) -> StreamBinding:
    _refuse(name, settings, _OF_VECTORS, message_type)
    if message_type == VIDEO:
        _refuse(name, settings, ("depth", "levels"), message_type)
    declared, geometry = _declared_size(name, settings), _geometry(name, settings)
    spec = _image_spec(name, settings, image_format, declared, geometry)
    if spec.is_depth and settings.image_format:
        raise ConfigError(
            f"{name}.image_format: has no meaning for depth maps, which are spooled as they come"
        )
    take, decode = _reading(spec, message_type, _levels(name, settings), geometry)
    if message_type == COMPRESSED and geometry.is_plain and not any(settings.levels):
        _refuse(name, settings, ("image_format",), message_type)
    return StreamBinding(
        Stream(spec, decode),
        spec.source,
        message_type,
        lambda message: _sized(take(message), declared, geometry),
        geometry=geometry,
        is_video=message_type == VIDEO,
    )


def _reading(
    spec: StreamSpec, message_type: str, levels: tuple[int, int], geometry: ImageGeometry
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return what checks a message when it arrives, and what makes an image of it in the writer's thread."""
    if message_type == IMAGE:
        if spec.is_depth:
            return _unchanged, lambda image: geometry.apply(images.image_to_depth(image), is_depth=True)
        return _unchanged, lambda image: geometry.apply(images.image_to_rgb(image, levels))
    if message_type == VIDEO:
        return images.VideoTopic().picture, lambda picture: geometry.apply(picture.pixels)
    if spec.is_depth:
        return images.compressed_to_png, lambda png: geometry.apply(decode_depth(png), is_depth=True)

    def take(message: Any) -> EncodedImage | Png:
        return images.compressed_to_encoded(message, levels)

    def decode(image: EncodedImage | Png) -> Any:
        if isinstance(image, Png):
            return geometry.apply(images.png_to_rgb(image, levels))
        return geometry.apply(image.decode()) if geometry.changes(image.width, image.height) else image

    return take, decode


def _unchanged(value: Any) -> Any:
    return value


def _sized(image: Any, declared: tuple[int, int] | None, geometry: ImageGeometry) -> Any:
    """Return the image if its size is possible, matches the declared size, and has room for the crop."""
    check_size("an image", image.width, image.height)
    if declared not in (None, (image.width, image.height)):
        width, height = declared
        raise StreamError(
            f"expected images of {width}x{height} as declared, found {image.width}x{image.height}"
        )
    geometry.cropped(image.width, image.height)
    return image


def _text_place(layout: Layout, field: str) -> Place | None:
    """Return the text that a stream records; None if it records numbers."""
    path = field or ("data" if layout.message_type == TEXT else "")
    if not path:
        return None
    with suppress(ConfigError):
        place = layout.find(path)
        return place if place.kind.is_text else None
    return None


def _text_binding(name: str, settings: StreamSettings, layout: Layout, place: Place) -> StreamBinding:
    feature = settings.feature or name
    wrong = [each for each in (*_OF_VECTORS, *_OF_IMAGES) if each != "field"]
    _refuse(name, settings, wrong, f"the text {place.path} of {layout.message_type}")
    if feature.split(".")[0] in ("observation", "action"):
        raise ConfigError(
            f"{name}.feature: {feature} holds text, but LeRobot's policies take features that begin with "
            "observation or action for numbers: give another name, such as instruction"
        )
    _check_stamp(name, settings, layout)
    spec = StreamSpec(
        name=name,
        feature=feature,
        is_text=True,
        max_age_s=settings.max_age_s,
        min_rate_hz=settings.min_rate_hz,
        by_header=settings.stamp == "header",
        source=settings.topic,
    )
    read = extract_text(place)
    return StreamBinding(
        Stream(spec), settings.topic, layout.message_type, lambda message: _checked_text(read(message))
    )


def _checked_text(text: str) -> str:
    if fault := text_fault(text):
        raise StreamError(f"a text cannot be recorded: {fault}")
    return text


def _check_stamp(name: str, settings: StreamSettings, layout: Layout) -> None:
    if settings.stamp == "header" and not layout.has_header:
        raise ConfigError(f"{name}.stamp: {layout.message_type} has no header; use receive")


def _transform_binding(name: str, settings: StreamSettings, topic: str) -> TransformBinding:
    _refuse(name, settings, [each for each in (*_OF_VECTORS, *_OF_IMAGES) if each != "aliases"], "tf")
    for each in ("parent", "child"):
        if not getattr(settings, each):
            raise ConfigError(f"{name}.{each}: give the frame, for example base_link or tool0")
    if settings.parent.lstrip("/") == settings.child.lstrip("/"):
        raise ConfigError(f"{name}.child: expected another frame than the parent, found {settings.child}")
    names = NAMES[settings.rotation]
    if settings.aliases and len(settings.aliases) != len(names):
        raise ConfigError(
            f"{name}.aliases: {len(settings.aliases)} for the {len(names)} values {listing(names)}"
        )
    spec = StreamSpec(
        name=name,
        feature=_vector_feature(name, settings),
        names=settings.aliases or names,
        max_age_s=settings.max_age_s,
        min_rate_hz=settings.min_rate_hz,
        by_header=True,
        source=topic,
    )
    stream = Stream(spec)
    stream.follow = partial(continued, settings.rotation)
    return TransformBinding(
        stream,
        topic,
        TF,
        _unchanged,
        allow_multiple_publishers=True,
        held_topics=(f"{topic}_static",),
        tracker=TransformTracker(settings.parent, settings.child),
        rotation=settings.rotation,
    )


def _vector_feature(name: str, settings: StreamSettings) -> str:
    return settings.feature or ("action" if name == "action" else f"observation.{name}")


def _vector_binding(name: str, settings: StreamSettings, layout: Layout) -> StreamBinding:
    vector = _vector(name, settings, layout)
    _refuse(name, settings, _OF_IMAGES, layout.message_type)
    _check_stamp(name, settings, layout)
    spec = StreamSpec(
        name=name,
        feature=_vector_feature(name, settings),
        names=vector.names,
        max_age_s=settings.max_age_s,
        min_rate_hz=settings.min_rate_hz,
        by_header=settings.stamp == "header",
        source=settings.topic,
    )
    convert = _converter(vector, settings)
    take = vector.take if convert is None else _converted(vector.take, convert)
    return StreamBinding(
        Stream(spec),
        settings.topic,
        layout.message_type,
        take,
        joints=vector.joints,
        quantity=vector.quantity,
    )


def _vector(name: str, settings: StreamSettings, layout: Layout) -> vectors.Vector:
    try:
        return vectors.vector_of(layout, settings.field, settings.names, settings.aliases)
    except ConfigError as error:
        if not str(error).startswith(_OF_NAMES):
            raise
        guessed = f"; give {name}.type if its messages are no {layout.message_type}"
        raise ConfigError(f"{name}.{error}{'' if settings.type else guessed}") from error


def _converted(take: Extract, convert: Extract) -> Extract:
    return lambda message: convert(take(message))


def _converter(vector: vectors.Vector, settings: StreamSettings) -> Extract | None:
    if settings.unit == "as_published":
        return None
    if settings.unit == "degrees":
        if vector.quantity not in ("position", "velocity"):
            raise ConfigError("the unit degrees is for positions and velocities of joints")
        return np.degrees
    joints = arm_joints(vector.joints) or arm_joints(settings.aliases)
    if not joints or vector.quantity != "position":
        raise ConfigError(
            f"the unit so100 is for the positions of one arm, {', '.join(JOINTS)}, found the "
            f"{vector.quantity or 'values'} of {', '.join(vector.joints or vector.names)}: give each arm a "
            "stream of its own, with the same feature"
        )
    calibration = load_calibration(settings.calibration, settings.role)
    to_joints = [joints.index(joint) for joint in JOINTS]
    to_names = [JOINTS.index(joint) for joint in joints]
    return lambda values: calibration.lerobot_units(values[to_joints])[to_names]


def arm_joints(names: Sequence[str]) -> list[str]:
    """Return the SO-100 joint that each name stands for; an empty list if they are not the joints of one arm.

    The names may share a prefix, such as ``left_``, and end in ``_joint``.
    """
    plain = [name.removesuffix("_joint") for name in names]
    prefix = next((name.removesuffix(JOINTS[0]) for name in plain if name.endswith(JOINTS[0])), "")
    joints = [name.removeprefix(prefix) for name in plain]
    return joints if sorted(joints) == sorted(JOINTS) else []

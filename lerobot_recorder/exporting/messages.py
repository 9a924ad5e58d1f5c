"""Turns rows of a dataset into ROS messages, as plain values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lerobot_recorder.dataset import (
    AGES_FEATURE,
    FeatureDict,
    Features,
    SetupFiles,
    is_video,
    user_features,
    value_names,
)
from lerobot_recorder.discovery import JOINT_STATE, TEXT, VIDEO
from lerobot_recorder.errors import ImageError
from lerobot_recorder.exporting.units import Part, parts_of

Message = Mapping[str, Any]

DEFINITIONS = {VIDEO: "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"}
"""Definitions of the types that ROS 2 does not have itself."""

AS_IN_DATASET = "as in the dataset"

SUFFIXES = {".pos": "position", ".vel": "velocity", ".effort": "effort"}
"""Ends of names in LeRobot, and the fields of a JointState."""

_SCALARS = {"b": "Bool", "i": "Int64", "u": "UInt64", "f": "Float64"}
_ARRAYS = {"b": ("UInt8MultiArray", "uint8"), "i": ("Int64MultiArray", "int64")}
_ARRAYS |= {"u": ("UInt64MultiArray", "uint64"), "f": ("Float64MultiArray", "float64")}
_FULL_COLOUR = (7, 0x111111)
"""OpenCV's option for JPEGs that keep the color of every pixel: that of four was averaged once, in the video.

OpenCV before 4.7 has no name for it, and ignores it."""

_DEPTH_ENCODINGS = {np.dtype(np.uint16): "16UC1", np.dtype(np.float32): "32FC1"}


@dataclass(frozen=True)
class VectorTopic:
    """How the values of a feature become messages.

    Attributes:
        feature: name of the feature.
        topic: where they are published.
        message_type: type of the messages.
        make: turns the header and a row's value into a message.
        joints: names in a JointState; empty for another type.
        field: its field that has the values.
        unit: unit of the values.
        parts: the values of each stream that has filled the feature; empty if unknown.
    """

    feature: str
    topic: str
    message_type: str
    make: Callable[[Message, Any], Message]
    joints: tuple[str, ...] = ()
    field: str = "position"
    unit: str = AS_IN_DATASET
    parts: tuple[Part, ...] = ()


def topic_of(feature: str) -> str:
    """Return the topic of a feature: ``/observation/state`` for ``observation.state``."""
    name = re.sub(r"[^A-Za-z0-9_/]", "_", f"/{feature.replace('.', '/')}")
    return re.sub(r"/(?=[0-9])", "/_", name)  # no part of a topic's name begins with a digit


def header(time_ns: int, frame_id: str = "") -> dict[str, Any]:
    """Return a header with the stamp of a time in nanoseconds."""
    return {"stamp": stamp(time_ns), "frame_id": frame_id}


def stamp(time_ns: int) -> dict[str, int]:
    """Return a time in nanoseconds as ROS has it."""
    return {"sec": time_ns // 1_000_000_000, "nanosec": time_ns % 1_000_000_000}


def vector_topics(features: Features, setup: SetupFiles) -> list[VectorTopic]:
    """Return the topics of all features in the data files, without images and the ages of samples.

    Args:
        features: the dataset's features.
        setup: the files of the set-up, which may tell the joints' own names and the unit of the values.
    """
    return [
        _vector_topic(key, feature, setup)
        for key, feature in user_features(features).items()
        if not is_video(feature) and feature["dtype"] != "image" and key != AGES_FEATURE
    ]


def _vector_topic(key: str, feature: FeatureDict, setup: SetupFiles) -> VectorTopic:
    if feature["dtype"] == "string":
        return VectorTopic(key, topic_of(key), TEXT, lambda _header, value: {"data": str(value)})
    kind, names = np.dtype(feature["dtype"]).kind, value_names(feature)
    if len(feature["shape"]) == 1 and len(names) == int(feature["shape"][0]):
        parts = parts_of(key, names, setup)
        return _published_topic(key, parts) if _is_whole(parts) else _joint_topic(key, names)
    if tuple(feature["shape"]) == (1,):
        return VectorTopic(
            key,
            topic_of(key),
            f"std_msgs/msg/{_SCALARS[kind]}",
            lambda _header, value: {"data": np.ravel(value)[0].item()},
        )
    array, dtype = _ARRAYS[kind]
    return VectorTopic(
        key,
        topic_of(key),
        f"std_msgs/msg/{array}",
        lambda _header, value: {"layout": _layout(value), "data": value.astype(dtype).ravel()},
    )


def _is_whole(parts: Sequence[Part]) -> bool:
    """Return whether one JointState can have all parts."""
    joints = [joint for part in parts for joint in part.joints]
    return len({part.quantity for part in parts}) == 1 and len(set(joints)) == len(joints)


def _published_topic(key: str, parts: Sequence[Part]) -> VectorTopic:
    """Return a topic of joint states as the robot has published them."""
    joints = tuple(joint for part in parts for joint in part.joints)
    field, units = parts[0].quantity, sorted({part.ros_unit for part in parts})

    def make(header: Message, value: Any) -> Message:
        values = np.atleast_1d(value).astype(np.float64)
        return {
            "header": header,
            "name": joints,
            field: np.concatenate([part.to_ros(values[part.values]) for part in parts]),
        }

    return VectorTopic(
        key, topic_of(key), JOINT_STATE, make, joints, field, " and ".join(units), tuple(parts)
    )


def _joint_topic(key: str, names: tuple[str, ...]) -> VectorTopic:
    """Return a topic of joint states with the dataset's names; names of several quantities stay whole."""
    suffixes = {next((each for each in SUFFIXES if name.endswith(each)), "") for name in names}
    suffix = suffixes.pop() if len(suffixes) == 1 else ""
    joints, field = tuple(name.removesuffix(suffix) for name in names), SUFFIXES.get(suffix, "position")
    return VectorTopic(
        key,
        topic_of(key),
        JOINT_STATE,
        lambda header, value: {"header": header, "name": joints, field: np.atleast_1d(value)},
        joints,
        field,
    )


def _layout(value: np.ndarray) -> Message:
    strides = [int(np.prod(value.shape[number:])) for number in range(value.ndim)]
    dims = [{"size": size, "stride": stride} for size, stride in zip(value.shape, strides, strict=True)]
    return {"dim": dims}


# Images


def jpeg_message(header: Message, image: np.ndarray, quality: int) -> Message:
    """Return a CompressedImage of a picture, RGB, uint8, (height, width, 3).

    Raises:
        ImageError: it cannot be encoded.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, *_FULL_COLOUR]
    made, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not made:
        raise ImageError(f"an image of {image.shape[1]}x{image.shape[0]} cannot be encoded as JPEG")
    return {"header": header, "format": "rgb8; jpeg compressed bgr8", "data": data.ravel()}


def depth_message(header: Message, depth: np.ndarray) -> Message:
    """Return an Image of a depth map, uint16 in mm or float32 in m, (height, width)."""
    height, width = depth.shape
    return {
        "header": header,
        "height": height,
        "width": width,
        "encoding": _DEPTH_ENCODINGS[depth.dtype],
        "step": width * depth.itemsize,
        "data": np.ascontiguousarray(depth).view(np.uint8).ravel(),
    }


def video_message(header: Message, packet: bytes, codec: str) -> Message:
    """Return a CompressedVideo with one packet."""
    return {"timestamp": header["stamp"], "frame_id": header["frame_id"], "data": packet, "format": codec}

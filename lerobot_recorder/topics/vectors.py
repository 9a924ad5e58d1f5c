"""Extracts vectors from messages: joint states by name, commands, twists, wrenches and poses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lerobot_recorder.errors import ConfigError, StreamError
from lerobot_recorder.excerpt import listing


class OtherJointsError(StreamError):
    """A message has none of a stream's joints: another part of the robot may share the topic."""


Extract = Callable[[Any], np.ndarray]
"""Returns the values of a message, float64, (n,); raises StreamError if they are missing."""

SUFFIXES = {"position": ".pos", "velocity": ".vel", "effort": ".effort"}
_AXES = ("x", "y", "z")
_TWIST = tuple(f"{part}.{axis}" for part in ("linear", "angular") for axis in _AXES)
_WRENCH = tuple(f"{part}.{axis}" for part in ("force", "torque") for axis in _AXES)
_POSE = tuple(f"position.{axis}" for axis in _AXES) + tuple(f"orientation.{axis}" for axis in (*_AXES, "w"))

_FIXED_NAMES = {
    "geometry_msgs/msg/Twist": _TWIST,
    "geometry_msgs/msg/TwistStamped": _TWIST,
    "geometry_msgs/msg/Wrench": _WRENCH,
    "geometry_msgs/msg/WrenchStamped": _WRENCH,
    "geometry_msgs/msg/Pose": _POSE,
    "geometry_msgs/msg/PoseStamped": _POSE,
}
_INNER = {"Twist": "twist", "Wrench": "wrench", "Pose": "pose"}
_BY_JOINT = ("sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory")
_CONTROLLER = "control_msgs/msg/JointTrajectoryControllerState"
_ARRAY = "std_msgs/msg/Float64MultiArray"

_PLURALS = {"position": "positions", "velocity": "velocities", "effort": "effort"}
_STAMPED = (*_BY_JOINT, _CONTROLLER, *(name for name in _FIXED_NAMES if name.endswith("Stamped")))

VECTOR_TYPES = (*_BY_JOINT, _ARRAY, _CONTROLLER, *_FIXED_NAMES)


def default_names(message_type: str) -> tuple[str, ...]:
    """Return the names of a message's values if its type defines them; none if they must be given."""
    return _FIXED_NAMES.get(message_type, ())


def has_header(message_type: str) -> bool:
    """Return whether a vector message type has a header with a stamp."""
    return message_type in _STAMPED


def has_joints(message_type: str) -> bool:
    """Return whether the values of a message type belong to joints."""
    return message_type in (*_BY_JOINT, _CONTROLLER, _ARRAY)


def feature_names(message_type: str, names: Sequence[str], field: str) -> tuple[str, ...]:
    """Name the values as LeRobot does, for joints with their quantity, as in ``gripper.pos``."""
    suffix = SUFFIXES[field] if has_joints(message_type) else ""
    return tuple(name if "." in name else name + suffix for name in names)


def extractor(message_type: str, names: Sequence[str], field: str) -> Extract:
    """Return a function that extracts the values of a message type.

    Args:
        message_type: as ``sensor_msgs/msg/JointState``.
        names: joints, or the values of a fixed type that are wanted.
        field: ``position``, ``velocity`` or ``effort``.

    Raises:
        ConfigError: the type cannot be recorded, or has no such values.
    """
    if field not in SUFFIXES:
        raise ConfigError(f"field: expected one of {', '.join(SUFFIXES)}, found {field!r}")
    if message_type in _FIXED_NAMES:
        return _fixed(message_type, names)
    if message_type == _ARRAY:
        return _array(names)
    if message_type == _CONTROLLER:
        return _controller(names, field)
    if message_type == "trajectory_msgs/msg/JointTrajectory":
        return _trajectory(names, field)
    if message_type == "sensor_msgs/msg/JointState":
        return lambda message: by_name(message.name, getattr(message, field), names, field)
    raise ConfigError(f"messages of type {message_type} cannot be recorded; {', '.join(VECTOR_TYPES)} can")


def by_name(found: Sequence[str], values: Sequence[float], wanted: Sequence[str], field: str) -> np.ndarray:
    """Return the values of named joints, in the order of the names.

    If there is no ``elbow``, ``elbow_joint`` is used instead, and vice versa.

    Raises:
        OtherJointsError: none of the joints is in the message.
        StreamError: a joint is missing, or has no value.
    """
    index = {name.removesuffix("_joint"): i for i, name in enumerate(found)}
    index.update({name: i for i, name in enumerate(found)})
    missing = [name for name in wanted if name not in index and name.removesuffix("_joint") not in index]
    if missing:
        kind = OtherJointsError if len(missing) == len(wanted) else StreamError
        raise kind(f"no joint {listing(missing)} in the message, it has {listing(found) or 'none'}")
    if len(values) != len(found):
        raise StreamError(f"the message has {len(found)} joints but {len(values)} values of {field}")
    places = [index.get(name, index.get(name.removesuffix("_joint"), 0)) for name in wanted]
    return np.asarray(values, np.float64)[places]


def joints_in(message: Any) -> tuple[str, ...]:
    """Return the joints that a message names; none if its type has no joint names."""
    return tuple(getattr(message, "name", getattr(message, "joint_names", ())))


def _array(names: Sequence[str]) -> Extract:
    def take(message: Any) -> np.ndarray:
        if len(message.data) != len(names):
            raise StreamError(f"the message has {len(message.data)} values, {len(names)} are named")
        return np.asarray(message.data, np.float64)

    return take


def _trajectory(names: Sequence[str], field: str) -> Extract:
    def take(message: Any) -> np.ndarray:
        if not message.points:
            raise StreamError("the trajectory has no point")
        return by_name(message.joint_names, getattr(message.points[0], _PLURALS[field]), names, field)

    return take


def _controller(names: Sequence[str], field: str) -> Extract:
    """Take the controller's reference; older releases of control_msgs call it ``desired``."""

    def take(message: Any) -> np.ndarray:
        aim = message.reference if hasattr(message, "reference") else message.desired
        return by_name(message.joint_names, getattr(aim, _PLURALS[field]), names, field)

    return take


def _fixed(message_type: str, names: Sequence[str]) -> Extract:
    known = _FIXED_NAMES[message_type]
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"{message_type} has no value {', '.join(unknown)}; it has {', '.join(known)}")
    paths = [name.split(".") for name in names]
    short = message_type.rsplit("/", 1)[1]
    inner = _INNER[short.removesuffix("Stamped")] if short.endswith("Stamped") else None

    def take(message: Any) -> np.ndarray:
        body = getattr(message, inner) if inner else message
        return np.array([getattr(getattr(body, part), axis) for part, axis in paths], np.float64)

    return take

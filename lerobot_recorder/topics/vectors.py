"""Extracts vectors from messages: joint states by name, numbers of other types by their paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from lerobot_recorder.discovery import (
    ARRAY,
    ARRAYS,
    CONTROLLER_STATE,
    JOINT_STATE,
    JOY,
    NUMBERS,
    TRAJECTORY,
)
from lerobot_recorder.errors import ConfigError, StreamError
from lerobot_recorder.excerpt import listing
from lerobot_recorder.topics.fields import (
    Extract,
    Layout,
    Place,
    extract_numbers,
    extract_sequence,
)


class OtherJointsError(StreamError):
    """A message has none of a stream's joints: another part of the robot may share the topic."""


SUFFIXES = {"position": ".pos", "velocity": ".vel", "effort": ".effort"}
"""What is recorded of joints, and how LeRobot marks it in a name, as in ``gripper.pos``."""

_JOINTS = (
    JOINT_STATE,
    TRAJECTORY,
    CONTROLLER_STATE,
)
_COMMANDS = (ARRAY, "std_msgs/msg/Float32MultiArray")
"""Values of joints without names, as forward command controllers take them."""

_BODIES: Mapping[str, Mapping[str, str]] = {
    "sensor_msgs/msg/MultiDOFJointState": {"position": "transforms", "velocity": "twist", "effort": "wrench"},
    "trajectory_msgs/msg/MultiDOFJointTrajectory": {
        "position": "points[0].transforms",
        "velocity": "points[0].velocities",
    },
}
"""Joints with several degrees of freedom: where their values are, one message for each joint."""

_CHOSEN = {
    "sensor_msgs/msg/Range": ("range",),
    "sensor_msgs/msg/NavSatFix": ("latitude", "longitude", "altitude"),
    "sensor_msgs/msg/BatteryState": ("voltage", "current", "percentage"),
}
"""Values of types that hold constants or what drivers often do not measure, too."""

_WITHOUT_UNIT = ("Quaternion", "Vector3")

USUAL_TYPES = (
    *_JOINTS,
    *_BODIES,
    ARRAY,
    *ARRAYS,
    *NUMBERS,
    JOY,
    *(f"geometry_msgs/msg/{name}{end}" for name in _WITHOUT_UNIT for end in ("", "Stamped")),
)
"""Types of vectors that are recorded without a path. With one, all others are, too."""

_LISTED = 20
_PLURALS = {"position": "positions", "velocity": "velocities", "effort": "effort"}


@dataclass(frozen=True)
class Vector:
    """How to make a vector of a message.

    Attributes:
        names: names of the values in the dataset.
        take: extracts the values.
        joints: the joints whose values these are; empty: they belong to no joints.
        quantity: ``position``, ``velocity`` or ``effort`` of joints; empty for others.
    """

    names: tuple[str, ...]
    take: Extract
    joints: tuple[str, ...] = ()
    quantity: str = ""


def vector_of(
    layout: Layout, field: str = "", names: Sequence[str] = (), aliases: Sequence[str] = ()
) -> Vector:
    """Return how to make a vector of the messages of a type.

    Args:
        layout: the type.
        field: quantity of joints, or the path below which all numbers are taken; empty: the position of
            joints, or all numbers of other types.
        names: joints, or paths of numbers; for an array whose length the type does not fix, names of all its
            values; empty: all that the type defines.
        aliases: names in the dataset, in the order of names; empty: the same.

    Raises:
        ConfigError: the type has no such field, or the field holds no numbers.
    """
    if aliases and len(aliases) != len(names or aliases):
        raise ConfigError(f"aliases: {len(aliases)} for {len(names)} names")
    kind, quantity = layout.message_type, field or "position"
    if (
        quantity in SUFFIXES
        and kind in (*_JOINTS, *_BODIES, *_COMMANDS)
        and not _are_paths(layout, layout.root, names)
    ):
        make = _body_vector if kind in _BODIES else _command_vector if kind in _COMMANDS else _joint_vector
        return make(layout, quantity, names, aliases or names)
    return _plain_vector(layout, field, names, aliases)


def values_in(layout: Layout, message: Any) -> dict[str, float]:
    """Return the values of a message by name, to show them: of each joint, or all numbers.

    Raises:
        StreamError: the message has joints without values.
        ConfigError: it has no numbers.
    """
    if joints := joints_in(message):
        vector = vector_of(layout, names=joints)
        names = vector.joints or vector.names
    elif layout.numbers():
        vector = vector_of(layout)
        names = vector.names
    else:
        arrays = ((each.path, _length(message, each.path)) for each in layout.sequences())
        names = tuple(f"{path}[{index}]" for path, length in arrays for index in range(length))
        vector = vector_of(layout, names=names)
    return dict(zip(names, vector.take(message).tolist(), strict=True))


def _length(message: Any, path: str) -> int:
    return len(attrgetter(path)(message))


def by_name(found: Sequence[str], values: Sequence[float], wanted: Sequence[str], field: str) -> np.ndarray:
    """Return the values of named joints, in the order of the names.

    If there is no ``elbow``, ``elbow_joint`` is used instead, and vice versa.

    Raises:
        OtherJointsError: none of the joints is in the message.
        StreamError: a joint is missing, or has no value.
    """
    return _Joints(wanted).values(found, values, field)


def joints_in(message: Any) -> tuple[str, ...]:
    """Return the joints that a message names; none if its type has no joint names."""
    names = getattr(message, "name", getattr(message, "joint_names", ()))
    return () if isinstance(names, str) else tuple(names)


class _Joints:
    """Finds the values of joints by name. Messages of one publisher have the same names in the same order."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = wanted
        self._found: Sequence[str] = ()
        self._places: list[int] = []

    def places(self, found: Sequence[str]) -> list[int]:
        """Return the places of the joints among the names in a message.

        Raises:
            OtherJointsError: none of the joints is in the message.
            StreamError: a joint is missing.
        """
        if found != self._found or not self._places:
            self._places, self._found = self._look_up(found), found
        return self._places

    def values(self, found: Sequence[str], values: Sequence[float], field: str) -> np.ndarray:
        """Return the values of the joints, in their order.

        Raises:
            OtherJointsError: none of the joints is in the message.
            StreamError: a joint is missing, or has no value.
        """
        places = self.places(found)
        if len(values) != len(found):
            raise StreamError(f"the message has {len(found)} joints but {len(values)} values of {field}")
        return np.asarray(values, np.float64)[places]

    def _look_up(self, found: Sequence[str]) -> list[int]:
        wanted = self._wanted
        index = {name.removesuffix("_joint"): i for i, name in enumerate(found)}
        index.update({name: i for i, name in enumerate(found)})
        missing = [name for name in wanted if name not in index and name.removesuffix("_joint") not in index]
        if missing:
            kind = OtherJointsError if len(missing) == len(wanted) else StreamError
            raise kind(f"no joint {listing(missing)} in the message, it has {listing(found) or 'none'}")
        return [index.get(name, index.get(name.removesuffix("_joint"), 0)) for name in wanted]


def _joint_vector(layout: Layout, quantity: str, names: Sequence[str], aliases: Sequence[str]) -> Vector:
    _require_names(names)
    extract = dict(zip(_JOINTS, (_state, _trajectory, _controller), strict=True))[layout.message_type]
    return Vector(_suffixed(aliases, quantity), extract(_Joints(names), quantity), tuple(names), quantity)


def _command_vector(layout: Layout, quantity: str, names: Sequence[str], aliases: Sequence[str]) -> Vector:
    _require_names(names)
    take = extract_sequence(layout.find("data"), len(names))
    return Vector(_suffixed(aliases, quantity), take, tuple(names), quantity)


def _require_names(names: Sequence[str]) -> None:
    if not names:
        raise ConfigError("names: name the joints to record, in the order of the feature")


def _suffixed(names: Sequence[str], quantity: str) -> tuple[str, ...]:
    """Name the values of joints as LeRobot does, as in ``gripper.pos``."""
    return tuple(name if "." in name else name + SUFFIXES[quantity] for name in names)


def _state(joints: _Joints, quantity: str) -> Extract:
    return lambda message: joints.values(message.name, getattr(message, quantity), quantity)


def _trajectory(joints: _Joints, quantity: str) -> Extract:
    plural = _PLURALS[quantity]
    return lambda message: joints.values(
        message.joint_names, getattr(_first_point(message), plural), quantity
    )


def _first_point(message: Any) -> Any:
    if not message.points:
        raise StreamError("the trajectory has no point")
    return message.points[0]


def _controller(joints: _Joints, quantity: str) -> Extract:
    """Take the controller's reference; older releases of control_msgs call it ``desired``."""
    plural = _PLURALS[quantity]

    def take(message: Any) -> np.ndarray:
        aim = message.reference if hasattr(message, "reference") else message.desired
        return joints.values(message.joint_names, getattr(aim, plural), quantity)

    return take


def _body_vector(layout: Layout, quantity: str, names: Sequence[str], aliases: Sequence[str]) -> Vector:
    """Read the transform, the twist or the wrench of each joint, by name."""
    _require_names(names)
    where = _BODIES[layout.message_type]
    if quantity not in where:
        raise ConfigError(f"field: expected {' or '.join(where)}, found {quantity}")
    path = where[quantity]
    first = layout.find(f"{path}[0]")
    numbers = Layout(first.kind.name, layout.types).numbers()
    joints, read, in_points = _Joints(names), extract_numbers(numbers), path.startswith("points")
    attribute = path.rsplit(".", 1)[-1]

    def take(message: Any) -> np.ndarray:
        bodies = getattr(_first_point(message) if in_points else message, attribute)
        places = joints.places(message.joint_names)
        if len(bodies) != len(message.joint_names):
            raise StreamError(
                f"the message has {len(message.joint_names)} joints but {len(bodies)} values of {quantity}"
            )
        return np.concatenate([read(bodies[place]) for place in places])

    return Vector(tuple(f"{alias}.{number.name}" for alias in aliases for number in numbers), take)


def _plain_vector(layout: Layout, field: str, names: Sequence[str], aliases: Sequence[str]) -> Vector:
    place = _place(layout, field)
    if names and _names_elements(layout, place, names):
        take = extract_sequence(layout.sequences(place)[0], len(names))
        return Vector(tuple(aliases or names), take)
    numbers = [_number(layout, place, name) for name in names] or _default_numbers(layout, place)
    own = tuple(names) or tuple(number.name for number in numbers)
    if aliases and len(aliases) != len(own):
        raise ConfigError(f"aliases: {len(aliases)} for the {len(own)} values {listing(own)}")
    return Vector(tuple(aliases or own), extract_numbers(numbers))


def _place(layout: Layout, field: str) -> Place:
    try:
        return layout.find(field) if field else layout.root
    except ConfigError as error:
        raise ConfigError(f"field: {error}") from error


def _names_elements(layout: Layout, place: Place, names: Sequence[str]) -> bool:
    """Return whether names are those of all elements of an array, which is all that a place holds."""
    is_array = len(layout.sequences(place)) == 1 and not layout.numbers(place)
    return is_array and not _are_paths(layout, place, names)


def _are_paths(layout: Layout, place: Place, names: Sequence[str]) -> bool:
    try:
        return bool(names) and all(_number(layout, place, name) for name in names)
    except ConfigError:
        return False


def _number(layout: Layout, place: Place, name: str) -> Place:
    """Return the number with a name, or at a path from the message or from a place in it."""
    known = {number.name: number for number in layout.numbers(place)}
    if name in known:
        return known[name]
    why = f"{layout.message_type} has no value {name}; it has {listing(known, _LISTED)}"
    for path in (f"{place.path}.{name}".lstrip("."), name):
        try:
            found = layout.find(path)
            if found.kind.is_number and not found.kind.is_array:
                return found
            why = f"{name} is not one number; {_hint(layout, found)}"
        except ConfigError as error:
            why = why if known else str(error)
    raise ConfigError(f"names: {why}")


def _default_numbers(layout: Layout, place: Place) -> list[Place]:
    if place is layout.root and layout.message_type in _CHOSEN:
        return [layout.find(path) for path in _CHOSEN[layout.message_type]]
    if numbers := layout.numbers(place):
        return numbers
    where = place.path or layout.message_type
    raise ConfigError(f"field: {where} has no number that could be recorded; {_hint(layout, place)}")


def _hint(layout: Layout, place: Place) -> str:
    """Return how to record what is at a place without numbers of its own."""
    if sequences := layout.sequences(place):
        paths = [sequence.path for sequence in sequences]
        return (
            f"the type does not fix how many values {listing(paths)} has: give names, such as {paths[0]}[0], "
            f"or field: {paths[0]} and names for all its values"
        )
    if place.kind.is_array:
        return f"it is a {place.kind}: give an index, such as {place.path}[0]"
    return layout.describe(place)

"""Message types from the definitions that a bag holds; those of ROS where it holds none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from lerobot_recorder.bags.storage import StoredTopic
from lerobot_recorder.errors import BagError
from lerobot_recorder.excerpt import excerpt

if TYPE_CHECKING:
    from rosbags.interfaces.typing import FieldDesc, Typesdict
    from rosbags.typesys.store import Typestore

_DISTRO_WITHOUT_DEFINITIONS = "humble"
"""The newest ROS whose bags hold no definitions in sqlite3 files."""

_SEPARATOR = "=" * 80 + "\n"
_IDL_SEPARATOR = f"{_SEPARATOR}IDL: "
_DIRECTIVE = re.compile(r"^\s*#.*$", re.MULTILINE)
"""Lines of the preprocessor: what they include stands beside them."""

_NAMES = {"float32": "float", "float64": "double", "bool": "boolean", "byte": "octet", "char": "uint8"}
"""What ROS calls the types of fields, where it is not their name in a definition."""


class Definitions:
    """The message types of a bag. Each type of each topic may have a definition of its own.

    Args:
        distro: the ROS that recorded the bag, for types that it does not define; empty if unknown.
    """

    def __init__(self, distro: str = "") -> None:
        self._distro = distro
        self._stores: dict[tuple[str, str], Typestore] = {}

    def decoder(self, topic: StoredTopic) -> Callable[[bytes], Any]:
        """Return a function that turns the serialized messages of a topic into objects.

        Raises:
            BagError: the type cannot be decoded.
        """
        if topic.serialization != "cdr":
            raise BagError(
                f"{topic.name}: its messages are serialized as {excerpt(topic.serialization, 40)!r}, "
                "expected cdr, as ROS 2 does; leave the topic out, or convert it with 'ros2 bag convert'"
            )
        store = self._store(topic)

        def decode(data: bytes) -> Any:
            try:
                return store.deserialize_cdr(data, topic.type)
            except Exception as error:  # of damaged data: many kinds
                raise BagError(
                    f"{topic.name}: a message of {len(data)} bytes is no {topic.type}: {error}"
                ) from error

        return decode

    def fields(self, message_type: str, topics: Sequence[StoredTopic]) -> Mapping[str, str]:
        """Return the types of a message's fields by name.

        Args:
            message_type: the full name of the type.
            topics: topics whose definition may have the type; the first that has it counts.

        Raises:
            BagError: no definition that can be used has the type.
        """
        reason = BagError(f"the bag has no definition of {message_type}")
        for topic in topics:
            try:
                known = self._store(topic).fielddefs.get(message_type)
            except BagError as error:
                reason = error
                continue
            if known is not None:
                return {name: _field_type(description) for name, description in known[1]}
        raise reason

    def _store(self, topic: StoredTopic) -> Typestore:
        key = (topic.type, topic.definition)
        if key not in self._stores:
            self._stores[key] = self._made(topic)
        return self._stores[key]

    def _made(self, topic: StoredTopic) -> Typestore:
        from rosbags.typesys.store import Typestore

        try:
            types = _parsed(topic)
            _complete(topic.type, types, self._distro or _DISTRO_WITHOUT_DEFINITIONS)
            store = Typestore()
            store.register(types)
            store.get_msgdef(topic.type)
        except BagError:
            raise
        except Exception as error:  # of a definition that is not understood: many kinds
            reason = excerpt(" ".join(str(error).split()), 120) or type(error).__name__
            raise BagError(
                f"{topic.name}: cannot use the definition of {topic.type} in the bag: {reason}; "
                "leave the topic out"
            ) from error
        return store


def _parsed(topic: StoredTopic) -> Typesdict:
    """Return the types in the definition of a topic's type; none if there is no definition.

    Raises:
        TypesysError: it is not understood.
    """
    from rosbags.typesys import get_types_from_idl, get_types_from_msg

    if topic.encoding == "ros2msg":
        if "/srv/" in topic.type:
            return _parsed_service(topic)
        return get_types_from_msg(topic.definition, topic.type)
    types: Typesdict = {}
    if topic.encoding in ("ros2idl", "omgidl"):
        text = _DIRECTIVE.sub("", topic.definition)
        for part in text.split(_IDL_SEPARATOR):
            if part.strip():
                types.update(get_types_from_idl(part.partition("\n")[2] if _IDL_SEPARATOR in text else part))
    return types


def _parsed_service(topic: StoredTopic) -> Typesdict:
    """Return the types of a service: a recorded call is an event with a request or a response."""
    from rosbags.interfaces import Nodetype
    from rosbags.typesys import get_types_from_msg

    service = topic.type.rpartition("_")[0]
    own, separator, others = topic.definition.partition(_SEPARATOR)
    request, _, response = own.partition("---\n")
    types: Typesdict = {}
    fields: list[Any] = [("info", (Nodetype.NAME, "service_msgs/msg/ServiceEventInfo"))]
    for name, text in (("request", request), ("response", response)):
        kind = f"{service}_{name.capitalize()}"
        as_message = kind.replace("/srv/", "/msg/")  # the only kind that the parser knows
        types.update(get_types_from_msg(text + separator + others, as_message))
        types[kind] = types.pop(as_message)
        fields.append((name, (Nodetype.SEQUENCE, ((Nodetype.NAME, kind), 1))))
    types[f"{service}_Event"] = ([], fields)
    return types


def _complete(name: str, types: Typesdict, distro: str) -> None:
    """Add the types that others use but the bag does not define, from a ROS.

    Raises:
        BagError: ROS has no such type.
    """
    waiting, seen = [name], {name}
    while waiting:
        name = waiting.pop()
        if name not in types:
            types[name] = _type_of_ros(name, distro)
        used = {other for _, description in types[name][1] for other in _types_in(description)}
        waiting += used - seen
        seen |= used


def _types_in(description: FieldDesc) -> list[str]:
    from rosbags.interfaces import Nodetype

    kind, value = description
    if kind == Nodetype.NAME:
        return [str(value)]
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        return _types_in(value[0])
    return []


def _type_of_ros(name: str, distro: str) -> Any:
    known = _types_of_ros(distro)
    if name not in known:
        raise BagError(
            f"the bag has no definition of {name}, and it is no type of ROS itself; record it with jazzy "
            "or newer where the type is installed, or convert it there with 'ros2 bag convert'"
        )
    return known[name]


@cache
def _types_of_ros(distro: str) -> Typesdict:
    from rosbags.typesys import Stores, get_typestore

    store = Stores.__members__.get(f"ROS2_{distro.upper()}", Stores.ROS2_HUMBLE)
    return {**get_typestore(Stores.LATEST).fielddefs, **get_typestore(store).fielddefs}


def _field_type(description: FieldDesc) -> str:
    """Return the type of a field as ROS names it, for example ``sequence<double>``."""
    from rosbags.interfaces import Nodetype

    kind, value = description
    if kind == Nodetype.NAME:
        return str(value).replace("/msg/", "/")
    if kind == Nodetype.BASE:
        name, bound = value
        return f"{name}<{bound}>" if bound else _NAMES.get(str(name), str(name))
    item, size = value
    inner = _field_type(item)
    if kind == Nodetype.ARRAY:
        return f"{inner}[{size}]"
    return f"sequence<{inner}, {size}>" if size else f"sequence<{inner}>"

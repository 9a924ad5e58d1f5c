"""Message types from the definitions that a bag holds; those of ROS where it holds none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

_IDL_SEPARATOR = "=" * 80 + "\nIDL: "
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
        from rosbags.serde import SerdeError

        store = self._store(topic)

        def decode(data: bytes) -> Any:
            try:
                return store.deserialize_cdr(data, topic.type)
            except (SerdeError, IndexError, ValueError, MemoryError) as error:
                raise BagError(
                    f"{topic.name}: a message of {len(data)} bytes is no {topic.type}: {error}"
                ) from error

        return decode

    def fields(self, topic: StoredTopic) -> Mapping[str, str]:
        """Return the types of the fields of a topic's messages, by name.

        Raises:
            BagError: the type cannot be decoded.
        """
        fields = self._store(topic).fielddefs[topic.type][1]
        return {name: _field_type(description) for name, description in fields}

    def _store(self, topic: StoredTopic) -> Typestore:
        key = (topic.type, topic.definition)
        if key not in self._stores:
            self._stores[key] = self._made(topic)
        return self._stores[key]

    def _made(self, topic: StoredTopic) -> Typestore:
        from rosbags.typesys import TypesysError
        from rosbags.typesys.store import Typestore

        known = _types_of_ros(self._distro or _DISTRO_WITHOUT_DEFINITIONS)
        try:
            types = _parsed(topic) if topic.definition else {}
            _complete(topic.type, types, known)
            store = Typestore()
            store.register(types)
            store.get_msgdef(topic.type)
        except (TypesysError, KeyError, ValueError, SyntaxError, AssertionError, RecursionError) as error:
            raise BagError(
                f"{topic.name}: cannot use the definition of {topic.type} in the bag: "
                f"{excerpt(error, 120) or type(error).__name__}; leave the topic out"
            ) from error
        return store


def _parsed(topic: StoredTopic) -> Typesdict:
    """Return the types in a definition.

    Raises:
        TypesysError: it is not understood.
        BagError: its format is unknown.
    """
    from rosbags.typesys import get_types_from_idl, get_types_from_msg

    if topic.encoding == "ros2msg":
        return get_types_from_msg(topic.definition, topic.type)
    if topic.encoding not in ("ros2idl", "omgidl"):
        raise BagError(
            f"{topic.name}: the definition of {topic.type} has the format {excerpt(topic.encoding, 40)!r}, "
            "expected ros2msg or ros2idl; leave the topic out"
        )
    if not topic.definition.startswith(_IDL_SEPARATOR):
        return get_types_from_idl(topic.definition)
    types: Typesdict = {}
    for part in topic.definition.split(_IDL_SEPARATOR)[1:]:
        types.update(get_types_from_idl(part.partition("\n")[2]))
    return types


def _complete(name: str, types: Typesdict, known: Typesdict) -> None:
    """Add the types that others use but the bag does not define.

    Raises:
        BagError: ROS has no such type.
    """
    waiting, seen = [name], {name}
    while waiting:
        name = waiting.pop()
        if name not in types and name not in known:
            raise BagError(
                f"the bag has no definition of {name}, and it is no type of ROS itself; record it with ROS 2 "
                "jazzy or newer where the type is installed, or convert it there with 'ros2 bag convert'"
            )
        types.setdefault(name, known.get(name, ([], [])))
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


@cache
def _types_of_ros(distro: str) -> Typesdict:
    from rosbags.typesys import Stores, get_typestore

    store = Stores.__members__.get(f"ROS2_{distro.upper()}", Stores.ROS2_HUMBLE)
    return get_typestore(store).fielddefs


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

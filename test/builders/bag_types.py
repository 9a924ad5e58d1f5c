"""Message types as a bag defines them, and their messages, by rosbags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from lerobot_recorder.errors import ConfigError

_BASE, _NAME, _ARRAY = 1, 2, 3


class BagTypes:
    """All types that rosbags knows, and those of given definitions, by name."""

    def __init__(self, **definitions: str) -> None:
        self.store = get_typestore(Stores.ROS2_HUMBLE)
        for name, text in definitions.items():
            self.store.register(get_types_from_msg(text, f"lab_msgs/msg/{name}"))

    def fields(self, message_type: str) -> Mapping[str, str]:
        if message_type not in self.store.fielddefs:
            raise ConfigError(f"the bag does not define {message_type}")
        return {name: _text(kind) for name, kind in self.store.fielddefs[message_type][1]}

    def make(self, message_type: str, *values: Any) -> Any:
        """Return a message as it is read from a bag."""
        message = self.store.types[message_type](*values)
        return self.store.deserialize_cdr(self.store.serialize_cdr(message, message_type), message_type)


def _text(kind: Any) -> str:
    node, of = kind
    if node == _BASE:
        return of[0]
    if node == _NAME:
        return of
    element, length = of
    if node == _ARRAY:
        return f"{_text(element)}[{length}]"
    return f"sequence<{_text(element)}, {length}>" if length else f"sequence<{_text(element)}>"

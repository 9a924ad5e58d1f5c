"""Status as JSON: every status that a node publishes is written and read here.

A status is a frozen dataclass. Its fields are the keys of the JSON object; docs/status.md lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

STATUS_VERSION = 1
"""Grows when a field is removed or changes its meaning; new fields do not change it."""

OK, WARN, ERROR = 0, 1, 2
"""Levels of a device's status, as in ROS diagnostics."""

SILENT_S = 3.0
"""A recorder or an encoder that has not reported for this time does not answer; it does so twice a second."""

Status = TypeVar("Status")


@dataclass(frozen=True)
class DeviceStatus:
    """State of the arms or of a camera, for ``/diagnostics``.

    Attributes:
        level: ``OK``, ``WARN`` or ``ERROR``
        message: the state in one sentence
        values: counters and measurements by name
    """

    level: int
    message: str
    values: Mapping[str, str] = field(default_factory=dict)


def to_json(status: Any) -> dict[str, Any]:
    """Return a status as a JSON object."""
    return asdict(status)


def from_json(kind: type[Status], content: Mapping[str, Any]) -> Status:
    """Return the status that `to_json` made a JSON object of.

    Args:
        kind: class of the status.
        content: the object. Unknown keys are ignored, missing ones have their defaults.
    """
    hints = get_type_hints(kind)
    return kind(**{name: _read(hints[name], value) for name, value in content.items() if name in hints})


def _read(kind: Any, value: Any) -> Any:
    """Return a JSON value as the type of a field: a dataclass, or a tuple or mapping of them."""
    if value is None:
        return None
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _read(arguments[0], value)
    if origin is tuple:
        return tuple(_read(arguments[0], each) for each in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _read(arguments[1], each) for key, each in value.items()}
    return from_json(kind, value) if is_dataclass(kind) and isinstance(kind, type) else value

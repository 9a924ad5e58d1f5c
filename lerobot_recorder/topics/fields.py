"""Finds the numbers in a message by the definition of its type.

A path leads to a value or to several: ``pose.position.x``, ``wrench.force``, ``data[3]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Any, Protocol

import numpy as np

from lerobot_recorder.bags import full_type
from lerobot_recorder.errors import ConfigError, StreamError
from lerobot_recorder.excerpt import excerpt, listing

Extract = Callable[[Any], np.ndarray]
"""Returns the values of a message, float64, (n,); raises StreamError if they are missing."""

_FLOATS = ("float", "double", "long double", "float32", "float64")
_OCTETS = ("octet", "byte")
_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_NUMBERS = frozenset((*_FLOATS, *_INTEGERS, *_OCTETS, "boolean", "bool", "char"))
_HEADER = "std_msgs/msg/Header"
_NOT_MEASURED = frozenset(
    (
        "builtin_interfaces/msg/Duration",
        "builtin_interfaces/msg/Time",
        _HEADER,
        "std_msgs/msg/MultiArrayLayout",
    )
)
"""Messages whose numbers are recorded only if a path leads to them. So are covariances."""

_SEQUENCE = re.compile(r"sequence<(?P<of>.+?)(?:, *(?P<most>\d+))?>")
_ARRAY = re.compile(r"(?P<of>.+?)\[(?P<bound><=)?(?P<length>\d*)\]")
_STEP = re.compile(r"(?P<name>\w+)(?P<indices>(?:\[\d+\])*)")
_MOST_LISTED = 20
_MOST_NUMBERS = 10_000


class MessageTypes(Protocol):
    """The message types that are known: those of a ROS installation, or those that a bag defines."""

    def fields(self, message_type: str) -> Mapping[str, str]:
        """Return the types of a message's fields by name, for example ``geometry_msgs/Pose`` or ``double``.

        Raises:
            ConfigError: the type is unknown.
        """


@dataclass(frozen=True)
class Kind:
    """The type of a field.

    Attributes:
        name: of a value or of an array's elements: ``double``, ``string``, ``geometry_msgs/msg/Pose``
        is_array: whether it holds several of them
        length: number of elements if it is fixed; None: any
    """

    name: str
    is_array: bool = False
    length: int | None = None

    @classmethod
    def parse(cls, text: str) -> Kind:
        """Parse a type as ``MessageTypes`` gives it, or as a ``.msg`` file does."""
        if found := _SEQUENCE.fullmatch(text):
            return cls(full_type(found["of"]), is_array=True)
        if found := _ARRAY.fullmatch(text):
            is_fixed = found["length"] and not found["bound"]
            return cls(
                full_type(found["of"]), is_array=True, length=int(found["length"]) if is_fixed else None
            )
        return cls(full_type(text))

    @property
    def is_message(self) -> bool:
        """Whether it is a message, or an array of messages."""
        return "/" in self.name

    @property
    def is_number(self) -> bool:
        """Whether it is a number or a truth value, or an array of these."""
        return self.name in _NUMBERS

    @property
    def is_text(self) -> bool:
        """Whether it is a text."""
        return self.name.startswith(("string", "wstring")) and not self.is_array

    @property
    def element(self) -> Kind:
        """The type of an array's elements."""
        return Kind(self.name)

    def __str__(self) -> str:
        name = self.name.replace("/msg/", "/")
        if not self.is_array:
            return name
        return f"sequence of {name}" if self.length is None else f"{name}[{self.length}]"


@dataclass(frozen=True)
class Place:
    """A field, an element of an array, or the whole message.

    Attributes:
        path: how to get there; empty: the whole message
        name: the path without the fields that hold nothing else, as ``linear.x`` for ``twist.linear.x``
        kind: what is there
    """

    path: str
    name: str
    kind: Kind

    def below(self, step: str, kind: Kind, *, is_alone: bool = False) -> Place:
        """Return the place of a field; ``is_alone``: nothing else is here."""
        name = self.name if is_alone else _joined(self.name, step)
        return Place(_joined(self.path, step), name, kind)

    def element(self, index: int) -> Place:
        """Return the place of an array's element."""
        return Place(f"{self.path}[{index}]", f"{self.name}[{index}]", self.kind.element)


class Layout:
    """The numbers in the messages of a type.

    Attributes:
        message_type: the type
        types: the types that are known
        root: the whole message
    """

    def __init__(self, message_type: str, types: MessageTypes) -> None:
        """Look up a type.

        Raises:
            ConfigError: the type is unknown.
        """
        self.message_type = message_type
        self.types = types
        self._known: dict[str, dict[str, Kind]] = {}
        self._held: dict[str, dict[str, Kind]] = {}
        self._open: set[str] = set()
        self.root = Place("", "", Kind(message_type))
        self._fields(self.root.kind)

    @property
    def has_header(self) -> bool:
        """Whether the messages have a header, and so a stamp."""
        header = self._fields(self.root.kind).get("header")
        return header is not None and header.name == _HEADER

    def find(self, path: str) -> Place:
        """Return the place that a path leads to.

        Raises:
            ConfigError: there is no such place.
        """
        place = self.root
        for step in path.split("."):
            if (found := _STEP.fullmatch(step)) is None:
                raise ConfigError(f"{path!r}: expected a path such as pose.position.x or data[3]")
            place = self._field(place, found["name"])
            for index in re.findall(r"\d+", found["indices"]):
                place = self._element(place, int(index))
        return place

    def numbers(self, below: Place | None = None) -> list[Place]:
        """Return the places of all numbers below a place, in order, without arrays of any length.

        Raises:
            ConfigError: these are far more than a row can have.
        """
        found = list(islice(self._numbers(below or self.root), _MOST_NUMBERS + 1))
        if len(found) > _MOST_NUMBERS:
            raise ConfigError(f"names: more than {_MOST_NUMBERS} numbers are there: name those to record")
        return found

    def sequences(self, below: Place | None = None) -> list[Place]:
        """Return the arrays of numbers of any length, below a place and in order."""
        place = below or self.root
        if not place.kind.is_message or place.kind.is_array:
            return [place] if place.kind.is_number and _is_open(place.kind) else []
        fields = self._measured(place.kind).items()
        return [each for name, kind in fields for each in self.sequences(place.below(name, kind))]

    def describe(self, place: Place) -> str:
        """Return what a place holds: the fields of a message, otherwise its type."""
        if place.kind.is_message and not place.kind.is_array:
            return f"it has {listing(self._fields(place.kind), _MOST_LISTED)}"
        return f"it is a {place.kind}"

    def _field(self, place: Place, name: str) -> Place:
        where = place.path or self.message_type
        if place.kind.is_array:
            raise ConfigError(f"{place.path} is a {place.kind}: give an index, such as {place.path}[0]")
        if not place.kind.is_message:
            raise ConfigError(f"{where} has no field {name}: it is a {place.kind}")
        fields = self._fields(place.kind)
        if name not in fields:
            raise ConfigError(f"{where} has no field {excerpt(name)}; {self.describe(place)}")
        return place.below(name, fields[name], is_alone=self._is_alone(place.kind, name))

    def _element(self, place: Place, index: int) -> Place:
        if not place.kind.is_array:
            raise ConfigError(f"{place.path} has no elements: it is a {place.kind}")
        if place.kind.length is not None and index >= place.kind.length:
            raise ConfigError(f"{place.path} has {place.kind.length} elements, no [{index}]")
        return place.element(index)

    def _numbers(self, place: Place) -> Iterator[Place]:
        if place.kind.is_array:
            for index in range(place.kind.length or 0):
                yield from self._numbers(place.element(index))
        elif place.kind.is_number:
            yield place
        elif place.kind.is_message:
            for name, kind in self._measured(place.kind).items():
                if not _is_open(kind):
                    yield from self._numbers(
                        place.below(name, kind, is_alone=self._is_alone(place.kind, name))
                    )

    def _is_alone(self, kind: Kind, name: str) -> bool:
        """Return whether a message is all that a message holds."""
        held = self._measured(kind)
        return list(held) == [name] and held[name].is_message and not held[name].is_array

    def _measured(self, kind: Kind) -> dict[str, Kind]:
        """Return the fields of a message that are recorded unless a path says otherwise.

        Raises:
            ConfigError: the message contains itself, as only a damaged bag can say.
        """
        if kind.name in self._open:
            raise ConfigError(f"messages of type {kind.name} contain themselves")
        if kind.name not in self._held:
            self._open.add(kind.name)
            fields = self._fields(kind).items()
            self._held[kind.name] = {
                name: each for name, each in fields if "variance" not in name and self._holds_numbers(each)
            }
            self._open.discard(kind.name)
        return self._held[kind.name]

    def _holds_numbers(self, kind: Kind) -> bool:
        if not kind.is_message:
            return kind.is_number
        return kind.name not in _NOT_MEASURED and bool(self._measured(kind.element))

    def _fields(self, kind: Kind) -> dict[str, Kind]:
        if kind.name not in self._known:
            fields = self.types.fields(kind.name).items()
            self._known[kind.name] = {name: Kind.parse(text) for name, text in fields}
        return self._known[kind.name]


def extract_numbers(places: Sequence[Place]) -> Extract:
    """Return a function that reads the numbers at places of a message type."""
    paths = [place.path for place in places]
    convert = _converter([place.kind for place in places])
    if any("[" in path for path in paths):
        readers = [_reader(path) for path in paths]
        return lambda message: convert([read(message) for read in readers])
    read = attrgetter(*paths)
    return (lambda message: convert((read(message),))) if len(paths) == 1 else lambda m: convert(read(m))


def extract_text(place: Place) -> Callable[[Any], str]:
    """Return a function that reads the text at a place of a message type."""
    return _reader(place.path)


def extract_sequence(place: Place, number: int) -> Extract:
    """Return a function that reads all numbers of an array; messages with another number are refused."""
    read, convert = _reader(place.path), _converter([place.kind])

    def take(message: Any) -> np.ndarray:
        values = read(message)
        if len(values) != number:
            raise StreamError(f"the message has {len(values)} values, {number} are named")
        return convert(values)

    return take


def _reader(path: str) -> Callable[[Any], Any]:
    if "[" not in path:
        return attrgetter(path)
    steps: list[Callable[[Any], Any]] = [
        itemgetter(int(index)) if index else attrgetter(name.strip("."))
        for name, index in re.findall(r"([a-zA-Z_.][\w.]*)|\[(\d+)\]", path)
    ]

    def read(message: Any) -> Any:
        value = message
        try:
            for step in steps:
                value = step(value)
        except IndexError:
            raise StreamError(f"the message has no {path}: only {len(value)} elements are there") from None
        return value

    return read


def _converter(kinds: Sequence[Kind]) -> Callable[[Sequence[Any]], np.ndarray]:
    """Return a function that makes a vector; rclpy's messages hold a value of type octet as bytes."""
    if any(kind.name in _OCTETS for kind in kinds):
        return lambda values: np.array([_number(each) for each in values], np.float64)
    return lambda values: np.asarray(values, np.float64)


def _number(value: Any) -> Any:
    return value[0] if isinstance(value, bytes) else value


def _is_open(kind: Kind) -> bool:
    return kind.is_array and kind.length is None


def _joined(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step

"""Settings and the parameters that describe them: one definition for Python, ROS, command line and documents.

A settings class is a frozen dataclass whose fields are made by `setting`::

    @dataclass(frozen=True)
    class RunSettings:
        num_episodes: int = setting(0, "Number of episodes to record", low=0, effect="at once")

        def __post_init__(self) -> None:
            check_settings(self)

`parameters_of(RunSettings)` describes the fields, and `settings_from(RunSettings, values)` makes an instance
from values by name. A field whose default is another settings class is replaced by the fields of that class.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeVar

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import did_you_mean

Effect = Literal["at once", "from the next episode", "from the next batch", "at the next start"]
T = TypeVar("T")

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_KEY = "parameter"
_WORDS = {True: ("true", "yes", "on"), False: ("false", "no", "off")}


@dataclass(frozen=True)
class Parameter:
    """A setting as ROS, the command line and the documentation show it.

    Attributes:
        name: in parameter files and on the command line
        default: default value; its type is the parameter's type. Parameters of type float also accept whole
            numbers, those of type str any number. A tuple of whole numbers accepts as many of them.
        text: what it does, without a full stop at the end
        unit: unit of a number
        low: smallest number that is allowed
        high: largest number that is allowed
        choices: the only values that are allowed; empty: no restriction
        effect: when a change takes effect
        former_name: another name that is still accepted; empty: none
    """

    name: str
    default: Any
    text: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    effect: Effect = "at the next start"
    former_name: str = ""

    @property
    def is_fixed(self) -> bool:
        """Whether it cannot change while a node runs."""
        return self.effect == "at the next start"

    @property
    def help(self) -> str:
        """The text with its unit, as sentences."""
        return f"{self.text}. Unit: {self.unit}." if self.unit else f"{self.text}."

    @property
    def limits(self) -> str:
        """The choices or the range, for example ``at least 1``; empty where anything is allowed."""
        if self.choices:
            return ", ".join(each or "empty" for each in self.choices)
        if self._is_numbers:
            single = dataclasses.replace(self, default=self.default[0]).limits
            return f"{len(self.default)} numbers{single and f', each {single}'}"
        if self.low is None:
            return "" if self.high is None else f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"

    @property
    def _is_numbers(self) -> bool:
        return isinstance(self.default, tuple) and bool(self.default) and isinstance(self.default[0], int)

    def check(self, value: Any) -> Any:
        """Return a value in the parameter's type.

        Raises:
            ConfigError: the value has another type or is not allowed
        """
        value = self._typed(value)
        self.check_limits(value)
        return value

    def check_limits(self, value: Any) -> None:
        """Check a value against the choices or the range.

        Raises:
            ConfigError: the value is not allowed
        """
        if self.choices and value not in self.choices:
            raise ConfigError(
                f"{self.name}: expected one of {', '.join(map(repr, self.choices))}, found {value!r}"
                + did_you_mean(str(value), self.choices)
            )
        for number in value if self._is_numbers else (value,):
            if isinstance(number, Real) and not isinstance(number, bool):
                self._check_range(float(number))

    def _check_range(self, value: float) -> None:
        if not math.isfinite(value):
            raise ConfigError(f"{self.name}: expected a finite number, found {value}")
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            unit = f" {self.unit}" if self.unit else ""
            raise ConfigError(f"{self.name}: expected {self.limits}{unit}, found {value:g}")

    def _whole_numbers(self, value: Any) -> tuple[int, ...]:
        """Return a list of as many whole numbers as the default has; an empty list is the default."""
        is_list = hasattr(value, "__iter__") and not isinstance(value, str)
        numbers = tuple(value) if is_list else (None,)
        if numbers in ((), ("",)):
            return typing.cast("tuple[int, ...]", self.default)
        if len(numbers) != len(self.default) or not all(type(each) is int for each in numbers):
            found = list(numbers) if is_list else value
            raise ConfigError(f"{self.name}: expected {len(self.default)} whole numbers, found {found!r}")
        return numbers

    def _typed(self, value: Any) -> Any:
        kind, is_number = type(self.default), isinstance(value, (int, float)) and not isinstance(value, bool)
        if kind is tuple:
            return self._whole_numbers(value) if self._is_numbers else self._texts(value)
        if kind is float and is_number:
            return float(value)
        if kind is str and is_number:
            return str(value)
        if kind is str and isinstance(value, bool):
            if (word := self._word(value)) is not None:
                return word
            raise ConfigError(
                f"{self.name}: expected a text, found {value}; YAML reads yes, no, on, off, true and false "
                "without quotes as true or false: put the text in quotes"
            )
        if type(value) is not kind:
            raise ConfigError(f"{self.name}: expected {_KINDS[kind]}, found {value!r}")
        return value

    def _word(self, value: bool) -> str | None:
        """Return the only choice that YAML reads as true or false, such as off."""
        words = [choice for choice in self.choices if choice in _WORDS[value]]
        return words[0] if len(words) == 1 else None

    def _texts(self, value: Any) -> tuple[str, ...]:
        """Return a list of texts without its empty ones: ROS cannot give an empty list, but ``['']``."""
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        if not is_list or not all(isinstance(each, str) for each in value):
            example = f": write [{value!r}]" if isinstance(value, str) and value else ""
            raise ConfigError(f"{self.name}: expected a list of texts, found {value!r}{example}")
        texts = tuple(each for each in value if each)
        if repeated := [each for each in dict.fromkeys(texts) if texts.count(each) > 1]:
            raise ConfigError(f"{self.name}: expected different texts, found {', '.join(repeated)} twice")
        return texts


def setting(
    default: Any,
    text: str,
    *,
    name: str = "",
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    effect: Effect = "at the next start",
    as_parameter: Any = None,
) -> Any:
    """Return a dataclass field that is a parameter, too.

    Args:
        default: default value, or a callable without arguments that makes it
        text: what it does, without a full stop at the end
        name: name of the parameter; empty: the name of the field
        unit: unit of a number
        low: smallest number that is allowed
        high: largest number that is allowed
        choices: the only values that are allowed
        effect: when a change takes effect
        as_parameter: default of the parameter, where it needs another type than the field
    """
    shown = default if as_parameter is None else as_parameter
    parameter = Parameter(name, shown, text, unit, low, high, tuple(choices), effect)
    if callable(default):
        return dataclasses.field(default_factory=default, metadata={_KEY: parameter})
    return dataclasses.field(default=default, metadata={_KEY: parameter})


def setting_of(settings: type, field: str) -> Any:
    """Return a dataclass field with the definition of a field of another settings class."""
    (found,) = (each for each in dataclasses.fields(settings) if each.name == field)
    return dataclasses.field(default=found.default, metadata=found.metadata)


def parameters_of(*settings: type) -> tuple[Parameter, ...]:
    """Return the parameters of settings classes, in the order of their fields."""
    return tuple(parameter for each in settings for parameter in _parameters(each))


def _parameters(settings: type) -> Iterator[Parameter]:
    for field in dataclasses.fields(settings):
        if _is_group(field):
            yield from _parameters(typing.cast(type, field.default_factory))
        elif _KEY in field.metadata:
            yield _parameter(field)


def _parameter(field: dataclasses.Field[Any]) -> Parameter:
    parameter: Parameter = field.metadata[_KEY]
    return parameter if parameter.name else dataclasses.replace(parameter, name=field.name)


def _is_group(field: dataclasses.Field[Any]) -> bool:
    return dataclasses.is_dataclass(field.default_factory)


def parameter(settings: type, name: str) -> Parameter:
    """Return one parameter of a settings class, by its name."""
    return next(each for each in _parameters(settings) if each.name == name)


def of_unlisted(
    names: Sequence[str], list_name: str, listed: Sequence[str], parameters: Sequence[Parameter]
) -> dict[str, str]:
    """Return which names belong to members that a list lacks, each with what to do, one sentence per member.

    Args:
        names: names of parameters that do not exist
        list_name: the parameter that lists the members, such as ``streams``
        listed: its value
        parameters: what each member has
    """
    suffixes = {name for each in parameters for name in (each.name, each.former_name) if name}
    found: dict[str, list[str]] = {}
    for name in names:
        member, _, rest = name.partition(".")
        if member not in listed and rest in suffixes:
            found.setdefault(member, []).append(name)
    return {
        name: f"{', '.join(lines)}: {list_name} is [{', '.join(listed)}] and does not list {member}: add "
        f"{member} to it, or remove these lines"
        for member, lines in found.items()
        for name in lines
    }


def settings_from(settings: type[T], values: Mapping[str, Any], **fields: Any) -> T:
    """Return the settings that parameters describe.

    Args:
        settings: their class
        values: values of parameters by name; others are ignored, and missing ones get their defaults
        fields: values of fields that are no parameters, or whose parameters have another type

    Raises:
        ConfigError: a value is not allowed
    """
    found = dict(fields)
    for field in dataclasses.fields(typing.cast(Any, settings)):
        if field.name in fields:
            continue
        if _is_group(field):
            found[field.name] = settings_from(typing.cast(type, field.default_factory), values)
        elif _KEY in field.metadata and (name := _parameter(field).name) in values:
            found[field.name] = values[name]
    return settings(**found)


def check_settings(settings: Any, prefix: str = "") -> None:
    """Check the choices and ranges of all fields that are not None or a mapping; for ``__post_init__``.

    Args:
        settings: an instance of a settings class
        prefix: start of the message, for example the name of a camera

    Raises:
        ConfigError: a value is not allowed
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if _KEY not in field.metadata or value is None or isinstance(value, Mapping):
            continue
        try:
            _parameter(field).check_limits(value)
        except ConfigError as error:
            raise ConfigError(f"{prefix}{error}") from None

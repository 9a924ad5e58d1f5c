"""Parameters of the nodes: declared from tables, checked, and never silently ignored."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from lerobot_recorder.errors import ConfigError, RecorderError

Effect = Literal["at once", "from the next episode", "from the next batch", "at the next start"]

_FIXED = ("use_sim_time",)
_FOREIGN = ("use_sim_time", "qos_overrides.", "start_type_description_service")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a node.

    Attributes:
        name: as in files and on the command line.
        default: its value, which also says its type; numbers with a decimal point take whole numbers too,
            texts any number.
        text: what it means, one sentence without its end.
        unit: of a number.
        low: smallest number.
        high: largest number.
        choices: what else than these is refused; none: anything goes.
        effect: when a change takes effect.
    """

    name: str
    default: Any
    text: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    effect: Effect = "at the next start"

    def descriptor(self) -> ParameterDescriptor:
        """Describe it for ``ros2 param describe``."""
        unit = f" [{self.unit}]" if self.unit else ""
        choices = f" One of: {', '.join(each or 'empty' for each in self.choices)}." if self.choices else ""
        when = (
            "Cannot change while the node runs"
            if self.effect == "at the next start"
            else "A change takes effect"
        )
        effect = "" if self.effect == "at the next start" else f" {self.effect}"
        descriptor = ParameterDescriptor(
            name=self.name, description=f"{self.text}{unit}.{choices} {when}{effect}.", dynamic_typing=True
        )
        self._add_range(descriptor)
        return descriptor

    def check(self, value: Any) -> Any:
        """Return the value in its type.

        Raises:
            ConfigError: it is of another type, or out of range.
        """
        value = self._typed(value)
        if self.choices and value not in self.choices:
            raise ConfigError(
                f"{self.name}: expected one of {', '.join(map(repr, self.choices))}, found {value!r}"
            )
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self._check_range(value)
        return value

    def _typed(self, value: Any) -> Any:
        if isinstance(self.default, float) and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(self.default, (list, tuple)):
            if (
                isinstance(value, str)
                or not isinstance(value, Sequence)
                or not all(isinstance(x, str) for x in value)
            ):
                raise ConfigError(f"{self.name}: expected a list of texts, found {value!r}")
            if twice := [each for each in dict.fromkeys(value) if list(value).count(each) > 1]:
                raise ConfigError(f"{self.name}: expected each but once, found {', '.join(twice)} again")
            return list(value)
        if isinstance(self.default, str) and isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        if isinstance(self.default, str) and isinstance(value, bool):
            raise ConfigError(
                f"{self.name}: expected a text, found {value}; YAML takes yes, no, on, off, true and false "
                "without quotes for true or false: put the text into quotes"
            )
        if type(value) is not type(self.default):
            raise ConfigError(f"{self.name}: expected {_kind(self.default)}, found {value!r}")
        return value

    def _check_range(self, value: float) -> None:
        if not math.isfinite(value):
            raise ConfigError(f"{self.name}: expected a finite number, found {value}")
        low, high = self.low, self.high
        if (low is not None and value < low) or (high is not None and value > high):
            limits = (
                f"at least {low:g}" if high is None else f"{low:g} to {high:g}" if low is not None else ""
            )
            raise ConfigError(
                f"{self.name}: expected {limits or f'at most {high:g}'}{self._in_unit()}, found {value:g}"
            )

    def _in_unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def _add_range(self, descriptor: ParameterDescriptor) -> None:
        if self.low is None and self.high is None:
            return
        if isinstance(self.default, float):
            low, high = float(self.low or 0.0), 1e9 if self.high is None else float(self.high)
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            low, high = int(self.low or 0), 2**31 - 1 if self.high is None else int(self.high)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]


class Parameters:
    """The parameters of one node, read as ``parameters["name"]``."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._known: dict[str, Parameter] = {}
        self._on_change: Callable[[Mapping[str, Any]], None] = lambda _changes: None

    def declare(self, table: Sequence[Parameter], prefix: str = "") -> None:
        """Declare parameters, `prefix` before each name.

        Raises:
            ConfigError: a value that was given cannot be used.
        """
        for parameter in table:
            self._declare(Parameter(**{**parameter.__dict__, "name": prefix + parameter.name}))

    def _declare(self, parameter: Parameter) -> None:
        given = overrides(self._node).get(parameter.name)
        value = parameter.default if given is None or given.value is None else parameter.check(given.value)
        descriptor = parameter.descriptor()
        ignore = given is not None
        try:
            self._node.declare_parameter(parameter.name, value, descriptor, ignore_override=ignore)
        except ParameterException as error:
            raise ConfigError(f"{parameter.name}: {error}") from error
        self._known[parameter.name] = parameter

    def __getitem__(self, name: str) -> Any:
        return self._known[name].check(self._node.get_parameter(name).value)

    def group(self, prefix: str) -> dict[str, Any]:
        """Return the parameters whose names begin with a prefix, without it."""
        return {name[len(prefix) :]: self[name] for name in self._known if name.startswith(prefix)}

    def refuse_unknown(self) -> None:
        """Refuse values that were given for parameters that do not exist.

        Raises:
            ConfigError: there are some; the message names them and what is similar.
        """
        unknown = [
            name
            for name in overrides(self._node)
            if name not in self._known and not name.startswith(_FOREIGN)
        ]
        if unknown:
            named = "; ".join(f"{name!r}{self._similar(name)}" for name in sorted(unknown))
            raise ConfigError(
                f"{self._node.get_name()} has no parameter {named}; README.md and config/ name them"
            )

    def _similar(self, name: str) -> str:
        found = difflib.get_close_matches(name, self._known, n=1)
        return f" (did you mean {found[0]!r}?)" if found else ""

    def watch(self, on_change: Callable[[Mapping[str, Any]], None]) -> None:
        """Call `on_change` with the new values when some are set; what it raises refuses them."""
        self._on_change = on_change
        self._node.add_on_set_parameters_callback(self._set)

    def _set(self, changes: Sequence[RosParameter]) -> SetParametersResult:
        try:
            own = [change for change in changes if change.name in self._known or change.name in _FIXED]
            self._on_change({change.name: self._changed(change) for change in own})
        except (RecorderError, ValueError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # who sets one is to get an answer
            self._node.faults.note("set_parameters", error)
            return SetParametersResult(successful=False, reason=f"unexpected {type(error).__name__}: {error}")
        return SetParametersResult(successful=True)

    def _changed(self, change: RosParameter) -> Any:
        parameter = self._known.get(change.name)
        if parameter is None or parameter.effect == "at the next start":
            raise ConfigError(
                f"{change.name} cannot change while the node runs: stop it and start it with the new value"
            )
        return parameter.check(change.value)


def overrides(node: Node) -> Mapping[str, RosParameter]:
    """Return what was given on the command line and in files; rclpy has no public name for it."""
    given: Mapping[str, RosParameter] = node._parameter_overrides  # noqa: SLF001 - no public way
    return given


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return names[type(value)]

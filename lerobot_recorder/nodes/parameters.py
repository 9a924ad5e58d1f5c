"""Parameters of the nodes: declared from settings classes, checked, and never silently ignored."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

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
from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.settings import Parameter, settings_from

T = TypeVar("T")

_FIXED = ("use_sim_time",)
_FOREIGN = ("use_sim_time", "qos_overrides.", "start_type_description_service")


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Describe a parameter for ``ros2 param describe``."""
    choices = f" One of: {parameter.limits}." if parameter.choices else ""
    fixed = "Cannot change while the node runs."
    effect = fixed if parameter.is_fixed else f"A change takes effect {parameter.effect}."
    made = ParameterDescriptor(
        name=parameter.name, description=f"{parameter.help}{choices} {effect}", dynamic_typing=True
    )
    if parameter.low is None and parameter.high is None:
        return made
    low, high = parameter.low or 0, parameter.high
    if isinstance(parameter.default, float):
        ends = float(low), 1e9 if high is None else float(high)
        made.floating_point_range = [FloatingPointRange(from_value=ends[0], to_value=ends[1])]
    else:
        whole = int(low), 2**31 - 1 if high is None else int(high)
        made.integer_range = [IntegerRange(from_value=whole[0], to_value=whole[1])]
    return made


class Parameters:
    """The parameters of one node, read as ``parameters["name"]``."""

    def __init__(self, node: GuardedNode) -> None:
        self._node = node
        self._known: dict[str, Parameter] = {}
        self._on_change: Callable[[Mapping[str, Any]], None] = lambda _changes: None

    def declare(self, table: Sequence[Parameter], prefix: str = "") -> None:
        """Declare parameters, `prefix` before each name.

        Raises:
            ConfigError: a given value cannot be used
        """
        for parameter in table:
            self._declare(replace(parameter, name=prefix + parameter.name))

    def _declare(self, parameter: Parameter) -> None:
        given = overrides(self._node).get(parameter.name)
        value = parameter.default if given is None or given.value is None else parameter.check(given.value)
        value = [*value] or [""] if isinstance(value, tuple) else value  # ROS has no type for an empty list
        described, ignore = descriptor(parameter), given is not None
        try:
            self._node.declare_parameter(parameter.name, value, described, ignore_override=ignore)
        except ParameterException as error:
            raise ConfigError(f"{parameter.name}: {error}") from error
        self._known[parameter.name] = parameter

    def __getitem__(self, name: str) -> Any:
        return self._known[name].check(self._node.get_parameter(name).value)

    def group(self, prefix: str) -> dict[str, Any]:
        """Return the values of the parameters with a prefix, by their names without it."""
        return {name[len(prefix) :]: self[name] for name in self._known if name.startswith(prefix)}

    def settings(self, kind: type[T], changes: Mapping[str, Any] | None = None) -> T:
        """Return the settings that the parameters describe.

        Args:
            kind: settings class
            changes: new values of some of them

        Raises:
            ConfigError: a value is not allowed
        """
        return settings_from(kind, {**self.group(""), **(changes or {})})

    def refuse_unknown(self) -> None:
        """Refuse values for parameters that do not exist.

        Raises:
            ConfigError: a parameter does not exist; the message names similar ones
        """
        unknown = [
            name
            for name in overrides(self._node)
            if name not in self._known and not name.startswith(_FOREIGN)
        ]
        if unknown:
            named = "; ".join(f"{name!r}{self._similar(name)}" for name in sorted(unknown))
            raise ConfigError(
                f"{self._node.get_name()} has no parameter {named}; docs/parameters.md lists them"
            )

    def _similar(self, name: str) -> str:
        found = difflib.get_close_matches(name, self._known, n=1)
        return f" (did you mean {found[0]!r}?)" if found else ""

    def on_change(self, act: Callable[[Mapping[str, Any]], None]) -> None:
        """Call `on_change` with new values when they are set; an error that it raises refuses them."""
        self._on_change = act
        self._node.add_on_set_parameters_callback(self._set)

    def _set(self, changes: Sequence[RosParameter[Any]]) -> SetParametersResult:
        try:
            own = [change for change in changes if change.name in self._known or change.name in _FIXED]
            self._on_change({change.name: self._changed(change) for change in own})
        except (RecorderError, ValueError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # the caller must get an answer
            self._node.faults.note("set_parameters", error)
            return SetParametersResult(successful=False, reason=f"unexpected {type(error).__name__}: {error}")
        return SetParametersResult(successful=True)

    def _changed(self, change: RosParameter[Any]) -> Any:
        parameter = self._known.get(change.name)
        if parameter is None or parameter.is_fixed:
            raise ConfigError(
                f"{change.name} cannot change while the node runs: stop it and start it with the new value"
            )
        return parameter.check(change.value)


def overrides(node: Node) -> Mapping[str, RosParameter[Any]]:
    """Return the values from the command line and from files; rclpy has no public name for them."""
    given: Mapping[str, RosParameter[Any]] = node._parameter_overrides  # noqa: SLF001
    return given

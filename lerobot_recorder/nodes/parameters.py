"""Parameters of the nodes: declared from settings classes, checked, and never silently ignored."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import yaml
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
from lerobot_recorder.excerpt import did_you_mean, listing
from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.parameter_files import Section, files_in, read_sections
from lerobot_recorder.settings import Parameter, of_unlisted, settings_from

T = TypeVar("T")

_FIXED = ("use_sim_time",)
_FOREIGN = ("use_sim_time", "qos_overrides.", "start_type_description_service")
_LONGEST_LIST = 5
Apply = Callable[[list["RosParameter[Any]"]], SetParametersResult]


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Describe a parameter for ``ros2 param describe``."""
    choices = f" One of: {parameter.limits}." if parameter.choices else ""
    fixed = "Cannot change while the node runs."
    effect = fixed if parameter.is_fixed else f"A change takes effect {parameter.effect}."
    made = ParameterDescriptor(
        name=parameter.name,
        description=f"{parameter.help}{choices} {effect}",
        read_only=parameter.is_fixed,
    )
    if (parameter.low is None and parameter.high is None) or isinstance(parameter.default, tuple):
        return made
    low, high = parameter.low or 0, parameter.high
    if isinstance(parameter.default, float):
        ends = float(low), 1e9 if high is None else float(high)
        made.floating_point_range = [FloatingPointRange(from_value=ends[0], to_value=ends[1])]
    else:
        whole = int(low), 2**31 - 1 if high is None else int(high)
        made.integer_range = [IntegerRange(from_value=whole[0], to_value=whole[1])]
    return made


def ros_value(value: Any) -> Any:
    """Return a parameter's value as ROS keeps it: ROS has no type for an empty list."""
    return [*value] or [""] if isinstance(value, tuple) else value


class Parameters:
    """The parameters of one node, read as ``parameters["name"]``."""

    def __init__(self, node: GuardedNode) -> None:
        self._node = node
        self._known: dict[str, Parameter] = {}
        self._renamed: dict[str, str] = {}
        self._on_change: Callable[[Mapping[str, Any]], None] = lambda _changes: None
        node.setter = self._set_changed

    def declare(self, table: Sequence[Parameter], prefix: str = "") -> None:
        """Declare parameters, `prefix` before each name.

        Raises:
            ConfigError: a given value cannot be used
        """
        if prefix.removesuffix(".") in self._known:  # a file could not have both
            name = prefix.removesuffix(".")
            raise ConfigError(f"{name!r} is the name of a parameter: a stream or camera needs another name")
        for parameter in table:
            self._declare(replace(parameter, name=prefix + parameter.name))

    def _declare(self, parameter: Parameter) -> None:
        given = self._given(parameter)
        value = parameter.default if given is None else parameter.check(given)
        try:
            self._node.declare_parameter(
                parameter.name, ros_value(value), descriptor(parameter), ignore_override=True
            )
        except ParameterException as error:
            raise ConfigError(f"{parameter.name}: {error}") from error
        self._known[parameter.name] = parameter
        if parameter.former_name:
            self._renamed[parameter.former_name] = parameter.name

    def _given(self, parameter: Parameter) -> Any:
        """Return the value from the command line or a file; None if there is none."""
        names = [name for name in (parameter.name, parameter.former_name) if name in overrides(self._node)]
        if not names:
            return None
        if len(names) > 1:
            raise ConfigError(f"{names[1]} is the former name of {names[0]}: give only {names[0]}")
        value = overrides(self._node)[names[0]].value
        return () if value is None else value  # an empty list

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

    def refuse_unknown(self, members: str = "", of_member: Sequence[Parameter] = ()) -> None:
        """Refuse values for parameters that do not exist, and log those in sections for all nodes.

        Args:
            members: the parameter that lists what has parameters of its own, such as cameras; parameters of
                members that only a file lists are not used
            of_member: the parameters that each of them has

        Raises:
            ConfigError: a parameter does not exist; the message names similar ones
        """
        known = {*self._known, *self._renamed}
        given = [name for name in overrides(self._node) if not name.startswith(_FOREIGN)]
        left_out = tuple(f"{name}." for name in self._left_out(members))
        unknown = sorted(name for name in given if name not in known and not name.startswith(left_out))
        if shared := [name for name in unknown if self._is_shared(name)]:
            named = listing([f"{name!r}{did_you_mean(name, self._known)}" for name in shared], _LONGEST_LIST)
            self._node.get_logger().info(f"not used from sections for all nodes: {named}")
        own = [name for name in unknown if name not in shared]
        if unlisted := of_unlisted(own, members, self[members] if members else (), of_member):
            first, sentence = next(iter(unlisted.items()))
            raise ConfigError(f"{self._place(first)}{sentence}")
        if own:
            named = "; ".join(f"{name!r}{did_you_mean(name, self._known)}" for name in own)
            raise ConfigError(
                f"{self._place(own[0])}{self._node.get_name()} has no parameter {named}; docs/parameters.md "
                "lists them"
            )

    def _left_out(self, members: str) -> set[str]:
        """Return the members that a file lists, and the value that replaces it does not."""
        listed = [section.parameters[members] for section in self._sections if members in section.parameters]
        names = {str(name) for each in listed if isinstance(each.value, list) for name in each.value}
        return names - set(self[members]) if listed else set()

    def _is_shared(self, name: str) -> bool:
        """Return whether only sections for all nodes give a parameter, which may be meant for others."""
        giving = [section for section in self._sections if name in section.parameters]
        return bool(giving) and all(section.is_shared for section in giving)

    def _place(self, name: str) -> str:
        places = [section.parameters[name].place for section in self._sections if name in section.parameters]
        return f"{places[-1]}: " if places else ""

    @cached_property
    def _sections(self) -> list[Section]:
        node = self._node.get_fully_qualified_name()
        sections = [section for path in files_in(sys.argv) for section in read_sections(path)]
        return [section for section in sections if section.applies_to(node)]

    def on_change(self, act: Callable[[Mapping[str, Any]], None]) -> None:
        """Call ``act`` with new values when they are set; an error that it raises refuses them."""
        self._on_change = act
        self._node.add_on_set_parameters_callback(self._set)

    def _set_changed(self, changes: Sequence[RosParameter[Any]], apply: Apply) -> SetParametersResult:
        """Set what differs from the present values, in the declared types.

        A file with all values of a node can therefore be loaded, although some of them cannot change.
        """
        try:
            changed = [change for each in changes if (change := self._changed(each)) is not None]
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return apply(changed) if changed else SetParametersResult(successful=True)

    def _changed(self, change: RosParameter[Any]) -> RosParameter[Any] | None:
        name = self._renamed.get(change.name, change.name)
        if not self._node.has_parameter(name):
            return change  # rclpy refuses it
        parameter, value, present = self._known.get(name), change.value, self._node.get_parameter(name).value
        if _reads_as(present, value):
            return None
        if parameter is not None and change.type_ != RosParameter.Type.NOT_SET:
            value = ros_value(parameter.check(value))
        if value == present:
            return None
        if name in _FIXED or (parameter is not None and parameter.is_fixed):
            raise ConfigError(
                f"{name} cannot change while the node runs: stop it and start it with the new value"
            )
        return RosParameter(name, change.type_ if value is change.value else None, value)

    def _set(self, changes: Sequence[RosParameter[Any]]) -> SetParametersResult:
        own = {each.name: self._known[each.name] for each in changes if each.name in self._known}
        try:
            self._on_change(
                {each.name: own[each.name].check(each.value) for each in changes if each.name in own}
            )
        except (RecorderError, ValueError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # the caller must get an answer
            self._node.faults.note("set_parameters", error)
            return SetParametersResult(successful=False, reason=f"unexpected {type(error).__name__}: {error}")
        return SetParametersResult(successful=True)


def _reads_as(text: Any, value: Any) -> bool:
    """Return whether YAML reads a text as a value: rclpy reads texts of a file that it loads once more."""
    try:
        return isinstance(text, str) and yaml.safe_load(text) == value
    except yaml.YAMLError:
        return False


def overrides(node: Node) -> Mapping[str, RosParameter[Any]]:
    """Return the values from the command line and from files; rclpy has no public name for them."""
    given: Mapping[str, RosParameter[Any]] = node._parameter_overrides  # noqa: SLF001
    return given

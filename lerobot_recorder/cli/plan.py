"""What a command line and a parameter file describe: the nodes, their parameters, and the dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lerobot_recorder.cli.options import RecordingOptions
from lerobot_recorder.cli.processes import assignments, node_arguments
from lerobot_recorder.dashboard import require_extra
from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.derived import derived_parameters
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import did_you_mean, excerpt
from lerobot_recorder.launching import NODE_OPTIONS, node_values, plain_hardware, require_config
from lerobot_recorder.parameter_files import check_files, file_parameters
from lerobot_recorder.settings import settings_from
from lerobot_recorder.shipped import shipped_config


@dataclass(frozen=True)
class Plan:
    """What will be recorded, from options and the parameter file.

    Attributes:
        hardware: ``so100``, ``sim`` or ``none``
        file: the parameter file
        namespace: namespace of the nodes; empty for none
        given: the given parameters of each node that is started
        derived: what follows from them
        arguments: the command line of each node
        place: place of the dataset
    """

    hardware: str
    file: Path
    namespace: str
    given: Mapping[str, dict[str, Any]]
    derived: Mapping[str, dict[str, Any]]
    arguments: Mapping[str, list[str]]
    place: DatasetPlace

    @property
    def root(self) -> Path:
        """Directory of the dataset, which may hold anything."""
        return self.place.path

    @property
    def prefix(self) -> str:
        """What comes before a node's name in its full name."""
        return f"/{self.namespace}/" if self.namespace else "/"


def plan_recording(options: RecordingOptions) -> Plan:
    """Return what a command line describes.

    Raises:
        ConfigError: something cannot be used, or contradicts something else
    """
    kind, values, parameters = plain_hardware(options.hardware), vars(options), options.parameter or []
    file, namespace = _config(options.config, kind), options.namespace.strip("/")
    arguments = arguments_by_node(file, values, parameters, namespace)
    if kind == "none":
        del arguments["hardware"]
    if options.dashboard:
        require_extra()
    else:
        del arguments["dashboard"]
    prefix = f"/{namespace}/" if namespace else "/"
    check_files([file], [prefix + node for node in arguments])
    given = {node: given_parameters(file, prefix + node, values, parameters) for node in arguments}
    derived = derived_parameters(given)
    for node in arguments:
        arguments[node] += assignments(derived[node])
    recorder = {**given["recorder"], **derived["recorder"]}
    place = settings_from(DatasetPlace, {name: recorder.get(name, "") for name in ("repo_id", "root")})
    return Plan(kind, file, namespace, given, derived, arguments, place)


def given_parameters(
    file: Path, node: str, options: Mapping[str, object], parameters: Sequence[str]
) -> dict[str, Any]:
    """Return the parameters that a file, options and assignments give to a node.

    Args:
        file: parameter file
        node: full name of the node
        options: values of options by name
        parameters: assignments, NODE.NAME=VALUE

    Raises:
        ConfigError: the file or an assignment cannot be read
    """
    name = node.rpartition("/")[2]
    assigned = parsed_assignments(parameters).get(name, {})
    return {**file_parameters(file, node), **node_values(name, options), **assigned}


def parsed_assignments(parameters: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the values that assignments, NODE.NAME=VALUE, give to each node.

    Raises:
        ConfigError: an assignment has another form
    """
    values: dict[str, dict[str, Any]] = {}
    for node, name, value, _ in map(_parsed, parameters):
        values.setdefault(node, {})[name] = value
    return values


def arguments_by_node(
    config: Path, options: Mapping[str, object], parameters: list[str], namespace: str = ""
) -> dict[str, list[str]]:
    """Return the command line of each node.

    Raises:
        ConfigError: a parameter does not have the form NODE.NAME=VALUE or a value that ROS accepts, or the
            namespace is invalid
    """
    arguments = {node: node_arguments(node_values(node, options), namespace, config) for node in NODE_OPTIONS}
    for assignment in parameters:
        node, name, _, text = _parsed(assignment)
        arguments[node] += ["-p", f"{name}:={text}"]
    return arguments


class _Assignment(NamedTuple):
    """A value for a parameter.

    Attributes:
        node: name of the node
        name: name of the parameter
        value: its value
        text: the value as ROS reads it
    """

    node: str
    name: str
    value: Any
    text: str


def _parsed(assignment: str) -> _Assignment:
    path, equals, text = assignment.partition("=")
    node, dot, name = path.partition(".")
    if node not in NODE_OPTIONS or not (dot and name and equals):
        raise ConfigError(
            f"parameter {assignment!r}: expected NODE.NAME=VALUE with a node of {', '.join(NODE_OPTIONS)}, "
            f"for example encoder.crf=25{did_you_mean(node, NODE_OPTIONS)}"
        )
    value = _value(path, text)
    return _Assignment(node, name, value, _as_ros_reads(value, text))


def _value(path: str, text: str) -> Any:
    """Return the value that a text gives to a parameter.

    Raises:
        ConfigError: it is no YAML, or nothing that a parameter can hold
    """
    try:
        value = yaml.safe_load(text) if text.strip() else text
    except yaml.YAMLError as error:
        why = getattr(error, "problem", None) or error
        raise ConfigError(f"{path}: {excerpt(repr(text))} is no YAML value: {why}") from error
    each_of = value if isinstance(value, list) else [value]
    if any(isinstance(each, (dict, list, set)) for each in each_of):
        raise ConfigError(
            f"{path}: expected a value or a list of values, found {excerpt(repr(text))}: put a text with a "
            'colon in quotes, for example ["0:save_episode"]'
        )
    kinds = {type(each) for each in each_of}
    if kinds == {int, float}:
        return [float(each) for each in each_of]
    if len(kinds) > 1:
        raise ConfigError(
            f"{path}: expected a list of values of one type, found {excerpt(repr(text))}: put all texts in "
            "quotes"
        )
    return value


def _as_ros_reads(value: Any, text: str) -> str:
    """Return a value as text for ROS, which does not read all lists that YAML allows, and no empty text."""
    is_plain = isinstance(value, list) and all(isinstance(each, (bool, int, float, str)) for each in value)
    return json.dumps(value, ensure_ascii=False) if is_plain or value == "" else text


def _config(config: Path | None, hardware: str) -> Path:
    require_config(hardware, config, "--config robot.yaml")
    if config is None:
        return shipped_config("so100_sim.yaml" if hardware == "sim" else "so100.yaml")
    if not config.expanduser().is_file():
        raise ConfigError(f"parameter file {config} does not exist")
    return config.expanduser()

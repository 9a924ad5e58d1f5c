"""Reads the parameters that a ROS parameter file gives to a node, without ROS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lerobot_recorder.errors import ConfigError

_PARAMETERS = "ros__parameters"


def file_parameters(path: Path, node: str) -> dict[str, Any]:
    """Return the parameters that a file gives to a node; later entries replace earlier ones.

    Args:
        path: parameter file
        node: full name of the node, for example ``/left/recorder``

    Raises:
        ConfigError: the file cannot be read, or is no YAML.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{place}: no YAML: {error.problem or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no YAML: {error}") from error
    found: dict[str, Any] = {}
    for pattern, parameters in _sections("", content):
        if _matches(pattern, node):
            found.update(_flat("", parameters))
    return found


def _sections(prefix: str, content: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of each node with the pattern of its name."""
    if not isinstance(content, Mapping):
        return
    for key, value in content.items():
        if key == _PARAMETERS:
            yield prefix, value
        else:
            yield from _sections(f"{prefix}/{str(key).strip('/')}", value)


def _matches(pattern: str, node: str) -> bool:
    """Return whether a name fits a pattern: ``*`` is one part of a name, ``**`` any number of parts."""
    parts = {"**": r"(/[^/]+)*", "*": r"/[^/]+"}
    made = "".join(parts.get(part, re.escape(f"/{part}")) for part in pattern.strip("/").split("/"))
    return re.fullmatch(made, node) is not None


def _flat(prefix: str, parameters: Any) -> Iterator[tuple[str, Any]]:
    """Yield parameters with their full names: groups may be nested."""
    if not isinstance(parameters, Mapping):
        return
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value

"""Reads ROS parameter files, with errors that name the file, the line and the column.

ROS refuses the same mistakes with a traceback and without a column, or not at all: it ignores a section of a
mistyped node.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from lerobot_recorder.errors import ConfigError

_INSIDE = "ros__parameters"
_FLAG = "--params-file"
_Item = tuple[yaml.Node, yaml.Node]


class _Constructor(SafeConstructor):  # type: ignore[misc]
    """Makes values of a document; ROS ignores tags, such as those of the lists in the files of launch."""

    def without_tag(self, _tag: str, node: yaml.Node) -> Any:
        """Return a value with a tag that YAML does not define."""
        is_list = isinstance(node, yaml.SequenceNode)
        return self.construct_sequence(node) if is_list else node.value


_Constructor.add_multi_constructor("", _Constructor.without_tag)


@dataclass(frozen=True)
class Entry:
    """A parameter in a file: its value, and its place, for example ``robot.yaml:7:5``."""

    value: Any
    place: str


@dataclass(frozen=True)
class Section:
    """The parameters of one or several nodes.

    Attributes:
        nodes: full name of the node; ``*`` and ``**`` stand for one and for any number of names
        place: where it is, for example ``robot.yaml:3:1``
        parameters: the parameters by name
    """

    nodes: str
    place: str
    parameters: dict[str, Entry]

    @property
    def node(self) -> str:
        """The name of the node without its namespace."""
        return self.nodes.rpartition("/")[2]

    @property
    def is_shared(self) -> bool:
        """Whether it is for nodes of any name."""
        return self.node in ("*", "**")

    def applies_to(self, node: str) -> bool:
        """Return whether it is for a node, given by its full name."""
        patterns = {"*": r"/[^/]+", "**": r"(/[^/]+)*"}
        parts = (patterns.get(part, "/" + re.escape(part)) for part in self.nodes.strip("/").split("/"))
        return re.fullmatch("".join(parts), node) is not None


def files_in(arguments: Sequence[str]) -> list[Path]:
    """Return the parameter files that a node's command line names."""
    return [Path(value) for flag, value in itertools.pairwise(arguments) if flag == _FLAG]


def without_files(arguments: Sequence[str]) -> list[str]:
    """Return a node's command line without its parameter files."""
    before = ["", *arguments]
    return [each for flag, each in zip(before, arguments, strict=False) if _FLAG not in (flag, each)]


def full_name(node: str, arguments: Sequence[str]) -> str:
    """Return a node's name with its namespace, as its command line changes them.

    Args:
        node: name of the node without remapping
        arguments: the command line
    """
    rules = {name: value for name, _, value in (each.partition(":=") for each in arguments)}
    namespace = rules.get("__ns", "/").strip("/")
    return "/" + "/".join(filter(None, [namespace, rules.get("__node", node)]))


def read_sections(path: Path) -> list[Section]:
    """Return the sections of a parameter file.

    Raises:
        ConfigError: the file cannot be read, or ROS could not use it
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the parameter file {path}: {error}") from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax_error(path, error)) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    return list(_Reader(path).sections(root)) if root is not None else []


def file_parameters(path: Path, node: str) -> dict[str, Any]:
    """Return the parameters that a file gives to a node; later entries replace earlier ones.

    Args:
        path: parameter file
        node: full name of the node, for example ``/left/recorder``

    Raises:
        ConfigError: the file cannot be read, or ROS could not use it
    """
    sections = [section for section in read_sections(path) if section.applies_to(node)]
    return {name: entry.value for section in sections for name, entry in section.parameters.items()}


def check_files(paths: Sequence[Path], nodes: Sequence[str]) -> list[Section]:
    """Check parameter files before the nodes start, and return their sections.

    Args:
        paths: the files
        nodes: full names of the nodes that get them, for example ``/left/recorder``

    Raises:
        ConfigError: a file cannot be used, or a section seems to be for one of the nodes but has another name
    """
    sections = [section for path in paths for section in read_sections(path)]
    missed = [node for node in nodes if not any(_is_own(section, node) for section in sections)]
    unused = [each for each in sections if not any(each.applies_to(node) for node in nodes)]
    for section in unused:
        for node in missed:
            _refuse_similar(section, node)
    return sections


def _is_own(section: Section, node: str) -> bool:
    return not section.is_shared and section.applies_to(node)


def _refuse_similar(section: Section, node: str) -> None:
    namespace, _, name = node.rpartition("/")
    if section.node == name:
        raise ConfigError(
            f"{section.place}: {section.nodes} is not the node {node}, which has the namespace "
            f"{namespace or '/'}: write {node}, or /**/{name} for every namespace"
        )
    if difflib.get_close_matches(section.node, [name], cutoff=0.8):
        raise ConfigError(f"{section.place}: there is no node {section.node} (did you mean {name}?)")


def _syntax_error(path: Path, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return f"{path}: not valid YAML: {error}"
    place = _place(path, mark)
    if mark.buffer is not None and mark.buffer[mark.pointer : mark.pointer + 1] == "\t":
        return f"{place}: expected spaces, found a tab: YAML is indented with spaces only"
    return (
        f"{place}: not valid YAML: {error.problem}; entries of one level start in the same column, and a "
        "text with a colon needs quotes"
    )


def _place(path: Path, at: yaml.Node | yaml.Mark) -> str:
    mark = at.start_mark if isinstance(at, yaml.Node) else at
    return f"{path}:{mark.line + 1}:{mark.column + 1}"


def _found(value: yaml.Node) -> str:
    return repr(value.value) if value.value else "nothing"


class _Reader:
    """Turns a YAML document into sections."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sections(self, root: yaml.Node) -> Iterator[Section]:
        """Read the sections of a document."""
        yield from self._sections(self._items(root, "expected the name of a node, such as recorder:"), "")

    def _sections(self, items: Iterable[_Item], prefix: str) -> Iterator[Section]:
        for key, value in items:
            if key.value == _INSIDE:
                raise self._error(key, f"{_INSIDE} is not inside a node, such as recorder: indent it")
            name, inside = f"{prefix}/{key.value.strip('/')}", self._inside(key, value)
            if _INSIDE in inside:
                _, parameters = inside.pop(_INSIDE)
                self._refuse_beside(inside)
                yield Section(name, _place(self._path, key), dict(self._parameters(parameters, "")))
            yield from self._sections(inside.values(), name)

    def _inside(self, key: yaml.Node, value: yaml.Node) -> dict[str, _Item]:
        """Return what is inside a node or a namespace."""
        expected = f"expected {_INSIDE}: below {key.value}:"
        if not isinstance(value, yaml.MappingNode):
            raise self._error(key, f"{expected}, indented, found {_found(value)}")
        inside = {str(each.value): (each, item) for each, item in self._items(value, expected)}
        if _INSIDE not in inside:
            for name, (each, item) in inside.items():
                if difflib.get_close_matches(name, [_INSIDE], cutoff=0.7):
                    raise self._error(each, f"{name} (did you mean {_INSIDE}?)")
                if not isinstance(item, yaml.MappingNode):
                    raise self._error(each, f"{expected}, with {name} inside it")
        return inside

    def _refuse_beside(self, others: dict[str, _Item]) -> None:
        for name, (key, value) in others.items():
            if not isinstance(value, yaml.MappingNode):
                raise self._error(key, f"{name} is not inside {_INSIDE}: indent it by two more spaces")

    def _parameters(self, value: yaml.Node, prefix: str) -> Iterator[tuple[str, Entry]]:
        for key, item in self._items(value, f"expected parameters inside {prefix.strip('.') or _INSIDE}"):
            name = f"{prefix}{key.value}"
            if isinstance(item, yaml.MappingNode):
                yield from self._parameters(item, f"{name}.")
                continue
            self._check_value(name, item)
            yield name, Entry(_Constructor().construct_document(item), _place(self._path, key))

    def _check_value(self, name: str, value: yaml.Node) -> None:
        if isinstance(value, yaml.SequenceNode):
            if not all(isinstance(each, yaml.ScalarNode) for each in value.value):
                raise self._error(value, f"{name}: expected a list of plain values")
            if len({each.tag for each in value.value}) > 1:
                raise self._error(
                    value, f"{name}: expected values of one type, such as [1.0, 2.5] or ['1', 'a']"
                )
        elif value.tag == "tag:yaml.org,2002:null" and not value.value:
            raise self._error(value, f"{name} has no value; an empty text is written as ''")

    def _items(self, value: yaml.Node, expected: str) -> Iterator[_Item]:
        if not isinstance(value, yaml.MappingNode):
            found = "a list" if isinstance(value, yaml.SequenceNode) else _found(value)
            raise self._error(value, f"{expected}, found {found}")
        for key, item in value.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(key, f"{expected}, found a list or a mapping")
            yield key, item

    def _error(self, node: yaml.Node, text: str) -> ConfigError:
        return ConfigError(f"{_place(self._path, node)}: {text}")

"""Every command in the documents has the form that the programs accept."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import typer.main

from lerobot_recorder.cli.app import app
from lerobot_recorder.launching import LAUNCH_ARGUMENTS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELLS = ("", "bash", "console")
INLINE = re.compile(r"`([^`]+)`")
PLACEHOLDER = re.compile(r"[<>\[\]]")
PARAMETER = re.compile(r"^\| `(?:<\w+>\.)?([\w.]+)` \|", re.MULTILINE)
SERVICE = re.compile(r"\.(?:trigger|set_bool)\(\s*f?\"([\w{}]+)\"")
INCOMPLETE = ("Exit", "MissingParameter", "NoArgsIsHelpError", "DatasetError")
"""What is raised after --help, for arguments that a sentence leaves out, and for missing datasets."""


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of every command that a page shows in a block or within a sentence."""
    text = page.read_text()
    blocks = [block.replace("\\\n", " ") for language, block in BLOCK.findall(text) if language in SHELLS]
    sentences = [" ".join(span.split()) for span in INLINE.findall(BLOCK.sub("", text))]
    for line in [*"\n".join(blocks).splitlines(), *sentences]:
        if line.strip().removeprefix("$ ").partition(" ")[0] in CHECKS:
            yield from parts(line.strip().removeprefix("$ "))


def parts(line: str) -> Iterator[list[str]]:
    """Yield the commands between ``&&``, without the comment after them."""
    words: list[str] = []
    for word in [*shlex.split(line, comments=True), "&&"]:
        if word != "&&":
            words.append(word)
        elif words and words[0] in CHECKS:
            yield words
            words = []


def check(words: list[str]) -> None:
    CHECKS[words[0]](words[1:])


def check_cli(arguments: list[str]) -> None:
    """Parse a command line as ``lerobot-recorder`` does, without running it."""
    words = [PLACEHOLDER.sub("", each) for each in arguments if each != "..."]
    group = typer.main.get_command(app)
    context = group.context_class(group, info_name="lerobot-recorder", **group.context_settings)
    if len(words) == 1 and words[0].startswith("-"):  # not parsed: --install-completion would do it
        assert any(words[0] in each.opts for each in group.get_params(context))
    if not words or words[0].startswith("-"):
        return
    try:
        name, command, rest = group.resolve_command(context, words)
        given = command.make_context(name, rest, parent=context).params
    except Exception as error:
        if type(error).__name__ in INCOMPLETE:
            return
        raise
    for assignment in given.get("parameter") or ():
        node, _, parameter = assignment.partition("=")[0].partition(".")
        assert is_parameter(node, parameter), assignment


def check_ros2(arguments: list[str]) -> None:
    match arguments:
        case ["launch", "lerobot_recorder", file, *values]:
            assert (ROOT / "launch" / file).is_file()
            for name, _, text in (value.partition(":=") for value in values):
                argument = LAUNCH_ARGUMENTS[name]
                argument.check(type(argument.default)(text))
        case ["run", "lerobot_recorder", executable, *rest]:
            assert (ROOT / "executables" / executable).is_file()
            assigned = [value.partition(":=")[0] for flag, value in pairwise(rest) if flag == "-p"]
            assert all(is_parameter(executable.removesuffix("_node"), name) for name in assigned)
        case ["param", "set" | "get" | "describe", node, name, *_]:
            assert is_parameter(node.rpartition("/")[2], name)
        case ["service", "call", service, *_]:
            assert is_service(*service.removeprefix("/").split("/"))


def check_make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in (each for each in arguments if "=" not in each):
        name = target.replace(".venv-lerobot", "$(VENV_LEROBOT)").replace(".venv", "$(VENV)")
        assert re.search(rf"^{re.escape(name)}:", makefile, re.MULTILINE), target


def check_python(arguments: list[str]) -> None:
    if arguments[0].endswith(".py"):
        text = (ROOT / arguments[0]).read_text()
        options = [each for each in arguments[1:] if each.startswith("--") and each != "--help"]
        assert not [each for each in options if f'"{each}"' not in text]


def is_parameter(node: str, name: str) -> bool:
    """Return whether a node has a parameter of that name, or one like ``<stream>.topic`` of a stream."""
    sections = re.split(r"^## ", (ROOT / "docs" / "parameters.md").read_text(), flags=re.MULTILINE)
    names = [each for part in sections if part.startswith(node) for each in PARAMETER.findall(part)]
    return name in names or name.partition(".")[2] in names


def is_service(node: str, name: str) -> bool:
    code = (ROOT / "lerobot_recorder" / "nodes" / f"{node}.py").read_text()
    offered = [re.sub(r"{\w+}", r"\\w+", each) for each in SERVICE.findall(code)]
    return any(re.fullmatch(each, name) for each in offered)


CHECKS = {"lerobot-recorder": check_cli, "ros2": check_ros2, "make": check_make, "python": check_python}
FOUND = [(page.name, words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(
    ("page", "words"), FOUND, ids=[f"{page}: {shlex.join(words)}" for page, words in FOUND]
)
def test_a_command_is_accepted(page, words):
    check(words)


def test_commands_are_found():
    assert len(FOUND) > 50
    assert {words[0] for _, words in FOUND} == set(CHECKS)


@pytest.mark.parametrize(
    "line",
    [
        "lerobot-recorder --verzion",
        "lerobot-recorder recrod",
        "lerobot-recorder record --repo me/x",
        "lerobot-recorder record --hardware arm",
        "lerobot-recorder record --num-episodes many",
        "lerobot-recorder record -p encoder.quality=3",
        "lerobot-recorder find-port one",
        "ros2 launch lerobot_recorder replay.launch.py",
        "ros2 launch lerobot_recorder record.launch.py episodes:=3",
        "ros2 launch lerobot_recorder record.launch.py hardware:=arm",
        "ros2 run lerobot_recorder play_node",
        "ros2 run lerobot_recorder replay_node --ros-args -p chapter:=1",
        "ros2 param set /encoder batch_size 3",
        "ros2 service call /encoder/encode_all std_srvs/srv/Trigger",
        "make everything",
        "python benchmarks/speed.py",
        "python benchmarks/commits.py --no-such-option",
    ],
)
def test_a_wrong_command_is_noticed(line):
    (words,) = parts(line)
    with pytest.raises(Exception):  # noqa: B017, PT011 - an assertion, or what typer's copy of click raises
        check(words)

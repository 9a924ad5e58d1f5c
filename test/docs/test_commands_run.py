"""The commands in the documents do what the documents say, as far as they need neither devices nor a network.

``test_commands.py`` parses the others.
"""

from __future__ import annotations

import os
import shlex
import shutil
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from bagged import write_so100_bag
from filmed import filmed_dataset
from typer.testing import CliRunner, Result

from lerobot_recorder.cli.app import app
from lerobot_recorder.cli.session import Session
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.shipped import shipped_config
from lerobot_recorder.spool import Spool

_SPEC = spec_from_file_location("docs_commands", Path(__file__).with_name("test_commands.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
_COMMANDS = module_from_spec(_SPEC)
_SPEC.loader.exec_module(_COMMANDS)

STARTED = "the nodes would start now"
NEEDS = {
    "batch-demo": "minutes",
    "calibrate": "an arm",
    "cameras": "cameras",
    "discover": "a robot",
    "find-port": "a cable that is unplugged",
    "preflight": "cameras and arms; its own tests run it with simulated ones",
    "push": "the Hub",
    "record": "nodes; with arguments it is run up to their start",
    "replay": "an arm",
    "scan": "an arm",
    "setup-motors": "an arm",
}
"""Commands that are not run, and what they need; all others are."""

NAMES = {
    "<root>": "me/pick_cube",
    "DATASET": "me/pick_cube",
    "<root>...": "me/pick_cube",
    "<directory>": "copy",
    "<bag>...": "bags/monday",
}
NOTHING_TO_DO = {"accept": "no rejected"}
"""What a command says that is right to fail here."""


def written() -> list[list[str]]:
    """Return the command lines of ``lerobot-recorder`` in the documents, without its name, each once."""
    lines = {
        shlex.join(words[1:]): words[1:] for _, words in _COMMANDS.FOUND if words[0] == "lerobot-recorder"
    }
    return [words for words in lines.values() if words]


def is_run(words: list[str]) -> bool:
    """Return whether a line is more than a name in a sentence, and needs nothing that tests lack."""
    return len(words) > 1 and words[0] not in NEEDS and "--ray" not in words


RUN = [words for words in written() if is_run(words)]
RECORD = [words for words in written() if words[0] == "record" and len(words) > 1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filmed_dataset(tmp_path_factory.mktemp("made") / "dataset", (4, 40))


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("rosbags")
    folder = tmp_path_factory.mktemp("bags")
    for number, name in enumerate(("monday", "tuesday")):
        write_so100_bag(folder / name, 3.5, number)
    return folder


@pytest.fixture
def bagged_home(home: Path, bags: Path) -> Path:
    """Enter a directory that has bags, too."""
    (home / "bags").symlink_to(bags)
    (home / "episodes.csv").write_text("start,end,task,bag\n0.5,1.5,Pick up,monday\n0,,Place,tuesday\n")
    Spool(home / "datasets/pick").require()
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Enter a directory with the datasets and files that the documents name."""
    for name in ("me/pick_cube", "demo/dataset"):
        shutil.copytree(made, tmp_path / name)
        Spool(tmp_path / name).require()
    for name in ("my_arm.yaml", "robot.yaml"):
        shutil.copy(shipped_config("so100_sim.yaml"), tmp_path / name)
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: list[str]) -> Result:
    named = [os.path.expanduser(NAMES.get(word, word)) for word in words]  # noqa: PTH111
    return CliRunner().invoke(app, [each for word in named for each in globbed(word)])


def globbed(word: str) -> list[str]:
    return sorted(map(str, Path().glob(word))) if word.endswith("/*") else [word]


@pytest.mark.parametrize("words", RUN, ids=shlex.join)
def test_a_command_runs(home, request, words):
    if words[0] == "import" or "~/datasets/pick" in words:
        request.getfixturevalue("bagged_home")
    result = run(words)
    if result.exit_code == 1 and words[0] in NOTHING_TO_DO:
        assert NOTHING_TO_DO[words[0]] in result.output
    else:
        assert result.exit_code == 0, result.output


def test_commands_are_run():
    assert {"show", "check", "edit", "export", "encode", "repair"} <= {words[0] for words in RUN}


@pytest.mark.skipif(find_spec("rclpy") is None, reason="no ROS 2 in this Python")
@pytest.mark.parametrize("words", RECORD, ids=shlex.join)
def test_recording_gets_as_far_as_its_nodes(home, words, monkeypatch):
    def refuse(*_: object) -> None:
        raise ConfigError(STARTED)

    monkeypatch.setattr(Session, "__init__", refuse)
    monkeypatch.setattr("lerobot_recorder.cli.record.check_calibrations", lambda hardware: None)
    monkeypatch.setattr(
        "lerobot_recorder.cli.plan.derived_parameters", lambda given: {node: {} for node in given}
    )
    result = run([*words, "--no-preflight"])
    assert STARTED in result.output, result.output


@pytest.mark.parametrize("name", sorted({words[0] for words in written() if not words[0].startswith("-")}))
def test_a_command_that_is_mentioned_has_a_help(name):
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage: lerobot-recorder" in result.output or "Usage: root" in result.output

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from filmed import filmed_dataset
from takes import a_take

from lerobot_recorder.cli import app as app_module
from lerobot_recorder.cli.app import app
from lerobot_recorder.spool import Spool

ON_DATASETS = sorted(
    (command.name or command.callback.__name__).replace("_", "-")
    for command in app.registered_commands
    if "dataset" in command.callback.__annotations__
)
NEEDED = {"replay": ("--episode", "0"), "export": ("copy",)}
"""What commands need besides a dataset."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", [[], ["record"], ["show"]])
def test_both_spellings_of_help_work_everywhere(invoke, command, flag):
    result = invoke(*command, flag)
    assert (result.exit_code, "Usage:" in result.output) == (0, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_completion(invoke, monkeypatch, shell):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    result = invoke("--show-completion", shell)
    assert (result.exit_code, "_COMPLETE=" in result.output or "COMPLETE" in result.output) == (0, True)


def test_a_repo_id_and_a_path_name_the_same_dataset(invoke, home):
    root = filmed_dataset(home / "me/pick_cube")
    by_name, by_path = invoke("show", "me/pick_cube"), invoke("show", root)
    assert by_name.exit_code == 0, by_name.output
    assert by_name.output == by_path.output


def test_a_repo_id_names_a_dataset_that_still_waits_in_its_spool(invoke, home):
    take = a_take(Spool(home / "me/pick_cube")).reject("bad")
    assert take.episode_id in invoke("accept", "me/pick_cube").output


def test_a_directory_comes_before_the_dataset_of_that_name(invoke, home, monkeypatch, tmp_path):
    filmed_dataset(home / "me/pick_cube")
    (tmp_path / "me/pick_cube").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert "no dataset" in invoke("show", "me/pick_cube").output


@pytest.mark.parametrize("command", ON_DATASETS)
def test_each_command_prints_where_it_looked_for_a_dataset(invoke, home, command):
    result = invoke(command, "me/nothing", *NEEDED.get(command, ()))
    assert result.exit_code == 1
    assert f"me/nothing and no {home}/me/nothing" in result.output


def test_ctrl_c_while_the_commands_are_imported_is_answered_in_a_sentence():
    """The finder interrupts the program at the first module that the command line imports."""
    program = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start the tests with it ignored
class Finder:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
from lerobot_recorder.cli.entry import main
sys.meta_path.insert(0, Finder())
main()
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (130, "interrupted: nothing was changed\n")


def test_ctrl_c_after_a_command_has_succeeded_does_not_change_its_status(monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    for status, expected in ((1, before), (0, signal.SIG_IGN)):
        monkeypatch.setattr(app_module, "app", lambda status=status: sys.exit(status))
        try:
            with pytest.raises(SystemExit):
                app_module.main()
            assert signal.getsignal(signal.SIGINT) == expected
        finally:
            signal.signal(signal.SIGINT, before)

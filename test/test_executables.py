"""The executables that ``ros2 run`` and launch files start: with which Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

EXECUTABLES = Path(__file__).resolve().parents[1] / "executables"

needs_rclpy = pytest.mark.skipif(find_spec("rclpy") is None, reason="rclpy is not installed")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A virtual environment with nothing in it, as of another project."""
    venv.create(tmp_path / "foreign", symlinks=True)
    return tmp_path / "foreign" / "bin"


def install(prefix: Path, first_lines: str) -> Path:
    """Install the executables, and a ``lerobot-recorder`` that starts with these lines."""
    shutil.copytree(EXECUTABLES, prefix / "lib" / "lerobot_recorder")
    script = prefix / "bin" / "lerobot-recorder"
    script.parent.mkdir()
    script.write_text(f"{first_lines}\nimport sys\n")
    return prefix / "lib" / "lerobot_recorder" / "recorder_node"


def start(executable: Path, path: Path) -> str:
    """Start a node with this directory first on PATH and an unknown parameter; return what it prints."""
    ran = subprocess.run(
        [executable, "--ros-args", "-p", "no_such_parameter:=1"],
        env={**os.environ, "PATH": f"{path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 1
    return ran.stdout + ran.stderr


@needs_rclpy
def test_an_active_environment_of_another_project_does_not_matter(tmp_path, foreign):
    executable = install(tmp_path / "prefix", f"#!{sys.executable}")
    assert "no_such_parameter" in start(executable, foreign)


@needs_rclpy
def test_a_python_at_a_path_with_spaces_is_found(tmp_path, foreign):
    python = tmp_path / "my environment" / "python3"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    lines = f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''"  # as pip writes them
    assert "no_such_parameter" in start(install(tmp_path / "prefix", lines), foreign)


@needs_rclpy
@pytest.mark.parametrize("installer", ["/no/such/python3", "foreign"])
def test_the_python_on_path_is_used_where_that_of_the_installation_does_not_fit(tmp_path, foreign, installer):
    line = f"#!{foreign / 'python3' if installer == 'foreign' else installer}"
    executable = install(tmp_path / "prefix", line)
    assert "no_such_parameter" in start(executable, Path(sys.executable).parent)


def test_where_no_python_fits_one_sentence_names_what_each_lacks(tmp_path, foreign):
    printed = start(install(tmp_path / "prefix", f"#!{foreign / 'python3'}"), foreign)
    assert len(printed.splitlines()) == 1
    assert f"{foreign / 'python3'} lacks rclpy av pyarrow cv2" in printed
    assert "recorder_node" in printed

"""The scripts in .ci: what they print, and when they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CI = Path(__file__).resolve().parents[1] / ".ci"
NODES = '"test PYTEST_ARGS=test/nodes"'
JAZZY = '"test-jazzy PYTEST_ARGS=-n 2"'
FAIL_ONE = "fail 'test/test_a.py::test_one[a b]'"


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str, str], None]:
    """Return a function that puts a shell script before the command of that name."""

    def write(name: str, script: str) -> None:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return write


def run(tmp_path: Path, *command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("system", "machine", "libc", "status"),
    [
        ("Linux", "x86_64", "glibc 2.28", 0),
        ("Linux", "x86_64", "glibc 2.101", 0),
        ("Linux", "x86_64", "glibc 2.27", 1),
        ("Linux", "x86_64", "", 1),
        ("Linux", "aarch64", "glibc 2.39", 1),
        ("Darwin", "arm64", "", 1),
    ],
)
def test_one_sentence_where_there_are_no_ros_wheels(tmp_path, fake, system, machine, libc, status):
    fake("uname", f"[ $1 = -s ] && echo {system} || echo {machine}")
    fake("getconf", f"echo {libc}" if libc else "exit 1")
    ran = run(tmp_path, CI / "check-ros-wheels")
    assert ran.returncode == status
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == status
    assert not status or (system in ran.stderr and machine in ran.stderr and "colcon" in ran.stderr)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_demo_ends_with_that_sentence_before_it_installs_anything(tmp_path, fake):
    fake("uname", "[ $1 = -s ] && echo Darwin || echo arm64")
    environment = tmp_path / "environment"
    ran = run(tmp_path, "make", "--no-print-directory", "-C", CI.parent, "demo", f"VENV={environment}")
    (sentence,) = [line for line in ran.stderr.splitlines() if not line.startswith("make")]
    assert "need Linux on x86_64" in sentence
    assert "this is Darwin on arm64" in sentence
    assert (ran.returncode, ran.stdout, environment.exists()) == (2, "", False)


def test_what_pip_prints_is_shown_only_when_it_fails(tmp_path):
    environment = tmp_path / "environment"
    ran = run(tmp_path, CI / "make-venv", environment, sys.executable, "pip")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "already satisfied" not in ran.stdout
    assert "already satisfied" in (environment / "install.log").read_text()
    assert (environment / "installed").is_file()

    (environment / "installed").unlink()
    ran = run(tmp_path, CI / "make-venv", environment, sys.executable, "--no-index", "no-such-package")
    assert ran.returncode == 1
    assert "No matching distribution found for no-such-package" in ran.stdout
    assert str(environment / "install.log") in ran.stderr
    assert not (environment / "installed").exists()


@pytest.fixture
def ci(tmp_path: Path, fake: Callable[[str, str], None]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``.ci/run`` where tests fail: at the first try, or always."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(CI / "run", tmp_path / ".ci")

    def runs(failing: dict[str, str]) -> subprocess.CompletedProcess[str]:
        cases = "\n".join(f"{stage}) {script} ;;" for stage, script in failing.items())
        fake("make", f'shift\nfail() {{ echo "FAILED $1 - why"; exit 1; }}\ncase "$*" in {cases} esac')
        return run(tmp_path, tmp_path / ".ci" / "run")

    return runs


def test_ci_names_the_tests_that_needed_a_second_try(ci):
    ran = ci({NODES: FAIL_ONE, '"test-lowest PYTEST_ARGS=-n 2"': FAIL_ONE})
    assert ran.returncode == 0
    assert ran.stdout.count("  needed a second try: test/test_a.py::test_one[a b]\n") == 2


def test_ci_fails_where_a_test_needs_a_second_try_in_two_stages_in_a_row(ci):
    ran = ci({NODES: FAIL_ONE, JAZZY: FAIL_ONE})
    assert ran.returncode == 1
    assert "FAILED: needed a second try in two stages in a row: test/test_a.py::test_one[a b]" in ran.stdout
    assert ci({NODES: FAIL_ONE, JAZZY: "fail test/test_b.py::test_two"}).returncode == 0


@pytest.mark.parametrize("stage", ["lint", "docs", "test*"])
def test_ci_fails_where_a_stage_fails_and_goes_on(ci, stage):
    ran = ci({stage: FAIL_ONE})
    assert ran.returncode == 1
    assert "make test-lerobot: " in ran.stdout

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lerobot_recorder.arms.port import port_holder


@pytest.fixture
def port() -> Iterator[str]:
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


@pytest.fixture
def process(tmp_path: Path) -> Path:
    """A process as the system describes it, that has nothing open."""
    process = tmp_path / "4242"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("lerobot-record\n")
    return process


def test_the_program_that_has_a_port_open_is_named(port: str, process: Path, tmp_path: Path) -> None:
    (process / "fd" / "0").symlink_to("/dev/null")
    (process / "fd" / "1").symlink_to("socket:[123]")
    (process / "fd" / "5").symlink_to(port)
    assert port_holder(port, tmp_path) == "lerobot-record (process 4242)"


def test_other_devices_do_not_count(port: str, process: Path, tmp_path: Path) -> None:
    (process / "fd" / "0").symlink_to("/dev/null")
    assert port_holder(port, tmp_path) is None


def test_this_process_does_not_count(port: str, process: Path, tmp_path: Path) -> None:
    (process / "fd" / "5").symlink_to(port)
    process.rename(tmp_path / str(os.getpid()))
    assert port_holder(port, tmp_path) is None


def test_processes_that_may_not_be_inspected_are_skipped(port: str, process: Path, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "self").mkdir()
    (process / "fd" / "5").symlink_to(port)
    (process / "comm").unlink()
    assert port_holder(port, tmp_path) == "another program (process 4242)"


def test_a_real_program_is_found(port: str) -> None:
    hold = (
        f"import sys; port = open({port!r}, 'rb', buffering=0); print('open', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", hold]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        holder = port_holder(port)
    assert holder is not None
    assert holder.endswith(f"(process {program.pid})")

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lerobot_recorder import locks
from lerobot_recorder.errors import LockError
from lerobot_recorder.locks import FileLock

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def foreign(path: Path):
    """Another process that holds the lock."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_that_another_process_keeps_is_an_error_with_file_and_process(path, foreign):
    expected = rf"{path} is locked by process {foreign.pid} \(python.*\) for more than 0\.2 s"
    with pytest.raises(LockError, match=expected), locks.held(path, 0.2):
        pass
    with pytest.raises(TimeoutError, match=expected):
        FileLock(path, 0.2)


def test_the_lock_of_a_dead_process_is_free(path, foreign):
    foreign.kill()
    foreign.wait()
    with locks.held(path, 0.0):
        assert locks.holder(path) == os.getpid()
    assert locks.holder(path) is None


def test_taking_a_lock_waits_for_its_release(path, foreign):
    with locks.held_unless_taken(path) as free:
        assert not free
    foreign.terminate()
    with locks.held(path):
        pass


def test_only_the_owner_may_open_a_lock_file(path):
    path.touch(0o666)
    path.chmod(0o666)
    with locks.held(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_lock_names_its_file_also_after_a_move(tmp_path):
    (tmp_path / "a").mkdir()
    lock = FileLock(tmp_path / "a" / "lock")
    (tmp_path / "a").rename(tmp_path / "b")
    assert lock.is_on(tmp_path / "b" / "lock")
    assert not lock.is_on(tmp_path / "a" / "lock")
    lock.release()
    lock.release()
    assert not lock.is_on(tmp_path / "b" / "lock")


def test_a_forked_process_does_not_keep_a_lock_that_was_released(path):
    lock = FileLock(path)
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[lock._file.fileno()]) as child:
        lock.release()
        FileLock(path, 0.0).release()
        child.kill()

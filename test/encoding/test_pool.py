"""Jobs that fail for a temporary reason are tried again, and every job ends."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from numbered import KEY, record

from lerobot_recorder.encoding import Segment, SegmentJob
from lerobot_recorder.encoding import pool as module
from lerobot_recorder.encoding.pool import WorkerPool
from lerobot_recorder.errors import (
    DiskFullError,
    PictureError,
    SpoolError,
    TransientError,
    VideoError,
    WorkerError,
)
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings

TIMEOUT_S = 120


@pytest.fixture
def job(tmp_path) -> SegmentJob:
    record(tmp_path / "data", [1, 2, 3])
    return SegmentJob(Spool(tmp_path / "data").ready()[0].path, KEY, 0, 3, EncoderSettings().resolved())


@pytest.fixture(autouse=True)
def _soon(monkeypatch) -> None:
    monkeypatch.setattr(module, "BACK_OFF_S", 0.01)


def ending_by(signal: str, times: int, folder: Path) -> str:
    """Write a program that is killed by a signal several times, then runs Python."""
    program, log = folder / "python", folder / "starts"
    program.write_text(
        f"#!/bin/sh\necho start >> '{log}'\n"
        f"[ $(wc -l < '{log}') -gt {times} ] || kill -{signal} $$\n"
        f"exec '{sys.executable}' \"$@\"\n"
    )
    program.chmod(0o755)
    return str(program)


def result(job: SegmentJob) -> Segment:
    """Encode in a pool of one worker."""
    pool = WorkerPool(1, 0)
    try:
        return pool.submit(job).result(TIMEOUT_S)
    finally:
        pool.close()


def test_a_process_keeps_no_threads_but_those_that_encode_and_read(job):
    pool = WorkerPool(1, 0)
    try:
        pool.submit(job).result(TIMEOUT_S)
        (process,) = pool.processes()
        assert len(list(Path(f"/proc/{process}/task").iterdir())) == 2
    finally:
        pool.close()


@pytest.mark.parametrize("signal", ["KILL", "SEGV", "BUS"])
def test_a_process_that_dies_of_a_signal_is_replaced_twice(job, tmp_path, monkeypatch, caplog, signal):
    monkeypatch.setattr(module.sys, "executable", ending_by(signal, 2, tmp_path))
    assert result(job).frames == 3
    assert caplog.text.count(f"ended by signal SIG{signal}") == 2


@pytest.mark.parametrize(
    ("signal", "transient"), [("KILL", True), ("BUS", True), ("SEGV", False), ("ABRT", False)]
)
def test_only_a_crash_is_the_fault_of_the_episode(job, tmp_path, monkeypatch, signal, transient):
    monkeypatch.setattr(module.sys, "executable", ending_by(signal, 99, tmp_path))
    with pytest.raises(VideoError, match=f"{KEY} of episode .* ended by signal SIG{signal}") as raised:
        result(job)
    assert isinstance(raised.value, TransientError) is transient
    assert len((tmp_path / "starts").read_text().split()) == module.ATTEMPTS


def test_a_process_that_dies_on_a_full_disk_is_not_the_fault_of_the_episode(job, tmp_path, monkeypatch):
    monkeypatch.setattr(module.sys, "executable", ending_by("ABRT", 99, tmp_path))
    monkeypatch.setattr(module, "_LEAST_ROOM_BYTES", 2**80)
    with pytest.raises(DiskFullError, match="free some space"):
        result(job)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN])
def test_a_process_that_cannot_be_started_fails_its_job_and_no_other(job, monkeypatch, number):
    popen, left = subprocess.Popen, [module.ATTEMPTS]

    def start(*args, **kwargs):
        if left[0]:
            left[0] -= 1
            raise OSError(number, "no more of them")
        return popen(*args, **kwargs)

    monkeypatch.setattr(module.subprocess, "Popen", start)
    pool = WorkerPool(1, 0)
    try:
        first, second = pool.submit(job), pool.submit(job)
        with pytest.raises(WorkerError, match="no more of them"):
            first.result(TIMEOUT_S)
        assert second.result(TIMEOUT_S).frames == 3
    finally:
        pool.close()


def test_a_job_gets_its_result_whatever_error_is_raised(job, monkeypatch):
    def surprise(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(module.WorkerProcess, "run", surprise)
    with pytest.raises(KeyError, match="surprise"):
        result(job)


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (VideoError("Invalid argument: packets in the wrong order"), 3),
        (WorkerError("no memory"), 3),
        (SpoolError("an image is damaged"), 1),
        (PictureError("nothing codes it right"), 1),
        (DiskFullError("no room"), 1),
    ],
)
def test_errors_that_can_pass_are_tried_three_times_others_once(job, monkeypatch, error, attempts):
    tried: list[object] = []

    def fail(_: object, job: SegmentJob, __: object) -> None:
        tried.append(job)
        raise error

    monkeypatch.setattr(module.WorkerProcess, "run", fail)
    with pytest.raises(type(error), match=str(error)):
        result(job)
    assert len(tried) == attempts


def test_without_threads_there_is_no_pool(monkeypatch):
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module.threading.Thread, "start", start)
    with pytest.raises(WorkerError, match="can't start new thread"):
        WorkerPool(2, 0)

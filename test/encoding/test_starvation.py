from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from lerobot_recorder.encoding.starvation import WINDOW_S, CpuTime, Starvation, cpu_time
from lerobot_recorder.encoding.status import Report


class Computer:
    """CPU time that processes get, and the clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.time = CpuTime()

    def pass_window(self, run_s: float, ready_s: float) -> None:
        self.now_s += WINDOW_S
        self.time = CpuTime(self.time.run_s + run_s, self.time.ready_s + ready_s)

    def measure(self, _: Iterable[int]) -> CpuTime:
        return self.time

    def clock(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("run_s", "ready_s", "share"),
    [
        (0.2, 9.0, 0.02),  # others run
        (0.2, 1.0, None),  # it waits for the disk
        (9.0, 90.0, None),  # its own threads wait for each other
        (-5.0, 9.0, None),  # a thread has ended
    ],
)
def test_processes_starve_if_they_are_ready_but_do_not_run(run_s, ready_s, share):
    computer = Computer()
    starvation = Starvation(computer.measure, computer.clock)
    computer.pass_window(100.0, 100.0)
    starvation.look([1])
    computer.pass_window(run_s, ready_s)
    starvation.look([1])
    assert starvation.share == (share if share is None else pytest.approx(share))


def test_starvation_ends_when_they_run_again():
    computer = Computer()
    starvation = Starvation(computer.measure, computer.clock)
    for run_s, is_starved in ((0.1, True), (5.0, False)):
        computer.pass_window(run_s, 9.0)
        starvation.look([1])
        assert (starvation.share is not None) == is_starved


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="Linux does not count it")
def test_cpu_time_is_that_of_all_threads():
    program = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert cpu_time([process.pid]).run_s >= 0.19
        both = cpu_time([process.pid, os.getpid()]).run_s
        assert both > cpu_time([process.pid]).run_s
        process.communicate(b"\n")
    assert cpu_time([process.pid]) == CpuTime()


def test_starvation_is_in_the_status_and_once_in_the_log(tmp_path, caplog):
    report = Report(tmp_path)
    with caplog.at_level(logging.WARNING):
        report.warn_of_starvation(0.021, 19)
        report.warn_of_starvation(0.03, 19)
    expected = "encoding gets only 3% of a core, because other programs use this computer: end other programs"
    assert report.starvation_warning == f"{expected}, or lower nice, which is 19"
    assert len(caplog.messages) == 1
    report.warn_of_starvation(None, 19)
    assert report.starvation_warning == ""
    report.warn_of_starvation(0.03, 0)
    assert report.starvation_warning == expected

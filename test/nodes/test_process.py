from __future__ import annotations

import ctypes
import os
import platform
import threading

import pytest

from lerobot_recorder.nodes import process


def time_slice_ns(thread: int) -> int:
    attributes = process.SchedulingAttributes()
    _, get_call = process._SCHED_CALLS[os.uname().machine]
    size = ctypes.sizeof(attributes)
    assert ctypes.CDLL(None).syscall(get_call, thread, ctypes.byref(attributes), size, 0) == 0
    return attributes.runtime


def linux() -> tuple[int, ...]:
    return tuple(map(int, platform.release().partition("-")[0].split(".")[:2]))


@pytest.mark.skipif(linux() < (6, 12), reason="Linux has no time slices of single threads before 6.12")
def test_a_thread_that_wakes_early_has_the_shortest_slice_and_so_have_those_that_it_starts():
    found = []

    def note() -> None:
        found.append(time_slice_ns(threading.get_native_id()))

    def wake_early() -> None:
        process.wake_early()
        note()
        own = threading.Thread(target=note)
        own.start()
        own.join()

    before = time_slice_ns(0)
    thread = threading.Thread(target=wake_early)
    thread.start()
    thread.join()
    assert found == [100_000, 100_000]
    assert time_slice_ns(0) == before > 100_000


def test_its_niceness_stays():
    found = []

    def wake_early() -> None:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, 3)
        process.wake_early()
        found.append(os.getpriority(os.PRIO_PROCESS, thread))

    thread = threading.Thread(target=wake_early)
    thread.start()
    thread.join()
    assert found == [3]

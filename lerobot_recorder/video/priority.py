"""Keeps codecs from raising their own priority.

As root, which is common in containers, libsvtav1 makes its threads and the one that opens it real-time
(FIFO, 99): everything else on the machine has to wait, including the robot.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from pathlib import Path

LOWEST = 19
"""The niceness with the lowest priority."""

_TASKS = Path("/proc/self/task")
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_SYS_NICE = 23
_AUTOGROUP = Path("/proc/self/autogroup")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def yield_to_others(nice: int) -> None:
    """Lower the priority of this process, and of its session.

    With `sched_autogroup_enabled`, Linux shares CPU time between sessions, and a process's niceness counts
    only within its session; see sched(7). At 19 the process runs as SCHED_IDLE: other processes interrupt it
    at once, instead of after its time slice.
    """
    os.nice(nice)
    if nice >= LOWEST and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            _AUTOGROUP.write_text(str(nice))


def forbid_real_time() -> None:
    """Remove the right to become real-time from this thread and those that it starts; see capabilities(7).

    `unchanged_priority` alone is too late: opening a codec takes a quarter of a second, during which a
    real-time thread stops everything else on its core.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "capset"):
        return
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    sets = (
        ctypes.c_uint32 * 6
    )()  # effective, permitted, inheritable: of capabilities 0 to 31, then 32 to 63
    if libc.capget(ctypes.byref(header), sets) == 0:
        for each in range(3):
            sets[each] &= ~(1 << _CAP_SYS_NICE)
        libc.capset(ctypes.byref(header), sets)


@contextlib.contextmanager
def unchanged_priority() -> Iterator[None]:
    """Restore this thread's scheduling after the block, also for the threads that it started."""
    if not _TASKS.is_dir():
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    before = {task.name for task in _TASKS.iterdir()} - {str(threading.get_native_id())}
    try:
        yield
    finally:
        for task in {task.name for task in _TASKS.iterdir()} - before:
            with contextlib.suppress(OSError):  # it has ended
                os.sched_setscheduler(int(task), policy, parameters)

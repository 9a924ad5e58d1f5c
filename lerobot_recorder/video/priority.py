"""Keeps codecs from taking a priority that nobody gave them.

Run by root, as in most containers, libsvtav1 makes itself and the thread that opens it real-time (FIFO, 99):
everything else on the machine waits, the robot included.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextlib.contextmanager
def unchanged_priority() -> Iterator[None]:
    """Give this thread, and those that the block starts, the scheduling that this thread had before."""
    if not _TASKS.is_dir():
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    before = {task.name for task in _TASKS.iterdir()} - {str(threading.get_native_id())}
    try:
        yield
    finally:
        for task in {task.name for task in _TASKS.iterdir()} - before:
            with contextlib.suppress(OSError):  # it has ended meanwhile
                os.sched_setscheduler(int(task), policy, parameters)

"""Settings of a node's process: they save CPU time, and let its threads run in time."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os

import cv2

_KEPT_BYTES = 32 << 20
"""An image of 1920x1080 has 6 MB. glibc accepts no larger value for the second option."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # from malloc.h


_SLICE_NS = 100_000
"""The shortest that Linux accepts. Threads that need longer are not interrupted while nothing else waits."""

_SCHED_CALLS = {"x86_64": (314, 315), "aarch64": (274, 275)}
"""Numbers of the system calls sched_setattr and sched_getattr, which few C libraries wrap."""


class SchedulingAttributes(ctypes.Structure):
    """``struct sched_attr`` of sched_setattr(2); for ordinary threads, ``runtime`` is their time slice."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def wake_early() -> None:
    """Let this thread, and those that it starts, run as soon as they wake up, also on a busy computer.

    They request short time slices, as everybody may. Since Linux 6.12 such a thread need not wait until the
    slice of another one has passed, which is 3 ms or more. An older kernel ignores the request.
    """
    libc, calls = ctypes.CDLL(None, use_errno=True), _SCHED_CALLS.get(os.uname().machine)
    if calls is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    attributes = SchedulingAttributes()
    size = ctypes.sizeof(attributes)
    set_call, get_call = calls
    if libc.syscall(get_call, 0, ctypes.byref(attributes), size, 0) == 0:
        attributes.size, attributes.runtime = size, _SLICE_NS
        libc.syscall(set_call, 0, ctypes.byref(attributes), 0)


def save_cpu() -> None:
    """Adapt garbage collection, memory and threads to a process that handles an image every few milliseconds.

    Call it once all modules are imported.
    """
    gc.freeze()  # otherwise each full collection scans all imported modules, for 30 to 50 ms
    cv2.setNumThreads(1)  # a conversion of an image takes less time than waking a thread that shares the work
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Let each thread keep the memory of an image for the next one.

    By default glibc returns it to the kernel, which then has to clear it again, page by page.
    """
    with contextlib.suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for option in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
            mallopt(option, _KEPT_BYTES)

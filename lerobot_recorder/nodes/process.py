"""Settings of a node's process that save CPU time."""

from __future__ import annotations

import contextlib
import ctypes
import gc

import cv2

_KEPT_BYTES = 32 << 20
"""An image of 1920x1080 has 6 MB. glibc accepts no larger value for the second option."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # from malloc.h


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

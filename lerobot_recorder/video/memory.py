"""Gives memory back to the computer that codecs have freed."""

from __future__ import annotations

import ctypes


def return_memory() -> None:
    """Return what was freed; the C library of Linux keeps it for the next allocations.

    A codec allocates tens of megabytes, in pieces that do not fit together the next time, so a process that
    encodes one video after the other would grow. This takes 2 ms.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc has it, musl and macOS have not
        libc.malloc_trim(0)

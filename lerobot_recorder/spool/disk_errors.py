"""Says in a sentence what the operating system says in a number."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lerobot_recorder.durable import is_full
from lerobot_recorder.errors import DiskFullError, SpoolError


@contextlib.contextmanager
def disk_errors(path: Path, and_then: str = "") -> Iterator[None]:
    """Name the directory, and what to do.

    Args:
        path: the directory.
        and_then: what becomes of it, as a part of a sentence.

    Raises:
        DiskFullError: no room is left.
        SpoolError: the device or the directory cannot be used.
    """
    try:
        yield
    except SpoolError:
        raise
    except OSError as error:
        if is_full(error):
            full = f"no room is left for {path}: free some space, or record elsewhere{and_then}"
            raise DiskFullError(full) from error
        raise SpoolError(f"{path} cannot be written: {error.strerror or error}{and_then}") from error

"""Which program has a serial port open: LeRobot, for one, opens it without a lock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def port_holder(port: str, processes: Path = Path("/proc")) -> str | None:
    """Return the name and the number of another process that has a port open.

    Args:
        port: The port's path.
        processes: Where the system describes its processes.

    Returns:
        None if there is none among those that this user may look into.

    Raises:
        OSError: There is no such port.
    """
    device = Path(port).stat().st_rdev
    for process in processes.glob("[0-9]*"):
        if process.name != str(os.getpid()) and device in _open_devices(process):
            return f"{_name(process)} (process {process.name})"
    return None


def _open_devices(process: Path) -> Iterator[int]:
    """Yield the numbers of the devices that a process has open, as far as they may be known."""
    with suppress(OSError):  # the process is another user's, or has just ended
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):  # it was closed meanwhile
                # Others are left alone: to look at a file may take forever when its disk is a dead server's.
                if str(descriptor.readlink()).startswith("/dev/"):
                    yield descriptor.stat().st_rdev


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "another program"

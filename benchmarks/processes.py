"""CPU, memory and disk use of a process and all processes that it started, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

FOREIGN = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
"""Variables of this Python's environment that must not reach another Python."""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Resources that a process and its descendants have used so far.

    Attributes:
        cpu_s: seconds of CPU, in user and kernel mode.
        peak_bytes: sum of the largest resident sizes.
        written_bytes: handed to the storage layer.
    """

    cpu_s: float = 0.0
    peak_bytes: int = 0
    written_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.cpu_s + other.cpu_s,
            self.peak_bytes + other.peak_bytes,
            self.written_bytes + other.written_bytes,
        )

    def since(self, before: Cost) -> Cost:
        """Return the use since `before`; the peak stays the same."""
        return Cost(self.cpu_s - before.cpu_s, self.peak_bytes, self.written_bytes - before.written_bytes)


def cost(pid: int) -> Cost:
    """Measure a process with its living descendants; ended ones are included once reaped."""
    found = _own(pid)
    for child in _children(pid):
        found += cost(child)
    return found


def proportional_bytes(pid: int) -> int:
    """Return the current memory of a process and its living descendants, with shared pages counted once.

    A page that several processes share, such as that of a library, is divided between all of them; also with
    those that have nothing to do with this one.
    """
    try:
        own = _number(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss:") * 1024
    except OSError:
        own = 0
    return own + sum(map(proportional_bytes, _children(pid)))


def resident_bytes(pid: int) -> int:
    """Return the current memory of a process, without its descendants."""
    return _number(Path(f"/proc/{pid}/status").read_text(), "VmRSS:") * 1024


def _own(pid: int) -> Cost:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        status = Path(f"/proc/{pid}/status").read_text()
        io = Path(f"/proc/{pid}/io").read_text()
    except OSError:
        return Cost()
    cpu_s = sum(map(int, fields[11:15])) / _TICKS_PER_S
    return Cost(cpu_s, _number(status, "VmHWM:") * 1024, _number(io, "write_bytes:"))


def _number(text: str, name: str) -> int:
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(name)), 0)


def _children(pid: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, task.read_text().split())
        except OSError:
            continue
    return children

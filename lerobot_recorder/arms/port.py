"""Opens serial ports and explains their errors in one sentence."""

from __future__ import annotations

import errno
import fcntl
import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import serial

from lerobot_recorder.errors import PortError


def port_holder(port: str, processes: Path = Path("/proc")) -> str | None:
    """Return the name and the ID of another process that has a port open.

    Args:
        port: the port's path
        processes: the proc filesystem

    Returns:
        None if no process that this user may inspect has it open.

    Raises:
        OSError: there is no such port.
    """
    device = Path(port).stat().st_rdev
    for process in processes.glob("[0-9]*"):
        if process.name != str(os.getpid()) and device in _open_devices(process):
            return f"{_name(process)} (process {process.name})"
    return None


def _open_devices(process: Path) -> Iterator[int]:
    """Yield the numbers of the devices that a process has open, if this user may inspect it."""
    with suppress(OSError):  # another user's process, or one that has just ended
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):  # closed in the meantime
                # Other files are skipped: stat can block forever if a network file system does not respond.
                if str(descriptor.readlink()).startswith("/dev/"):
                    yield descriptor.stat().st_rdev


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "another program"


_WRITE_TIMEOUT_S = 0.2
_PSEUDO_TERMINALS = range(136, 144)  # major numbers, by the kernel's admin-guide/devices.txt


def open_port(port: str, baud_rate: int, timeout_s: float) -> serial.Serial:
    """Open a serial port exclusively; each read waits up to ``timeout_s`` for a byte.

    This works without cooperation: a port that another program has open is refused, and a program that opens
    it later finds it busy, unless it runs as root.

    Raises:
        PortError: the port does not exist, is in use, or this user may not open it.
    """
    is_hardware = _is_hardware(port)
    with port_errors(port):
        holder = port_holder(port) if is_hardware else None
    if holder:
        raise PortError(f"port {port} is in use by {holder}: stop that program first")
    try:
        with port_errors(port):
            opened = serial.Serial(
                port, baud_rate, timeout=timeout_s, write_timeout=_WRITE_TIMEOUT_S, exclusive=True
            )
            if is_hardware:
                fcntl.ioctl(opened.fileno(), termios.TIOCEXCL)
            return opened
    except ValueError as error:
        raise PortError(f"port {port} cannot be set to {baud_rate} bit/s: {error}") from error


@contextmanager
def port_errors(port: str) -> Iterator[None]:
    """Turn errors of pyserial and the operating system into one sentence about the port."""
    try:
        yield
    except (OSError, termios.error) as error:
        raise PortError(f"port {port} {_reason(error)}") from error


def _is_hardware(port: str) -> bool:
    """Return whether this is a real device; the simulation itself holds a simulated arm's port open."""
    try:
        device = Path(port).stat().st_rdev
    except OSError:
        return False
    return device != 0 and os.major(device) not in _PSEUDO_TERMINALS


def _reason(error: Exception) -> str:
    number = _error_number(error) or _error_number(error.__context__)
    if number == errno.ENOENT:
        return "does not exist: plug the arm in, and find its port with 'lerobot-recorder find-port'"
    if number == errno.EACCES:
        return "cannot be opened by this user: add the user to the group 'dialout' and log in again"
    if number in (errno.EAGAIN, errno.EBUSY):
        return "is in use by another program: stop that program first"
    if number == errno.ENOTTY:
        return "is not a serial port: find the arm's port with 'lerobot-recorder find-port'"
    return f"failed: check its cable ({error})"


def _error_number(error: BaseException | None) -> int | None:
    """Return the system's error number, which pyserial and termios keep in different places."""
    number = getattr(error, "errno", None) or (error.args[0] if error and error.args else None)
    return number if isinstance(number, int) else None

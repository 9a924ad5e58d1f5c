"""Serial ports, and what is wrong with them in one sentence."""

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


_WRITE_TIMEOUT_S = 0.2
_PSEUDO_TERMINALS = range(136, 144)  # major numbers, by the kernel's admin-guide/devices.txt


def open_port(port: str, baud_rate: int, timeout_s: float) -> serial.Serial:
    """Open a serial port for nobody else, to wait ``timeout_s`` for each byte.

    Other programs need not look at a lock: one that is there already is refused, one that comes later finds
    the port busy, unless it is root's.

    Raises:
        PortError: It does not exist, is in use, or may not be opened.
    """
    is_hardware = _is_hardware(port)
    with port_errors(port):
        holder = port_holder(port) if is_hardware else None
    if holder:
        raise PortError(f"port {port} is in use by {holder}: stop that one first")
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
    """Turn what pyserial and the operating system raise into one sentence about the port."""
    try:
        yield
    except (OSError, termios.error) as error:
        raise PortError(f"port {port} {_reason(error)}") from error


def _is_hardware(port: str) -> bool:
    """Tell whether this is a device, and no simulated arm's port, which the simulation holds open itself."""
    try:
        device = Path(port).stat().st_rdev
    except OSError:
        return False
    return device != 0 and os.major(device) not in _PSEUDO_TERMINALS


def _reason(error: Exception) -> str:
    number = _error_number(error) or _error_number(error.__context__)
    if number == errno.ENOENT:
        return "does not exist: plug the arm in, and look for its port with 'lerobot-recorder find-port'"
    if number == errno.EACCES:
        return "may not be opened by this user: add the user to the group 'dialout' and log in again"
    if number in (errno.EAGAIN, errno.EBUSY):
        return "is in use by another program: stop that one first"
    if number == errno.ENOTTY:
        return "is not a serial port: look for the arm's port with 'lerobot-recorder find-port'"
    return f"failed, as when its cable is pulled: {error}"


def _error_number(error: BaseException | None) -> int | None:
    """Return the operating system's number, which pyserial and termios each keep elsewhere."""
    number = getattr(error, "errno", None) or (error.args[0] if error and error.args else None)
    return number if isinstance(number, int) else None

"""The operator's terminal: consoles, tables and the Enter key."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from lerobot_recorder.errors import ConfigError

_WIDEST_TABLE = 10_000


class EnterKey:
    """The Enter key: wait for it, or check whether it was pressed while other work goes on."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        self._pressed = 0

    def wait(self) -> None:
        """Wait until Enter is pressed.

        Raises:
            ConfigError: the standard input has ended
        """
        while not self.pressed(None):
            pass

    def pressed(self, timeout_s: float | None = 0.0) -> bool:
        """Return whether Enter was pressed since the last call.

        Args:
            timeout_s: how long to wait for it, in seconds; None waits forever

        Raises:
            ConfigError: the standard input has ended
        """
        if not self._pressed and select.select([self._descriptor], [], [], timeout_s)[0]:
            typed = os.read(self._descriptor, 1024)
            if not typed:
                raise ConfigError("the standard input ended before Enter was pressed: use a terminal")
            self._pressed += typed.count(b"\n")
        if not self._pressed:
            return False
        self._pressed -= 1
        return True


def operator_console() -> Console:
    """Return a console for commands that talk to an operator."""
    return Console(highlight=False, soft_wrap=True)


def plain_table(*columns: str) -> Table:
    """Return an empty table without borders."""
    return Table(*columns, box=None, header_style="bold", padding=(0, 2, 0, 0))


def print_whole(console: Console, table: Table) -> None:
    """Print a table as wide as its content: a terminal continues long lines, and a file has one per row."""
    width, measured = console.width, console.options.update(max_width=_WIDEST_TABLE)
    console.width = max(width, Measurement.get(console, measured, table).maximum)
    console.print(table)
    console.width = width


@contextmanager
def file_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on the terminal while files are handled.

    Args:
        what: what is done, such as ``Exporting``

    Yields:
        A function that takes the numbers of files done and of all files, or their bytes.
    """
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def persistent_name(device: str, directory: Path) -> str | None:
    """Return the name of a device that does not depend on the order in which devices are connected, or None.

    Args:
        device: path of the device, such as ``/dev/ttyACM0``
        directory: where the system keeps such names, such as ``/dev/serial/by-id``
    """
    target = Path(device).resolve()
    links = (link for link in sorted(directory.glob("*")) if link.resolve() == target)
    return next((str(link) for link in links), None)

"""Shows how far an encoder is: a bar on a terminal, elsewhere a line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.errors import LiveError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lerobot_recorder.encoding.status import EncoderStatus
from lerobot_recorder.excerpt import counted

OnProgress = Callable[[EncoderStatus], None]

_LINE_EVERY_S = 10.0


@contextmanager
def progress_bar(print_line: Callable[[str], object]) -> Iterator[OnProgress]:
    """Show progress on standard error while the context is open.

    Args:
        print_line: prints a line where no bar can be shown
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    if not bar.console.is_terminal:
        yield _lines(print_line)
        return
    task = bar.add_task("looking for episodes", total=None)
    try:
        bar.start()
    except LiveError:  # the program shows something of its own
        yield _lines(print_line)
        return

    def show(status: EncoderStatus) -> None:
        if (batch := status.encoding) is not None and batch.frames:
            bar.update(task, description=_text(status), completed=batch.frames_done, total=batch.frames)

    try:
        yield show
    finally:
        bar.stop()


def _lines(print_line: Callable[[str], object]) -> OnProgress:
    printed_at = time.monotonic()

    def show(status: EncoderStatus) -> None:
        nonlocal printed_at
        if (batch := status.encoding) is None or time.monotonic() - printed_at < _LINE_EVERY_S:
            return
        printed_at = time.monotonic()
        print_line(f"{_text(status)}: {batch.frames_done} of {batch.frames} frames")

    return show


def _text(status: EncoderStatus) -> str:
    count = status.encoding.episodes if status.encoding else 0
    more = f", {status.waiting} waiting" if status.waiting else ""
    return f"{status.state} {counted(count, 'episode')}{more}"

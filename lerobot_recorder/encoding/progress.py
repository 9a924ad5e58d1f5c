"""Shows how far an encoder is: a bar on a terminal, elsewhere a line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.errors import LiveError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lerobot_recorder.encoding.status import EncoderStatus, EncodingProgress
from lerobot_recorder.excerpt import counted

if TYPE_CHECKING:
    from lerobot_recorder.encoding.encoder import BatchEncoder

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


class OverallProgress:
    """Adds up the progress of several encoders, each of which encodes what waits for it."""

    def __init__(self) -> None:
        self._batches: dict[Path, list[EncodingProgress]] = {}

    def add(self, encoders: Sequence[BatchEncoder]) -> EncoderStatus:
        """Return a status for all of them; batches that have ended count as done."""
        statuses = [(encoder.root, encoder.status()) for encoder in encoders]
        for root, status in statuses:
            self._note(self._batches.setdefault(root, []), status.encoding)
        batches = [batch for each in self._batches.values() for batch in each]
        running = [status.encoding.episodes for _, status in statuses if status.encoding]
        frames = sum(batch.frames for batch in batches)
        return EncoderStatus(
            state="encoding",
            waiting=sum(status.waiting for _, status in statuses),
            encoding=EncodingProgress(sum(running), sum(batch.frames_done for batch in batches), frames)
            if batches
            else None,
        )

    def _note(self, batches: list[EncodingProgress], current: EncodingProgress | None) -> None:
        last = batches[-1] if batches else None
        if current is not None and last is not None and last.frames == current.frames:
            batches[-1] = current
        elif last is not None:
            batches[-1] = replace(last, frames_done=last.frames)
        if current is not None and (last is None or last.frames != current.frames):
            batches.append(current)

"""``check``: find faults in a dataset."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from lerobot_recorder.cli.overview import Overview
from lerobot_recorder.dataset import check as find_faults
from lerobot_recorder.dataset import duplicates, find_dataset, load_info, spool_path
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.video import VideoDecoder, probe

BAR_AFTER_S = 1.0
"""Seconds after which the progress bar appears."""

WAITING = ("ready", "claimed", "committing")
FAILED = "failed"
_MOST_NOTES = 5

DatasetArgument = Annotated[
    Path,
    typer.Argument(
        callback=find_dataset, help="The dataset: its directory, or user/name.", show_default=False
    ),
]
DeepOption = Annotated[
    bool,
    typer.Option(
        "--deep", help="Decode every video, once from start to end and once in random order. Takes minutes."
    ),
]


def check(dataset: DatasetArgument, deep: DeepOption = False) -> None:
    """Find faults in a dataset. Prints one line per fault and exits with status 1 if there is any.

    The check compares each video with its rows, and indices, totals and statistics with each other. It also
    finds everything that LeRobot 0.6.1 cannot load.
    """
    found = 0
    with _Bar() as bar:
        decoder = VideoDecoder() if deep else None
        for fault in find_faults(dataset, probe, decoder=decoder, progress=bar.reached):
            bar.print(fault)
            found += 1
    for note in (*_spooled(dataset), *_duplicates(dataset)):
        typer.echo(note)
    if found:
        raise typer.Exit(1)
    info = load_info(dataset)
    assert info is not None, "no dataset is a fault"
    typer.echo(
        f"{dataset}: no faults in {counted(info.total_episodes, 'episode')}, "
        f"{counted(info.total_frames, 'frame')}"
    )


def _spooled(dataset: Path) -> Iterator[str]:
    """Yield notes on the episodes that are not in the dataset yet, with the commands that add them."""
    spool = spool_path(dataset)
    waiting = sum(_count(spool / state) for state in WAITING)
    failed = _count(spool / FAILED)
    if waiting:
        yield (
            f"note: {counted(waiting, 'episode', 'wait')} in {spool}. "
            f"Encode with: lerobot-recorder encode {dataset}"
        )
    if failed:
        yield (
            f"note: {counted(failed, 'episode')} could not be encoded; the reasons are in {spool / FAILED}. "
            f"Try again: lerobot-recorder encode --retry-failed {dataset}"
        )


def _duplicates(dataset: Path) -> Iterator[str]:
    """Yield notes on episodes that are the same recording, as far as their provenance shows it."""
    try:
        overview = Overview(dataset)
        recordings = {each.episode: each.recording for each in overview.episodes if each.recording}
        pairs = duplicates(recordings, lambda number: overview.episodes[number].seconds)
    except DatasetError:  # a fault, which is reported already
        return
    for number, other in pairs[:_MOST_NOTES]:
        yield (
            f"note: episodes {number} and {other} are of the same recording. "
            f"Remove one with: lerobot-recorder edit delete {dataset} {other}"
        )
    if (more := len(pairs) - _MOST_NOTES) > 0:
        yield f"note: {counted(more, 'more pair')} of episodes of the same recording"


def _count(directory: Path) -> int:
    return sum(path.is_dir() for path in directory.iterdir()) if directory.is_dir() else 0


class _Bar:
    """Progress bar on the terminal that appears only when the check takes longer than ``BAR_AFTER_S``."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._columns = Progress(
            TextColumn("Checking"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._columns.add_task("check")
        self._is_shown = False

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._columns.stop()

    def reached(self, done: int, total: int) -> None:
        """Update the bar with the bytes that have been read."""
        if not self._is_shown and time.monotonic() - self._begin > BAR_AFTER_S:
            self._is_shown = True
            if self._columns.console.is_terminal:
                self._columns.start()
        if self._is_shown:
            self._columns.update(self._task, completed=done, total=total)

    def print(self, line: str) -> None:
        """Print a line of the result above the bar."""
        if self._is_shown and self._columns.console.is_terminal:
            self._columns.stop()
            typer.echo(line)
            self._columns.start()
        else:
            typer.echo(line)

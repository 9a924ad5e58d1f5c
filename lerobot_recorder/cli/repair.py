"""``repair``: save what can be saved of a damaged dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.dataset import Finding
from lerobot_recorder.editing import repair as repair_dataset
from lerobot_recorder.excerpt import counted

ApplyOption = Annotated[
    bool, typer.Option("--apply", help="Repair the dataset; without it only print what would be done.")
]


def repair(dataset: DatasetArgument, apply: ApplyOption = False) -> None:
    """Save what can be saved of a damaged dataset: killed while recording, cut short, copied in part.

    Prints each fault, what is done about it and what is lost. The dataset as it was is kept beside it:
    ``edit undo`` brings it back. Exits with status 1 if there are faults and ``--apply`` is not given.
    """
    with _Bar() as bar:
        report = repair_dataset(dataset, apply, progress=bar.reached)
    if not report.findings:
        typer.echo(f"{dataset}: no faults, nothing to repair")
        return
    _print(dataset, report.findings)
    kept = f"{counted(report.episodes, 'episode')}, {counted(report.frames, 'frame')}"
    lost = f"lost: {'; '.join(report.lost)}" if report.lost else "nothing is lost"
    if not report.is_applied:
        typer.echo(f"Dry run, nothing has changed. Repair with: lerobot-recorder repair {dataset} --apply")
        typer.echo(f"{dataset}: would have {kept}; {lost}")
        raise typer.Exit(1)
    if report.aside is not None:
        typer.echo(f"Files that were taken out are in {report.aside}")
    typer.echo(f"Take it back with: lerobot-recorder edit undo {dataset}")
    typer.echo(f"{dataset}: has {kept}; {lost}")


def _print(dataset: Path, findings: Sequence[Finding]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("Fault", "Repair", "Lost"):
        table.add_column(title, overflow="fold")
    prefix = f"{dataset.absolute().resolve()}/"
    for finding in findings:
        table.add_row(finding.what.replace(prefix, ""), finding.repair, finding.lost)
    Console(highlight=False).print(table)


class _Bar:
    """Progress bar on a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._columns = Progress(
            TextColumn("Repairing"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
        )
        self._is_shown = console.is_terminal
        self._task = self._columns.add_task("repair")

    def __enter__(self) -> _Bar:
        if self._is_shown:
            self._columns.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._columns.stop()

    def reached(self, done: int, total: int) -> None:
        """Update the bar with the number of files that are done."""
        self._columns.update(self._task, completed=done, total=total)

"""``check``: look for faults in a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lerobot_recorder.dataset.check import check as find_faults
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.video import probe

DatasetArgument = Annotated[Path, typer.Argument(help="The dataset's directory.", show_default=False)]


def check(dataset: DatasetArgument) -> None:
    """Look for faults in a dataset: a line for each, and exit status 1 if there is one.

    Every video is compared with the rows it belongs to, all indices, totals and statistics with each other.
    """
    found = 0
    for fault in find_faults(dataset, probe):
        typer.echo(fault)
        found += 1
    if found:
        raise typer.Exit(1)
    info = load_info(dataset)
    assert info is not None, "no dataset is a fault"
    typer.echo(f"{dataset}: no faults in {info.total_episodes} episodes, {info.total_frames} frames")

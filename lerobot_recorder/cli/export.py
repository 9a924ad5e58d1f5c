"""``export``: copy a dataset into another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.cli.terminal import file_progress
from lerobot_recorder.excerpt import counted
from lerobot_recorder.sharing import export_v21


def export(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Argument(help="New or empty directory for the copy.", show_default=False)],
    *,
    format: Annotated[
        Literal["v2.1"],
        typer.Option("--format", help="Format of the copy; v2.1 is read by LeRobot 0.3, openpi and GR00T."),
    ] = "v2.1",
    gr00t: Annotated[
        bool, typer.Option("--gr00t", help="Also write meta/modality.json, which GR00T needs.")
    ] = False,
) -> None:
    """Copy a dataset into another format: one video and one parquet file per episode.

    Videos are not encoded again. The copy appears when it is complete.
    """
    with file_progress("Exporting") as progress:
        done = export_v21(dataset, out, gr00t=gr00t, progress=progress)
    for key in done.left_out:
        typer.echo(f"note: {key} is left out: format {format} has no depth")
    typer.echo(
        f"{out}: {counted(done.episodes, 'episode')}, {counted(done.frames, 'frame')}, "
        f"{done.size_bytes / 1e6:.1f} MB, format {format}"
    )

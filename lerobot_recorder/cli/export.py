"""``export``: copy a dataset into another format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lerobot_recorder.bags import Storage
from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.cli.edit import FailedOption, ShorterOption, TaskOption, VerdictOption, selection_of
from lerobot_recorder.cli.terminal import file_progress
from lerobot_recorder.dataset import Source
from lerobot_recorder.editing import Selection
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.exporting import Images, export_bag
from lerobot_recorder.sharing import export_v21

Format = Literal["v2.1", "mcap", "rosbag2"]

_BAG = "For bags"

_INTERRUPTED = 130
"""Exit status after Ctrl-C, as of a shell."""


def export(
    dataset: DatasetArgument,
    out: Annotated[
        Path,
        typer.Argument(
            help="For v2.1 a new or empty directory; for mcap a new file whose name ends in .mcap; for "
            "rosbag2, and for mcap with another name, a new directory.",
            show_default=False,
        ),
    ],
    *,
    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Format of the copy. v2.1 is read by LeRobot 0.3, openpi and GR00T; mcap and rosbag2 by "
            "Foxglove, RViz, PlotJuggler and `ros2 bag play`.",
            show_default="mcap if OUT ends in .mcap, else v2.1",
        ),
    ] = None,
    gr00t: Annotated[
        bool, typer.Option("--gr00t", help="For --format v2.1: also write meta/modality.json for GR00T.")
    ] = False,
    images: Annotated[
        Images,
        typer.Option(
            help=f"{_BAG}: jpeg decodes videos to sensor_msgs/CompressedImage, which everything reads; video "
            "copies packets to foxglove_msgs/CompressedVideo, which Foxglove reads."
        ),
    ] = "jpeg",
    jpeg_quality: Annotated[int, typer.Option(metavar="1-100", help=f"{_BAG}: quality of JPEGs.")] = 95,
    config: Annotated[
        Path | None,
        typer.Option(
            help=f"{_BAG}: also write this parameter file, with which `import --from-recorder` makes the "
            "same rows of the bag.",
            show_default=False,
        ),
    ] = None,
    storage: Annotated[
        Storage,
        typer.Option(help="For --format rosbag2: sqlite3 is for ROS 2 humble without the plugin for MCAP."),
    ] = "mcap",
    episodes: Annotated[
        str | None,
        typer.Option(
            metavar="EPISODES",
            help=f"{_BAG}: numbers and ranges, such as 3,7-9.",
            show_default="all episodes",
        ),
    ] = None,
    verdict: VerdictOption = None,
    failed: FailedOption = False,
    shorter_than: ShorterOption = None,
    task: TaskOption = None,
) -> None:
    """Copy a dataset into another format. The copy appears when it is complete."""
    selection = selection_of(episodes, verdict, failed, shorter_than, task)
    chosen = format or ("mcap" if out.suffix == ".mcap" else "v2.1")
    if chosen != "v2.1":
        if gr00t:
            raise ConfigError("--gr00t is for --format v2.1")
        if chosen == "rosbag2" and out.suffix == ".mcap":
            raise ConfigError(f"{out}: a rosbag2 bag is a directory; use --format mcap, or another name")
        options = {"images": images, "jpeg_quality": jpeg_quality, "parameters": config, "storage": storage}
        with _interruptible(out, config):
            _export_bag(dataset, out, selection, **options)
    elif selection != Selection() or images != "jpeg" or config or storage != "mcap":
        raise ConfigError(
            "format v2.1 has all episodes and videos: options that choose are for --format mcap and rosbag2"
        )
    else:
        with _interruptible(out):
            _export_v21(dataset, out, gr00t)


@contextmanager
def _interruptible(out: Path, config: Path | None = None) -> Iterator[None]:
    """Print what Ctrl-C has left: nothing, or a copy that is complete."""
    had_copy = _is_there(out)
    try:
        yield
    except KeyboardInterrupt:
        is_whole = not had_copy and _is_there(out)
        left = f"{out} is complete" if is_whole else "nothing was exported"
        if is_whole and config is not None and not config.exists():
            left += f", but {config} is missing"
        typer.echo(f"interrupted: {left}", err=True)
        raise typer.Exit(_INTERRUPTED) from None


def _is_there(out: Path) -> bool:
    path = out.expanduser()
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _export_v21(dataset: Path, out: Path, gr00t: bool) -> None:
    with file_progress("Exporting") as progress:
        done = export_v21(dataset, out, gr00t=gr00t, progress=progress)
    for key in done.left_out:
        typer.echo(f"note: {key} is left out: format v2.1 has no depth")
    _print(out, done.episodes, done.frames, done.size_bytes, "format v2.1")


def _export_bag(dataset: Path, out: Path, selection: Selection, **options: Any) -> None:
    chosen = None if selection == Selection() else selection.of(Source(dataset))
    with file_progress("Exporting") as progress:
        done = export_bag(dataset, out, episodes=chosen, progress=progress, **options)
    for note in done.notes:
        typer.echo(f"note: {note}")
    kind = "sqlite3" if options["storage"] == "sqlite3" else "MCAP"
    _print(out, done.episodes, done.frames, done.size_bytes, kind)


def _print(out: Path, episodes: int, frames: int, size_bytes: int, what: str) -> None:
    size = f"{size_bytes / 1e6:.1f} MB"
    typer.echo(f"{out}: {counted(episodes, 'episode')}, {counted(frames, 'frame')}, {size}, {what}")

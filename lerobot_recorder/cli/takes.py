"""``accept`` and ``undo-delete``: accept and restore takes when no recorder runs, without ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.spool import Spool

EpisodeOption = Annotated[
    str | None,
    typer.Option(
        "--episode",
        help="ID of the episode, which is the name of its directory.",
        show_default="the last one",
    ),
]


def accept(dataset: DatasetArgument, episode: EpisodeOption = None) -> None:
    """Accept a rejected take in the spool beside a dataset, so that it is encoded despite its verdict."""
    spool = _spool(dataset)
    spool.recover()  # a recorder that died may have left one in recording/
    accepted = spool.accept(episode)
    reasons = "; ".join(accepted.manifest.reasons) or "unknown reason"
    frames = counted(accepted.length, "frame")
    typer.echo(f"accepted episode {accepted.episode_id}, {frames}, despite: {reasons}")
    _print_next_step(dataset)


def undo_delete(dataset: DatasetArgument, episode: EpisodeOption = None) -> None:
    """Restore the most recently deleted episode or discarded take."""
    restored = _spool(dataset).undo_delete(episode)
    place = restored.path.parent
    typer.echo(f"restored episode {restored.episode_id}, {counted(restored.length, 'frame')}, to {place}")
    if restored.state == "ready":
        _print_next_step(dataset)
    else:
        typer.echo(f"to accept it: lerobot-recorder accept {dataset} --episode {restored.episode_id}")


def _spool(dataset: Path) -> Spool:
    spool = Spool(dataset)
    if not spool.path.is_dir():
        raise SpoolError(f"nothing has been recorded for {dataset}: {spool.path} does not exist")
    return spool


def _print_next_step(dataset: Path) -> None:
    typer.echo(f"if no encoder is running, encode it: lerobot-recorder encode {dataset}")

"""``accept`` and ``undo-delete``: decide about takes when no recorder runs, without ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool import Spool

EpisodeOption = Annotated[
    str | None,
    typer.Option("--episode", help="Its identifier, the name of its directory.", show_default="the last one"),
]


def accept(dataset: DatasetArgument, episode: EpisodeOption = None) -> None:
    """Accept a rejected take of the spool beside a dataset: it will be encoded in spite of its verdict."""
    spool = _spool(dataset)
    spool.recover()  # a recorder that died may have left one in recording/
    accepted = spool.accept(episode)
    reasons = "; ".join(accepted.manifest.reasons) or "no reason is known"
    typer.echo(f"accepted episode {accepted.episode_id}, {accepted.length} frames, although: {reasons}")
    _say_what_is_next(dataset)


def undo_delete(dataset: DatasetArgument, episode: EpisodeOption = None) -> None:
    """Bring back the episode that was deleted last, or the take that was discarded last."""
    restored = _spool(dataset).undo_delete(episode)
    place = restored.path.parent
    typer.echo(f"brought back episode {restored.episode_id}, {restored.length} frames: it is in {place}")
    if restored.state == "ready":
        _say_what_is_next(dataset)
    else:
        typer.echo(f"to accept it: lerobot-recorder accept {dataset} --episode {restored.episode_id}")


def _spool(dataset: Path) -> Spool:
    spool = Spool(dataset)
    if not spool.path.is_dir():
        raise SpoolError(f"nothing was recorded for {dataset}: there is no {spool.path}")
    return spool


def _say_what_is_next(dataset: Path) -> None:
    typer.echo(f"to encode it, unless an encoder runs: lerobot-recorder encode {dataset}")

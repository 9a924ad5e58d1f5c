"""``encode``: encode what waits in a dataset's spool, without ROS."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings

_POLL_S = 0.2
_NEWS_S = 10.0
"""From line to line of progress, where the output is no terminal."""


def encode(
    dataset: DatasetArgument,
    *,
    vcodec: Annotated[str, typer.Option(help="Video codec, or auto.")] = EncoderSettings.vcodec,
    crf: Annotated[int, typer.Option(help="Quality; lower is better and larger.")] = 30,
    g: Annotated[int, typer.Option(help="Frames from key frame to key frame.")] = 2,
    parallel_encodings: Annotated[int, typer.Option(help="Videos side by side; 0: one per core.")] = 0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try the episodes in failed/ again, too.")
    ] = False,
) -> None:
    """Encode the episodes that wait in the spool beside a dataset, and add them to it.

    An interruption loses nothing: what is not in the dataset yet waits for the next time. The exit status is
    1 where an episode could not be added.
    """
    spool = Spool(dataset)
    if not spool.path.is_dir():
        raise SpoolError(f"nothing to encode: there is no {spool.path}")
    settings = EncoderSettings(vcodec=vcodec, crf=crf, g=g)
    encoder = BatchEncoder(dataset, settings=settings, parallel_encodings=parallel_encodings)
    if retry_failed:
        encoder.retry_failed()
    _drain(encoder)
    _report(dataset, encoder)


def _drain(encoder: BatchEncoder) -> None:
    """Wait with a progress bar until all is encoded; Ctrl-C leaves the rest."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    try:
        encoder.finish()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("looking for episodes", total=None)
            told_at = time.monotonic()
            while not encoder.join(_POLL_S):
                status = encoder.status()
                if not status.frames:
                    continue
                text = f"{status.state} {status.episodes} episodes"
                progress.update(bar, description=text, completed=status.frames_done, total=status.frames)
                if not console.is_terminal and time.monotonic() - told_at >= _NEWS_S:
                    told_at = time.monotonic()
                    console.print(f"{text}: {status.frames_done} of {status.frames} frames", highlight=False)
    except KeyboardInterrupt:
        pass
    finally:
        encoder.abort()
        encoder.join()


def _report(dataset: Path, encoder: BatchEncoder) -> None:
    status = encoder.status()
    for episode in encoder.committed:
        typer.echo(
            f"episode {episode.episode_index}: {episode.frames} frames, {episode.size_bytes / 1e6:.1f} MB, "
            f"encoded in {episode.encode_s:.1f} s"
        )
    left = f", {status.waiting} still wait" if status.waiting else ""
    typer.echo(f"{dataset}: {status.committed_total} episodes added{left}")
    if earlier := status.retryable - status.failed:
        typer.echo(f"{earlier} in {Spool(dataset).directory('failed')}; --retry-failed tries them again")
    if encoder.failure is not None:
        raise encoder.failure

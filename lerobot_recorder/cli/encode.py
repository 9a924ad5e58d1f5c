"""``encode``: encode the episodes that wait in a dataset's spool, without ROS."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.cli.options import option
from lerobot_recorder.encoding import BatchEncoder, BatchSettings
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.settings import parameter, parameters_of
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings

_VIDEO = {each.name: each for each in parameters_of(EncoderSettings)}
_PARALLEL = parameter(BatchSettings, "parallel_encodings")

_POLL_S = 0.2
_LINE_EVERY_S = 10.0
"""Time between progress lines when the output is not a terminal."""


def encode(
    dataset: DatasetArgument,
    *,
    vcodec: Annotated[str, option(_VIDEO["vcodec"])] = _VIDEO["vcodec"].default,
    crf: Annotated[int, option(_VIDEO["crf"])] = _VIDEO["crf"].default,
    g: Annotated[int, option(_VIDEO["g"])] = _VIDEO["g"].default,
    parallel_encodings: Annotated[int, option(_PARALLEL)] = _PARALLEL.default,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also try the episodes in failed/ again.")
    ] = False,
) -> None:
    """Encode the episodes that wait in the spool beside a dataset, and add them to the dataset.

    An interruption loses nothing: the remaining episodes wait for the next run. The exit status is 1 if an
    episode could not be added.
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
    """Show a progress bar until all episodes are encoded; Ctrl-C leaves the rest in the spool."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    try:
        encoder.finish()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("looking for episodes", total=None)
            printed_at = time.monotonic()
            while not encoder.join(_POLL_S):
                status = encoder.status()
                if (batch := status.encoding) is None or not batch.frames:
                    continue
                text = f"{status.state} {batch.episodes} episodes"
                progress.update(bar, description=text, completed=batch.frames_done, total=batch.frames)
                if not console.is_terminal and time.monotonic() - printed_at >= _LINE_EVERY_S:
                    printed_at = time.monotonic()
                    console.print(f"{text}: {batch.frames_done} of {batch.frames} frames", highlight=False)
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
    typer.echo(f"{dataset}: {status.committed} episodes added{left}")
    if earlier := status.retryable - status.failed:
        typer.echo(f"{earlier} in {Spool(dataset).directory('failed')}; --retry-failed tries them again")
    if encoder.failure is not None:
        raise encoder.failure

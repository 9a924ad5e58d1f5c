"""``encode``: encode the episodes that wait in a dataset's spool, without ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.cli.options import option
from lerobot_recorder.encoding import BatchEncoder, BatchSettings, progress_bar
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.settings import parameter, parameters_of
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings

_VIDEO = {each.name: each for each in parameters_of(EncoderSettings)}
_PARALLEL = parameter(BatchSettings, "parallel_encodings")
_NICE = parameter(BatchSettings, "nice")

NICE = 10
"""Priority of this command's processes: someone waits for it, so it has a share besides busy programs, which
SCHED_IDLE, the encoder node's priority, does not have."""


def encode(
    dataset: DatasetArgument,
    *,
    vcodec: Annotated[str, option(_VIDEO["vcodec"])] = _VIDEO["vcodec"].default,
    crf: Annotated[int, option(_VIDEO["crf"])] = _VIDEO["crf"].default,
    g: Annotated[int, option(_VIDEO["g"])] = _VIDEO["g"].default,
    parallel_encodings: Annotated[int, option(_PARALLEL)] = _PARALLEL.default,
    nice: Annotated[int, option(_NICE)] = NICE,
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
        raise SpoolError(f"nothing to encode: {spool.path} does not exist")
    settings = EncoderSettings(vcodec=vcodec, crf=crf, g=g)
    encoder = BatchEncoder(dataset, settings=settings, parallel_encodings=parallel_encodings, nice=nice)
    if retry_failed:
        encoder.retry_failed()
    _drain(encoder)
    _report(dataset, encoder)


def _drain(encoder: BatchEncoder) -> None:
    """Show the progress until all episodes are encoded; Ctrl-C leaves the rest in the spool."""
    console = Console(stderr=True, highlight=False)
    try:
        encoder.finish()
        with progress_bar(console.print) as show:
            encoder.wait(show)
    except KeyboardInterrupt:
        pass
    finally:
        encoder.abort()
        encoder.join()


def _report(dataset: Path, encoder: BatchEncoder) -> None:
    status = encoder.status()
    for episode in encoder.committed:
        typer.echo(
            f"episode {episode.episode_index}: {counted(episode.frames, 'frame')}, "
            f"{episode.size_bytes / 1e6:.1f} MB, "
            f"encoded in {episode.encode_s:.1f} s"
        )
    left = f", {counted(status.waiting, 'episode', 'wait')}" if status.waiting else ""
    typer.echo(f"{dataset}: {counted(status.committed, 'episode')} added{left}")
    if earlier := status.retryable - status.failed:
        typer.echo(
            f"{earlier} failed before, see {Spool(dataset).directory('failed')}; "
            "--retry-failed tries them again"
        )
    if encoder.failure is not None:
        raise encoder.failure

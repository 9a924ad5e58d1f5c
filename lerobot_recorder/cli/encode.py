"""``encode``: encode the episodes that wait in a dataset's spool, without ROS."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lerobot_recorder.cli.options import option
from lerobot_recorder.dataset import find_dataset
from lerobot_recorder.encoding import (
    BatchEncoder,
    BatchSettings,
    OverallProgress,
    RayCluster,
    progress_bar,
)
from lerobot_recorder.errors import RecorderError, SpoolError
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

PROGRESS_S = 0.2
"""Seconds between two looks at the progress."""


def encode(
    datasets: Annotated[
        list[Path],
        typer.Argument(help="The datasets: directories, or user/name.", show_default=False),
    ],
    *,
    vcodec: Annotated[str, option(_VIDEO["vcodec"])] = _VIDEO["vcodec"].default,
    crf: Annotated[int, option(_VIDEO["crf"])] = _VIDEO["crf"].default,
    g: Annotated[int, option(_VIDEO["g"])] = _VIDEO["g"].default,
    parallel_encodings: Annotated[int, option(_PARALLEL)] = _PARALLEL.default,
    nice: Annotated[int, option(_NICE)] = NICE,
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Encode all datasets at once on a Ray cluster whose nodes share their filesystem: host:port "
            "of its head, or auto for the cluster of this computer, else a new one.",
        ),
    ] = "",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also try the episodes in failed/ again.")
    ] = False,
) -> None:
    """Encode the episodes that wait in the spool beside each dataset, and add them to the dataset.

    An interruption loses nothing: the remaining episodes wait for the next run. The exit status is 1 if an
    episode could not be added.
    """
    roots = [_found(each) for each in dict.fromkeys(datasets)]
    settings = EncoderSettings(vcodec=vcodec, crf=crf, g=g)
    with ExitStack() as stack:
        cluster = stack.enter_context(RayCluster(ray, parallel_encodings)) if ray else None
        failures: list[RecorderError] = []
        # Each encoder on this computer has a process for each core, so one after the other.
        for group in [roots] if cluster else [[root] for root in roots]:
            encoders: list[BatchEncoder] = []
            stack.callback(_end, encoders)
            for root in group:
                encoders.append(
                    BatchEncoder(
                        root,
                        settings=settings,
                        parallel_encodings=parallel_encodings,
                        nice=nice,
                        cluster=cluster,
                    )
                )
                if retry_failed:
                    encoders[-1].retry_failed()
            is_whole = drain(encoders, cluster)
            for encoder in encoders:
                report_encoded(encoder)
            failures += [each.failure for each in encoders if each.failure is not None]
            if not is_whole:
                break
    raise_all(failures)


def _found(dataset: Path) -> Path:
    """Return the directory of a dataset that has a spool.

    Raises:
        DatasetError: there is no such dataset.
        SpoolError: it has no spool.
    """
    root = find_dataset(dataset)
    spool = Spool(root)
    if not spool.path.is_dir():
        raise SpoolError(f"nothing to encode: {spool.path} does not exist")
    return root


def drain(encoders: Sequence[BatchEncoder], cluster: RayCluster | None) -> bool:
    """Show the progress until all episodes are encoded; Ctrl-C leaves the rest in the spool.

    Returns:
        Whether it was not interrupted.
    """
    console = Console(stderr=True, highlight=False)
    overall = OverallProgress()
    try:
        for encoder in encoders:
            encoder.finish()
        with progress_bar(console.print) as show:
            while not all(encoder.join(0) for encoder in encoders):
                show(overall.add(encoders))
                next(each for each in encoders if not each.join(0)).join(PROGRESS_S)
    except KeyboardInterrupt:
        return False
    finally:
        for encoder in encoders:
            encoder.abort()
        if cluster is not None:
            cluster.close()  # ends a connection that is being established
        _end(encoders)
    return True


def _end(encoders: Sequence[BatchEncoder]) -> None:
    for encoder in encoders:
        encoder.abort()
        encoder.join()


def report_encoded(encoder: BatchEncoder) -> None:
    """Print what was added to the dataset."""
    status, dataset = encoder.status(), encoder.root
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


def raise_all(failures: Sequence[RecorderError]) -> None:
    """Raise the failures of the datasets.

    Raises:
        RecorderError: there are any.
    """
    if failures:
        raise RecorderError("; ".join(dict.fromkeys(map(str, failures)))) from failures[0]

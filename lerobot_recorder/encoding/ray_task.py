"""What runs on the nodes of a Ray cluster: jobs, and the check that a node can do them."""

from __future__ import annotations

import socket
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import av

from lerobot_recorder.encoding.job import Answer, Job
from lerobot_recorder.encoding.pool import WorkerProcess, start_process
from lerobot_recorder.errors import DiskFullError, PictureError, RecorderError, VideoError, WorkerError
from lerobot_recorder.video import svt_version

Versions = tuple[str, ...]
"""What the packets of a video depend on besides its images and settings."""


class PassingError(Exception):
    """A job failed in a way that another attempt, perhaps on another node, can succeed.

    Attributes:
        error: why it failed.
    """

    def __init__(self, error: RecorderError) -> None:
        super().__init__(error)
        self.error = error


def run(job: Job, nice: int, versions: Versions) -> Answer:
    """Run a job in this node's worker process, and return its result, or the error if it will not pass.

    Raises:
        PassingError: it is worth another attempt.
    """
    try:
        _check(job, versions)
        return _worker(nice).run(job)
    except (DiskFullError, PictureError) as error:
        return error
    except VideoError as error:
        raise PassingError(error) from error
    except RecorderError as error:
        return error


def visit(folder: Path, marker: str, versions: Versions) -> str:
    """Return why this node cannot encode what lies in a directory; empty if it can.

    Args:
        folder: the directory.
        marker: name of a file in it that the asking process has written.
        versions: of the asking process.
    """
    if found := _difference(versions):
        return found
    try:
        (folder / marker).rename(folder / f"{marker}-seen")
    except FileNotFoundError:
        return f"it does not see {folder}"
    except OSError as error:
        return f"it cannot write to {folder}: {error.strerror}"
    return ""


@cache
def installed() -> Versions:
    """Return the versions of this process."""
    try:
        ours = version("lerobot_recorder")
    except PackageNotFoundError:
        ours = "from sources"
    svt = svt_version()
    return f"lerobot_recorder {ours}", f"PyAV {av.__version__}", f"SVT-AV1 {'.'.join(map(str, svt or ()))}"


def _difference(versions: Versions) -> str:
    """Return how the versions of this node differ from others; empty if they do not."""
    different = [(each, other) for each, other in zip(installed(), versions, strict=True) if each != other]
    return f"it has {different[0][0]}, but this computer has {different[0][1]}" if different else ""


def _check(job: Job, versions: Versions) -> None:
    """Check what a node that joined the cluster later may lack.

    Raises:
        WorkerError: it cannot run the job.
    """
    name = socket.gethostname()
    if not job.episode.is_dir():
        raise WorkerError(f"node {name} of the Ray cluster does not see {job.episode}")
    if found := _difference(versions):
        raise WorkerError(f"node {name} of the Ray cluster cannot encode: {found}")


@cache
def _worker(nice: int) -> WorkerProcess:
    """Return the worker process. Without it, a codec that crashes would look like a node that died."""
    return WorkerProcess(partial(start_process, nice))

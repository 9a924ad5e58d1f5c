"""Work for any process that has the files: it can be pickled, and refers to files by their paths."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Progress = Callable[[int], None]
"""Takes the number of frames so far."""

Answer = Any
"""Message of a worker process: frames so far (an int), the error (a RecorderError), or the result."""


@dataclass(frozen=True)
class Job:
    """A part of the encoding of a camera.

    Attributes:
        episode: directory of the spooled episode, or of a take that is being recorded.
        key: the camera feature.
    """

    episode: Path
    key: str

    @property
    def is_needed(self) -> bool:
        """Whether it is tried again after an error."""
        return True

    def run(self, progress: Progress) -> Any:
        """Do the work, and return the result, which can be pickled."""
        raise NotImplementedError


class Executor(Protocol):
    """Runs jobs side by side: the processes of a `WorkerPool`, or a cluster.

    Attributes:
        size: number of jobs that it can run at the same time.
        nice: niceness of the processes that run them.
    """

    size: int
    nice: int

    def submit(self, job: Job, progress: Progress = ...) -> Future[Any]:
        """Queue a job; a `TransientError` is the computer's fault, any other error the episode's.

        A job can be cancelled until it runs.
        """
        ...

    def processes(self) -> list[int]:
        """Return the numbers of the processes of this computer that run jobs."""
        ...

    def close(self) -> None:
        """End what runs, and cancel what waits."""
        ...

"""Worker processes that run jobs side by side, at low priority."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from lerobot_recorder.encoding.job import Answer, Job, Progress
from lerobot_recorder.errors import DiskFullError, PictureError, RecorderError, VideoError, WorkerError

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""Attempts at a job before it counts as failed."""

BACK_OFF_S = 0.5
"""Seconds between the first and the second attempt; twice that before the third."""

_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
"""Signals of a process whose work crashed it; other signals come from outside, or from a failing disk."""

_LEAST_ROOM_BYTES = 2**20

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
"""A worker has one core: the threads that NumPy starts would keep the others busy for a while."""


@dataclass(frozen=True)
class _Order:
    job: Job
    progress: Callable[[int], None]
    result: Future[Any]


class WorkerPool:
    """Processes that each run one job at a time.

    A process that dies is replaced. A job that fails is tried again, unless an image is at fault or the disk
    is full. The processes are started when there is work; they load no ROS and share no threads.
    """

    def __init__(self, size: int, nice: int) -> None:
        self.size = size
        self.nice = nice
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._start_threads()

    def submit(self, job: Job, progress: Callable[[int], None] = lambda _frames: None) -> Future[Any]:
        """Queue a job; a `TransientError` is the computer's fault, any other error the episode's.

        A job can be cancelled until it runs.
        """
        order = _Order(job, progress, Future())
        self._orders.put(order)
        return order.result

    def processes(self) -> list[int]:
        """Return the numbers of the processes that run."""
        return [process.pid for process in list(self._processes)]

    def close(self) -> None:
        """Kill the processes, cancel the jobs that have not started, and wait until both are done."""
        self._closed.set()
        for process in list(self._processes):
            process.kill()
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join()
        with contextlib.suppress(queue.Empty):
            while True:
                if (order := self._orders.get_nowait()) is not None:
                    order.result.cancel()

    def _start_threads(self) -> None:
        try:
            for number in range(self.size):
                thread = threading.Thread(target=self._serve, name=f"encode-{number}", daemon=True)
                thread.start()
                self._threads.append(thread)
        except RuntimeError as error:
            self.close()
            raise WorkerError(f"cannot start a thread: {error}; end other programs") from error

    def _serve(self) -> None:
        worker = WorkerProcess(self._start, self._end)
        while (order := self._orders.get()) is not None:
            if self._closed.is_set():
                order.result.cancel()
                continue
            if not order.result.set_running_or_notify_cancel():
                continue
            try:
                order.result.set_result(self._persist(order, worker))
            except Exception as error:  # the batch waits for this result: the thread must go on
                order.result.set_exception(error)
        worker.end()

    def _persist(self, order: _Order, worker: WorkerProcess) -> Any:
        """Run a job; try again if that can help."""
        for attempt in range(1, ATTEMPTS if order.job.is_needed else 1):
            try:
                return worker.run(order.job, order.progress)
            except (DiskFullError, PictureError):
                raise
            except VideoError as error:
                if self._closed.wait(BACK_OFF_S * attempt):
                    raise
                logger.warning("%s; trying again", error)
        return worker.run(order.job, order.progress)

    def _start(self) -> subprocess.Popen[bytes]:
        process = start_process(self.nice)
        self._processes.add(process)
        if self._closed.is_set():
            process.kill()
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        end_process(process)
        self._processes.discard(process)


def start_process(nice: int) -> subprocess.Popen[bytes]:
    """Start a worker process.

    Raises:
        WorkerError: it cannot be started.
    """
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "lerobot_recorder.encoding.worker", str(nice)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | _ONE_THREAD,
            start_new_session=True,  # Ctrl-C must reach the encoder only, which decides what to finish
        )
    except OSError as error:
        raise WorkerError(f"cannot start a process for encoding: {error.strerror}") from error


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process that ends with its standard input, and wait for it."""
    with contextlib.suppress(OSError):
        cast("IO[bytes]", process.stdin).close()
    process.wait()
    cast("IO[bytes]", process.stdout).close()


class WorkerProcess:
    """A process that runs jobs; started when there is work, replaced when it has died."""

    def __init__(
        self,
        start: Callable[[], subprocess.Popen[bytes]],
        end: Callable[[subprocess.Popen[bytes]], None] = end_process,
    ) -> None:
        self._start = start
        self._end = end
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, job: Job, progress: Progress = lambda _frames: None) -> Any:
        """Run a job once.

        Raises:
            RecorderError: the job failed.
        """
        if self._process is None or self._process.poll() is not None:
            self.end()
            self._process = self._start()
        process = self._process
        try:
            answer = _converse(job, progress, process)
        except BaseException as error:  # it has died, its answer is invalid, or this thread is interrupted
            process.kill()
            self.end()
            if not isinstance(error, Exception):
                raise
            raise _death(job, process.returncode) from error
        if isinstance(answer, RecorderError):
            raise answer
        return answer

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._end(self._process)
            self._process = None


def _converse(job: Job, progress: Progress, process: subprocess.Popen[bytes]) -> Answer:
    """Send a job and read the answers until it is done."""
    jobs, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    pickle.dump(job, jobs)
    jobs.flush()
    while isinstance(answer := pickle.load(answers), int):
        progress(answer)
    return answer


def _death(job: Job, status: int) -> RecorderError:
    """Return the error for a process that has died."""
    how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
    message = f"the process that encoded {job.key} of episode {job.episode.name} ended {how}"
    folder = job.episode.parents[1]
    if not _has_room(folder):
        return DiskFullError(f"{message}: no space left in {folder}; free some space")
    if -status in _CRASHES:
        return VideoError(message)
    return WorkerError(message + ("; is there enough memory?" if status == -signal.SIGKILL else ""))


def _has_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free >= _LEAST_ROOM_BYTES
    except OSError:
        return True


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))

"""Worker processes that encode cameras side by side, at low priority."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import IO, cast

from lerobot_recorder.encoding.camera import Answer, CameraJob, EncodedCamera
from lerobot_recorder.errors import RecorderError, VideoError


@dataclass(frozen=True)
class _Order:
    job: CameraJob
    progress: Callable[[int], None]
    result: Future[EncodedCamera]


class WorkerPool:
    """Some processes, each encoding one camera at a time.

    A process that dies fails its job and is replaced. They are started when there is work, and are children
    without ROS and without threads of their parent's.
    """

    def __init__(self, size: int, nice: int) -> None:
        self.size = size
        self.nice = nice
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name=f"encode-{i}", daemon=True) for i in range(size)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, job: CameraJob, progress: Callable[[int], None] = lambda frames: None
    ) -> Future[EncodedCamera]:
        """Queue a job; its `VideoError`, or `DiskFullError`, is what went wrong."""
        order = _Order(job, progress, Future())
        self._orders.put(order)
        return order.result

    def close(self) -> None:
        """End the processes, also amidst a job, and wait for that; jobs not begun are cancelled."""
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

    def _serve(self) -> None:
        process: subprocess.Popen[bytes] | None = None
        while (order := self._orders.get()) is not None:
            if self._closed.is_set():
                order.result.cancel()
                continue
            if process is None or process.poll() is not None:
                process = self._start()
            self._encode(order, process)
        if process is not None:
            self._end(process)

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "lerobot_recorder.encoding.worker", str(self.nice)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the encoder, which decides what becomes of the work
        )
        self._processes.add(process)
        if self._closed.is_set():
            process.kill()
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(OSError):
            cast("IO[bytes]", process.stdin).close()
        process.wait()
        cast("IO[bytes]", process.stdout).close()
        self._processes.discard(process)

    def _encode(self, order: _Order, process: subprocess.Popen[bytes]) -> None:
        try:
            answer = _converse(order, process)
        except (OSError, EOFError, pickle.UnpicklingError):
            process.kill()
            self._end(process)
            order.result.set_exception(VideoError(_obituary(order.job, process.returncode)))
            return
        if isinstance(answer, EncodedCamera):
            order.result.set_result(answer)
        else:
            order.result.set_exception(cast("RecorderError", answer))


def _converse(order: _Order, process: subprocess.Popen[bytes]) -> Answer:
    """Send a job and listen until it is done."""
    jobs, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    pickle.dump(order.job, jobs)
    jobs.flush()
    while isinstance(answer := pickle.load(answers), int):
        order.progress(answer)
    return cast("Answer", answer)


def _obituary(job: CameraJob, status: int) -> str:
    how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
    hint = "; is there enough memory?" if status == -signal.SIGKILL else ""
    return f"the process that encoded {job.key} of episode {job.episode.name} ended {how}{hint}"


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))

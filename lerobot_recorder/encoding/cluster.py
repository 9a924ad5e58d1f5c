"""A Ray cluster that encodes: many computers that share a filesystem."""

from __future__ import annotations

import contextlib
import itertools
import pickle
import subprocess
import sys
import threading
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, cast

from lerobot_recorder.encoding.job import Job, Progress
from lerobot_recorder.encoding.pool import cores
from lerobot_recorder.errors import ConfigError, RecorderError, WorkerError

CONNECT_S = 60.0
"""Longest time to connect to a cluster, or to start one."""

END_S = 10.0
"""Time that the process which is connected gets to end a cluster that it started."""


class RayCluster:
    """A Ray cluster for any number of encoders of this process, which share one connection.

    It is connected when there is work, and connected again after it was lost.
    """

    def __init__(self, address: str = "auto", local_cores: int = 0) -> None:
        """Do not connect yet.

        Args:
            address: host and port of the cluster's head; ``auto`` is the one that runs on this computer, or a
                new one on it.
            local_cores: number of cores of a new cluster; 0: those that this process may use.

        Raises:
            ConfigError: Ray is not installed.
        """
        if find_spec("ray") is None:
            raise ConfigError("encoding on a cluster needs Ray: pip install 'lerobot-recorder[ray]'")
        self.address = address
        self._cores = local_cores or cores()
        self._lock = threading.Lock()
        self._closed = False
        self._connection: _Connection | None = None

    def __enter__(self) -> RayCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def executor(self, folder: Path, nice: int) -> ClusterExecutor:
        """Check that all nodes see a directory, and return what runs jobs in it.

        Args:
            folder: where the episodes are.
            nice: niceness of the processes that encode.

        Raises:
            ConfigError: a node does not see it, or has other versions.
            WorkerError: the cluster cannot be reached.
        """
        connection = self._connected()
        return ClusterExecutor(connection, connection.request("visit", folder).result(), nice)

    def close(self) -> None:
        """Disconnect; tasks that still run end."""
        self._closed = True
        if (connection := self._connection) is not None:
            connection.close()

    def _connected(self) -> _Connection:
        with self._lock:
            if self._connection is None or self._connection.is_lost:
                self._connection = _Connection(self.address, self._cores)
            connection = self._connection
        if self._closed:
            connection.close()
        connection.connected.result()
        return connection


class ClusterExecutor:
    """Runs jobs on a cluster, each on one CPU.

    Jobs of nodes that leave, and jobs that fail for a reason that can pass, are tried again on any node. An
    attempt that was given up may go on for a while. That is harmless: a job writes atomically, and the same
    whenever it runs.
    """

    def __init__(self, connection: _Connection, size: int, nice: int) -> None:
        self.size = size
        self.nice = nice
        self._connection = connection
        self._jobs: set[Future[Any]] = set()

    def submit(self, job: Job, progress: Progress = lambda _frames: None) -> Future[Any]:  # noqa: ARG002
        """Queue a job; its progress is known when it has ended."""
        result = self._connection.request("run", job, self.nice)
        self._jobs.add(result)
        result.add_done_callback(self._jobs.discard)
        return result

    def processes(self) -> list[int]:
        """Return no numbers: Ray's nodes start the processes."""
        return []

    def close(self) -> None:
        """Cancel all jobs."""
        for job in list(self._jobs):
            job.cancel()


class _Connection:
    """A process that is connected to the cluster.

    Attributes:
        connected: done when it is connected.
        is_lost: whether the process has ended.
    """

    def __init__(self, address: str, cores: int) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Any]] = {}
        self.is_lost = False
        self._was_connected = False
        self._process = _started(address, cores)
        self.connected = self._registered(next(self._numbers))
        threading.Thread(target=self._read, name="ray-answers", daemon=True).start()
        self._deadline = threading.Timer(CONNECT_S, self._process.kill)
        self._deadline.daemon = True
        self._deadline.start()
        self.connected.add_done_callback(lambda _: self._deadline.cancel())

    def request(self, request: str, *given: Any) -> Future[Any]:
        """Send a request; its result can be cancelled until it is there.

        The result raises a `WorkerError` if the connection is lost.
        """
        number = next(self._numbers)
        result = self._registered(number)
        self._send(number, request, *given)
        result.add_done_callback(lambda done: self._cancel(number) if done.cancelled() else None)
        return result

    def close(self) -> None:
        """End the process; what waits for it fails."""
        with self._sending, contextlib.suppress(OSError):
            cast("IO[bytes]", self._process.stdin).close()
        if not self.connected.done():
            self._process.kill()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _registered(self, number: int) -> Future[Any]:
        result: Future[Any] = Future()
        with self._lock:
            if not self.is_lost:
                self._waiting[number] = result
                return result
        result.set_exception(self._loss())
        return result

    def _send(self, *request: Any) -> None:
        # Without the process `_read` ends, and fails what waits.
        with self._sending, contextlib.suppress(OSError, ValueError):
            requests = cast("IO[bytes]", self._process.stdin)
            pickle.dump(request, requests)
            requests.flush()

    def _cancel(self, number: int) -> None:
        with self._lock:
            self._waiting.pop(number, None)
        self._send(next(self._numbers), "cancel", number)

    def _read(self) -> None:
        answers = cast("IO[bytes]", self._process.stdout)
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                number, answer = pickle.load(answers)
                with self._lock:
                    result = self._waiting.pop(number, None)
                if result is not None:
                    _settle(result, answer)
        self._process.kill()
        self._process.wait()
        answers.close()
        self._was_connected = self.connected.done()
        with self._lock:
            self.is_lost = True
            left, self._waiting = list(self._waiting.values()), {}
        for result in left:
            _settle(result, self._loss())

    def _loss(self) -> WorkerError:
        found = "was lost" if self._was_connected else "cannot be established"
        return WorkerError(
            f"the connection to the Ray cluster at {self._address} {found}; is its head running? "
            "ray status shows it, and its logs are in /tmp/ray/session_latest/logs"
        )


def _started(address: str, cores: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "lerobot_recorder.encoding.ray_client", address, str(cores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # Ray prints pages when the head is lost; they are in its logs, too
            start_new_session=True,  # Ctrl-C must reach the encoders only, which decide what to finish
        )
    except OSError as error:
        raise WorkerError(f"cannot start a process for the Ray cluster: {error.strerror}") from error


def _settle(result: Future[Any], answer: Any) -> None:
    if not result.set_running_or_notify_cancel():
        return
    if isinstance(answer, RecorderError):
        result.set_exception(answer)
    else:
        result.set_result(answer)

"""The program of the process that is connected to a Ray cluster: reads requests, writes answers.

Requests come from standard input, answers go to standard output; both are pickled, one after the other. It is
a process of its own, because Ray ends the one that is connected to it when the cluster's head is lost. It
ends with its standard input, and its tasks end with it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from lerobot_recorder.encoding import ray_task
from lerobot_recorder.encoding.job import Job
from lerobot_recorder.encoding.pool import ATTEMPTS
from lerobot_recorder.encoding.worker import claim_stdout
from lerobot_recorder.errors import ConfigError, RecorderError, WorkerError, explained

VISIT_S = 60.0
"""Longest time for the check of all nodes, which have to start a process for it."""

_OBJECT_STORE_BYTES = 80 * 2**20
"""Memory of a cluster on this computer for objects; results take a few kilobytes."""

_REACH_S = 3.0
"""Longest time to reach the head of a cluster of this computer."""

Send = Callable[[int, Any], None]
"""Sends the answer to a request: a result, or an error."""


def main() -> None:
    """Connect to the cluster whose address is the first argument, and serve until standard input ends.

    The second argument is the number of cores of a new cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    send = _sender(claim_stdout())
    address, cores = sys.argv[1], int(sys.argv[2])
    try:
        client = _Client(_connected(address, cores), send)
    except Exception as error:
        remedy = "check that its head runs, and that RAY_AUTH_MODE is the same as there"
        send(0, WorkerError(f"cannot connect to the Ray cluster at {address}: {_line(error)}; {remedy}"))
        return
    send(0, None)
    with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            client.serve(*pickle.load(sys.stdin.buffer))
    client.close()


def _sender(answers: BinaryIO) -> Send:
    lock = threading.Lock()

    def send(number: int, answer: Any) -> None:
        with lock, contextlib.suppress(BrokenPipeError):
            pickle.dump((number, answer), answers)
            answers.flush()

    return send


def _connected(address: str, cores: int) -> Any:
    """Connect to a cluster, or start one on this computer, and return the module ``ray``."""
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == "auto" and _has_ended():
            raise ConnectionError
        ray.init(address=address, **quiet)
    except ConnectionError:
        if address != "auto":
            raise
        ray.init(
            address="local",
            num_cpus=cores,
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            **quiet,
        )
    return ray


def _has_ended() -> bool:
    """Return whether the last cluster of this computer was killed: Ray would wait minutes for it."""
    noted = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
    if "RAY_ADDRESS" in os.environ or not noted.is_file():
        return False
    host, _, port = noted.read_text().strip().rpartition(":")
    try:
        socket.create_connection((host, int(port)), _REACH_S).close()
    except (OSError, ValueError):
        return True
    return False


class _Client:
    """Turns requests into Ray tasks."""

    def __init__(self, ray: Any, send: Send) -> None:
        self._ray = ray
        self._send = send
        self._tasks: dict[int, Any] = {}
        self._run = ray.remote(
            num_cpus=1, max_retries=ATTEMPTS - 1, retry_exceptions=[ray_task.PassingError]
        )(ray_task.run)
        self._visit = ray.remote(num_cpus=0, max_retries=0)(ray_task.visit)

    def serve(self, number: int, request: str, *given: Any) -> None:
        """Serve a request; its answer is sent later."""
        if request == "run":
            self._start(number, *given)
        elif request == "visit":
            threading.Thread(target=self._answer_visit, args=(number, *given), daemon=True).start()
        elif request == "cancel" and (task := self._tasks.get(given[0])) is not None:
            self._ray.cancel(task)

    def close(self) -> None:
        """End the tasks, and the cluster if it was started here."""
        self._ray.shutdown()

    def _start(self, number: int, job: Job, nice: int) -> None:
        task = self._run.remote(job, nice, ray_task.installed())
        self._tasks[number] = task
        task.future().add_done_callback(partial(self._end, number, job))

    def _end(self, number: int, job: Job, done: Future[Any]) -> None:
        self._tasks.pop(number, None)
        error = done.exception()
        self._send(number, done.result() if error is None else _translated(error, job))

    def _answer_visit(self, number: int, folder: Path) -> None:
        try:
            self._send(number, self._visit_all(folder))
        except RecorderError as error:
            self._send(number, error)
        except Exception as error:
            self._send(number, WorkerError(f"cannot check the nodes of the Ray cluster: {_line(error)}"))

    def _visit_all(self, folder: Path) -> int:
        """Check that all nodes share a directory with this computer, and return the number of their CPUs.

        Raises:
            ConfigError: a node cannot encode what is in it.
            WorkerError: there is no node with a CPU.
        """
        nodes = self._nodes()
        for node_id, node in nodes.items():
            if found := self._fault(node_id, folder):
                raise ConfigError(
                    f"node {node['NodeManagerAddress']} of the Ray cluster cannot encode: {found}; all nodes "
                    "need the dataset's filesystem at the same path, and the same versions"
                )
        if not nodes:
            raise WorkerError("no node of the Ray cluster has a CPU: start one with ray start")
        return int(sum(node["Resources"]["CPU"] for node in nodes.values()))

    def _nodes(self) -> dict[str, Any]:
        nodes = self._ray.nodes()
        return {node["NodeID"]: node for node in nodes if node["Alive"] and node["Resources"].get("CPU")}

    def _fault(self, node_id: str, folder: Path) -> str:
        """Return why a node cannot encode what is in a directory; empty if it can, or has left."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        on_node = self._visit.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False))
        marker = folder / f".shared-{os.urandom(4).hex()}"
        seen = marker.with_name(f"{marker.name}-seen")
        try:
            marker.write_bytes(b"")
            task = on_node.remote(folder, marker.name, ray_task.installed())
            found = str(self._ray.get(task, timeout=VISIT_S))
            return found or ("" if seen.exists() else f"its {folder} is not the one of this computer")
        except self._ray.exceptions.RayTaskError as error:
            return f"lerobot_recorder does not run there: {_line(error.cause or error)}"
        except self._ray.exceptions.RayError:
            if node_id in self._nodes():
                raise
            return ""
        finally:
            for path in (marker, seen):
                path.unlink(missing_ok=True)


def _translated(error: BaseException, job: Job) -> RecorderError:
    """Return why a job failed: it will pass, unless the job itself says otherwise."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, ray_task.PassingError):
        return cause.error
    what = f"{job.key} of episode {job.episode.name}"
    return WorkerError(f"the Ray cluster could not encode {what}: {_line(error)}")


def _line(error: BaseException) -> str:
    """Return the first line of an error: Ray's have pages."""
    return explained(error).strip().partition("\n")[0]


if __name__ == "__main__":
    main()

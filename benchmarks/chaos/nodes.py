"""The three nodes as processes: started, killed, watched."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from lerobot_recorder.encoding import EncoderStatus
from lerobot_recorder.recording import RecorderStatus
from lerobot_recorder.status import from_json

NAMES = ("hardware", "recorder", "encoder")

# Not by a `preexec_fn`: the fork that it needs hangs when another thread has converted a frame of a video.
_DIES_WITH_STARTER = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
_STARTER = ThreadPoolExecutor(1)
"""Its thread starts all nodes: they are killed when it ends."""
_POLL_S = 0.05


class StuckError(Exception):
    """Something has not come to an end, or has ended by itself."""


def wait_for(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Wait until something holds, and return what is true of it.

    Raises:
        StuckError: it takes too long.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise StuckError(f"{what}: not within {timeout_s:g} s")
        time.sleep(_POLL_S)
    return found


_LOST_ANSWER = "client will not receive response"  # a warning of rclpy


class NodeProcess:
    """One node, in its own session.

    Attributes:
        name: of the node.
        label: its name in the graph, which no other process has had.
        status: the last one that it published, and when on the monotonic clock; empty before the first.
        killed: whether it was asked to end.
    """

    def __init__(
        self, name: str, label: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name, self.label = name, label
        self.status: RecorderStatus | EncoderStatus | None = None
        self.status_s = self.started_s = time.monotonic()
        self.killed = False
        self._log = log
        with log.open("a") as lines:
            lines.write(f"--- {label} starts\n")
            lines.flush()
            command = [*_DIES_WITH_STARTER, sys.executable, "-m", f"lerobot_recorder.nodes.{name}"]
            self._process = _STARTER.submit(
                subprocess.Popen,
                [*command, *arguments, "-r", f"__node:={label}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=lines,
                env={**environment, "LEROBOT_RECORDER_EVENTS": "1"},
                start_new_session=True,
                text=True,
                errors="replace",
            ).result()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process, and its session."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def count_lost_answers(self) -> int:
        """Count the answers that the round's nodes could not send: DDS had not yet found the client."""
        return self._log.read_text(errors="replace").count(_LOST_ANSWER)

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal that ends it."""
        self.killed = True
        if self.running:
            self._process.send_signal(number)

    def kill_session(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it started."""
        self.killed = True
        for pid in self.session():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def join(self, timeout_s: float) -> None:
        """Wait for its end, and for the end of all that it started.

        Raises:
            StuckError: it does not end, or leaves processes behind.
        """
        wait_for(lambda: not self.running, timeout_s, f"{self.label} was asked to end")
        wait_for(lambda: not self.session(), 20.0, f"processes that {self.label} started have not ended")
        self._reader.join(5.0)

    def session(self) -> list[int]:
        """List the living processes of its session."""
        pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        return [pid for pid in pids if _session(pid) == self.pid]

    def descriptors(self) -> int:
        """Count its open files."""
        try:
            return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())
        except OSError:
            return 0

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                news = json.loads(line)
            except ValueError:
                continue
            if "status" in news:
                kind = EncoderStatus if self.name == "encoder" else RecorderStatus
                self.status, self.status_s = from_json(kind, news["status"]), time.monotonic()


def _session(pid: int) -> int | None:
    """Return the session of a process, None for one that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return int(fields[3]) if fields[0] != "Z" else None


def shared_memory() -> set[Path]:
    """List the segments of shared memory that Fast DDS has made, of all processes."""
    return set(Path("/dev/shm").glob("fastdds_*"))


def remove_left_memory(before: set[Path]) -> None:
    """Remove the segments that have come since, and whose processes were killed: nobody holds their locks."""
    for lock in shared_memory() - before:
        if not lock.name.endswith("_el"):
            continue
        with suppress(OSError), lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.with_name(lock.name.removesuffix("_el")).unlink(missing_ok=True)
            lock.unlink()


def ros_arguments(parameters: Mapping[str, object]) -> list[str]:
    """Return the command line that sets parameters."""
    arguments = ["--ros-args"]
    for key, value in parameters.items():
        text = f"'{value}'" if isinstance(value, str) else json.dumps(value)
        arguments += ["-p", f"{key}:={text}"]
    return arguments

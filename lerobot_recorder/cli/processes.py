"""Runs nodes as processes, reads their output line by line, and ends them."""

from __future__ import annotations

import json
import os
import queue
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.launching import PARENT_VARIABLE, profile_environment
from lerobot_recorder.recording import TERMINAL_VARIABLE
from lerobot_recorder.shipped import shipped_config

_LAST_DOMAIN = 101  # above it, a domain's ports overlap with the ephemeral ports of Linux
_LINES_KEPT = 20
_NAMESPACE = re.compile(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
HELD = "LEROBOT_RECORDER_HELD"  # makes a node wait for a byte on its standard input before it opens a device
_EVENTS = "LEROBOT_RECORDER_EVENTS"  # makes nodes print their statuses as JSON and read service calls


@dataclass(frozen=True)
class NodeOutput:
    """A line that a node printed, to its log or as JSON for the process that started it."""

    node: str
    line: str
    is_log: bool


@dataclass(frozen=True)
class NodeEnded:
    """A node's process has ended with this exit status; a negative one is the signal that ended it."""

    node: str
    status: int


class NodeProcess:
    """One node in its own process and session, so that a Ctrl-C reaches it only through ``interrupt``.

    Its output and its end are put into ``events``. It stops when the process that started it dies.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        events: queue.SimpleQueue[object],
    ) -> None:
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._events = events
        # No preexec_fn: the fork that it needs hangs if another thread has converted a video frame.
        with _interruptions_blocked():  # the node inherits this, and unblocks them when it can handle them
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"lerobot_recorder.nodes.{name}", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment, _EVENTS: "1", PARENT_VARIABLE: str(os.getpid())},
                text=True,
                errors="replace",
                start_new_session=True,
            )
        readers = [
            threading.Thread(target=self._read, args=(self._process.stdout, False), daemon=True),
            threading.Thread(target=self._read, args=(self._process.stderr, True), daemon=True),
        ]
        for reader in readers:
            reader.start()
        self._watcher = threading.Thread(target=self._await_end, args=(readers,), daemon=True)
        self._watcher.start()

    @property
    def running(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def send(self, line: str) -> None:
        """Write a line to the node's standard input; does nothing if the node has ended."""
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return

    def close_input(self) -> None:
        """Close the node's standard input."""
        try:
            assert self._process.stdin is not None
            self._process.stdin.close()
        except BrokenPipeError:
            return

    def interrupt(self) -> None:
        """Ask the node to stop, as Ctrl-C does."""
        if self.running:
            self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Ask the node to stop at once and leave its remaining work."""
        if self.running:
            self._process.terminate()

    def end(self, grace_s: float) -> None:
        """End the node and all processes that it started, after its last events are in the queue.

        Args:
            grace_s: grace period after a SIGINT, and again after a SIGTERM, in seconds
        """
        for ask in (signal.SIGINT, signal.SIGTERM):
            if not self.running:
                break
            self._process.send_signal(ask)
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                continue
        self._kill_session()
        self._watcher.join()
        self.close_input()

    def _kill_session(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _read(self, stream: IO[str], is_log: bool) -> None:
        with stream:
            for line in stream:
                text = line.rstrip()
                if is_log:
                    self.last_lines.append(text)
                self._events.put(NodeOutput(self.name, text, is_log))

    def _await_end(self, readers: Sequence[threading.Thread]) -> None:
        status = self._process.wait()
        for reader in readers:  # a child of the node may hold the pipes open
            reader.join(timeout=0.5)
        self._events.put(NodeEnded(self.name, status))


def require_ros() -> None:
    """Check that ROS 2 can be imported.

    Raises:
        ConfigError: it cannot
    """
    if find_spec("rclpy") is None:
        raise ConfigError(
            "this Python has no ROS 2: source the setup file of a ROS 2 installation, or install one from "
            "PyPI as described under Install in the README"
        )


def node_arguments(values: Mapping[str, object], namespace: str = "", *files: Path) -> list[str]:
    """Return the command line of a node.

    Args:
        values: parameters by name; None leaves a parameter as it is
        namespace: namespace of the node; empty for none
        files: parameter files, which the values override

    Raises:
        ConfigError: the namespace is invalid
    """
    name = namespace.strip("/")
    if name and not _NAMESPACE.fullmatch(name):
        raise ConfigError(
            f"--namespace {name}: expected letters, digits and _, not starting with a digit, "
            "for example left or robots/left"
        )
    arguments = ["--ros-args", *(["-r", f"__ns:=/{name}"] if name else [])]
    for file in files:
        arguments += ["--params-file", str(file)]
    return arguments + assignments(values)


def assignments(values: Mapping[str, object]) -> list[str]:
    """Return the arguments that set parameters; None leaves a parameter as it is."""
    # The quotes of JSON keep a text from being read as another type.
    texts = {
        name: json.dumps(value, ensure_ascii=False) for name, value in values.items() if value is not None
    }
    return [argument for name, text in texts.items() for argument in ("-p", f"{name}:={text}")]


def node_environment(*, isolated: bool) -> dict[str, str]:
    """Return the environment of the nodes.

    Args:
        isolated: use only the loopback interface and, unless ROS_DOMAIN_ID is set, a domain that is unused on
            this computer, so that the nodes neither see nor disturb other sessions
    """
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    with suppress(OSError, ValueError, AttributeError):  # no terminal, or a container's without a name
        # The nodes have sessions of their own, so without this they have no bell.
        environment.setdefault(TERMINAL_VARIABLE, os.ttyname(sys.stdout.fileno()))
    environment |= profile_environment(environment, shipped_config("fastdds.xml"))
    if isolated:
        environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        environment.setdefault("ROS_LOCALHOST_ONLY", "1")
        environment.setdefault("ROS_DOMAIN_ID", str(_unused_domain()))
    return environment


def _unused_domain() -> int:
    domains = random.sample(range(1, _LAST_DOMAIN + 1), _LAST_DOMAIN)
    return next((domain for domain in domains if _is_unused(domain)), domains[0])


def _is_unused(domain: int) -> bool:
    """Return whether no participant of the domain listens here, by its port (RTPS specification, 9.6.2.3)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", 7400 + 250 * domain + 10))
        except OSError:
            return False
    return True


@contextmanager
def _interruptions_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

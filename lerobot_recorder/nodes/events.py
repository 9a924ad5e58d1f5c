"""Status topics, diagnostics, and the pipes to the process that started the node.

If that process sets ``LEROBOT_RECORDER_EVENTS``, the node writes its statuses to standard output and reads
service calls from standard input, each as a line of JSON::

    {"from": "recorder", "status": {"state": "idle", ...}}
    {"call": "start_episode"}
    {"call": "mark_success", "data": true}
    {"set": "task", "data": "Open the drawer"}
    {"from": "recorder", "answer": {"call": "start_episode", "success": true, "message": "..."}}
    {"from": "dashboard", "code": {"link": "http://...", "lines": ["█▀▀ ...", ...]}}

The node `console` writes what other nodes publish and log, and its calls name a node::

    {"from": "recorder", "log": {"level": "WARN", "text": "the take of episode 3 is rejected: ..."}}
    {"to": "recorder", "call": "start_episode"}

If it also sets ``LEROBOT_RECORDER_HELD``, the node waits for one byte on standard input before it opens a
device.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.status import to_json

_REQUESTED = "LEROBOT_RECORDER_EVENTS"
_HELD = "LEROBOT_RECORDER_HELD"
_STDIN, _STDOUT = 0, 1
_LAST_EVENTS_S = 2.0
_LONGEST_LINE = 10_000
_LOOK_S = 0.1
_DELIVERY_S = 1.0


class ParentEvents:
    """Writes lines in its own thread: the node does not wait for a parent that does not read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="events", daemon=True)
        self._thread.start()

    def write(self, node: str, kind: str, content: Mapping[str, Any]) -> None:
        """Write an event of a node."""
        self._lines.put(json.dumps({"from": node, kind: content}) + "\n")

    def close(self) -> None:
        """Wait a moment until everything is written."""
        self._lines.put(None)
        self._thread.join(_LAST_EVENTS_S)

    def _write(self) -> None:
        with suppress(OSError):  # the parent is gone
            while (line := self._lines.get()) is not None:
                os.write(self._descriptor, line.encode())


@cache
def parent_events() -> ParentEvents | None:
    """Return where to write events; None if the parent process has not requested them."""
    if not os.environ.get(_REQUESTED):
        return None
    events = ParentEvents(_STDOUT)
    atexit.register(events.close)
    return events


def released(is_stopped: Callable[[], bool]) -> bool:
    """Wait until the parent process lets a held node begin; return whether the node may begin."""
    if not os.environ.get(_HELD):
        return True
    while not is_stopped():
        if select.select([_STDIN], [], [], _LOOK_S)[0]:
            return bool(os.read(_STDIN, 1))
    return False


def read_commands(handle: Callable[[bytes], object], descriptor: int = _STDIN) -> None:
    """Pass the lines of a parent process that requested events to ``handle``, in another thread."""
    if os.environ.get(_REQUESTED):
        threading.Thread(target=_read, args=(handle, descriptor), name="commands", daemon=True).start()


def _read(handle: Callable[[bytes], object], descriptor: int) -> None:
    with suppress(OSError):  # standard input is closed
        for line in _lines(descriptor):
            handle(line)


def _lines(descriptor: int) -> Iterator[bytes]:
    """Read lines, without the buffer of `sys.stdin`: a daemon thread would hold its lock at exit."""
    rest = b""
    while content := os.read(descriptor, _LONGEST_LINE):
        *lines, rest = (rest + content).split(b"\n")
        yield from lines
        rest = rest[-_LONGEST_LINE:]


def latched(depth: int) -> QoSProfile:
    """Return the QoS of topics whose last messages late subscribers receive."""
    return QoSProfile(
        depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
    )


class StatusTopic:
    """A latched topic of statuses as JSON; the parent process gets them too if it requested events."""

    def __init__(self, node: Node, topic: str, depth: int) -> None:
        self._publisher = node.create_publisher(String, topic, latched(depth))
        self._node, self._kind = node.get_name(), topic.rpartition("/")[2]

    def publish(self, status: Any) -> None:
        """Publish a status, a dataclass that `to_json` accepts."""
        content = to_json(status)
        self._publisher.publish(String(data=json.dumps(content)))
        if events := parent_events():
            events.write(self._node, self._kind, content)

    def deliver(self) -> None:
        """Wait a moment until all subscribers have what was published: it is lost when the node ends."""
        self._publisher.wait_for_all_acked(Duration(seconds=_DELIVERY_S))


Diagnostic = tuple[str, int, str, Mapping[str, Any]]
"""Name of the part, level (0 to 2), message and values."""

_LEVELS = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR)


class Diagnostics:
    """A node's part of ``/diagnostics``."""

    def __init__(self, node: GuardedNode, hardware: Mapping[str, str] | None = None) -> None:
        """Create the publisher.

        Args:
            node: the node.
            hardware: device of each part by name; other parts are of this computer.
        """
        self._node = node
        self._hardware = hardware or {}
        self._computer = socket.gethostname()
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._prefix = node.get_fully_qualified_name().lstrip("/")

    def publish(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Publish diagnostics and the faults of callbacks."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [
            DiagnosticStatus(
                name=f"{self._prefix}: {name}",
                level=_LEVELS[level],
                message=text,
                hardware_id=self._hardware.get(name, self._computer),
                values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
            )
            for name, level, text, values in (*diagnostics, *self._node.faults.diagnostics())
        ]
        self._publisher.publish(message)

"""Starts and stops a node: its executor, the signals that stop it, and its exit status."""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import ClassVar

import rclpy
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.launching import PARENT_VARIABLE
from lerobot_recorder.nodes.events import parent_events, read_commands, released
from lerobot_recorder.nodes.guard import GuardedExecutor, GuardedNode
from lerobot_recorder.nodes.process import save_cpu
from lerobot_recorder.nodes.services import Services
from lerobot_recorder.parameter_files import check_files, files_in, full_name, without_files

CORE = "lerobot_recorder"
_PR_SET_PDEATHSIG = 1
_UNREADABLE = re.compile(r"parse parameter override rule: '(.*)'\. Error", re.DOTALL)


class NodeLog(logging.Handler):
    """Passes records on to a logger of ROS.

    Attributes:
        log: the logger; only a node's own logger also publishes on ``/rosout``.
    """

    def __init__(self, log: RcutilsLogger) -> None:
        super().__init__(logging.INFO)
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        text = self.format(record)
        # One line for each level: ROS's logger accepts one level per line of code.
        if record.levelno >= logging.ERROR:
            self.log.error(text)
        elif record.levelno >= logging.WARNING:
            self.log.warning(text)
        else:
            self.log.info(text)


@contextmanager
def forwarded_logs() -> Iterator[NodeLog]:
    """Forward the core's log to ROS while the context is open."""
    core, handler = logging.getLogger(CORE), NodeLog(get_logger(CORE))
    core.addHandler(handler)
    core.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        core.removeHandler(handler)


SPIN_S = 0.1
"""How soon a signal is noticed."""

DISCOVERY_S = 5.0
"""How long nodes may take to find each other's topics and services.

Fast DDS repeats a lost announcement after 3 s, and jazzy's often needs that.
"""

_LEAVING_S = 20.0
"""How long a node that has closed its files may take to leave the graph."""

_SENDING_S = 0.2
"""How long publisher and subscriber take to accept each other, and a message between them."""

_ECHO_S = 1.0  # under `ros2 launch`, one Ctrl-C arrives twice


class ManagedNode(GuardedNode):
    """A node that `run` starts and stops.

    Attributes:
        latest: the node of this process; also if it could not be completed.
        failure: why it ends before its work is done; None if nothing is wrong.
        own_services: the services that it offers.
    """

    latest: ClassVar[ManagedNode | None] = None

    def __init__(self, name: str) -> None:
        super().__init__(name)
        ManagedNode.latest = self
        self.failure: RecorderError | None = None
        self.own_services = Services(self)
        self._stopping = False

    async def command(self, line: bytes) -> None:
        """Do what a line of the parent process asks for."""
        self.own_services.call(line)

    def finished(self) -> bool:
        """Return whether the node has nothing left to do."""
        return False

    def stop(self) -> None:
        """Begin to stop, after the first signal; return at once."""
        self._stopping = True

    def stop_now(self) -> None:
        """Leave the remaining work undone, after a second signal; return at once."""

    def stopped(self) -> bool:
        """Return whether the node has stopped."""
        return self._stopping

    def close(self) -> None:
        """Release everything."""


class Signals:
    """Counts signals as requests to stop, but not the same signal twice within a second."""

    def __init__(self) -> None:
        self.stop_requests = 0
        self._last: tuple[int, float] = (0, 0.0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):  # shells ignore some in the background
            signal.signal(number, self._note)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it
            signal.signal(signal.SIGHUP, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        before, at = self._last
        now = time.monotonic()
        if self.stop_requests == 0 or number != before or now - at > _ECHO_S:
            self.stop_requests += 1
        self._last = (number, now)


class Parent:
    """The process that started the node, if it requests that the node ends with it."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._is_gone = False

    def watch(self) -> None:
        """Let the kernel interrupt this process when its parent dies, if the parent requests it."""
        if (requested := os.environ.get(PARENT_VARIABLE)) is None:
            return
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        self._number = os.getppid()
        if not _runs(requested):  # it died before the call
            self._is_gone = True
            signal.raise_signal(signal.SIGINT)

    @property
    def is_gone(self) -> bool:
        """Whether it has ended."""
        return self._is_gone or self._number not in (None, os.getppid())


def _runs(process: str) -> bool:
    """Return whether a process runs; it need not be the parent: a debugger may be between the two."""
    try:
        status = Path("/proc", process, "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def run(make: Callable[[], ManagedNode], name: str) -> int:
    """Run a node until it has finished or a signal stops it.

    Args:
        make: creates the node.
        name: name of the node, unless its command line changes it.

    Returns:
        The exit status: 0, or 1 if the node could not be created or failed; the reason is in its log.
    """
    signals, parent = Signals(), Parent()
    parent.watch()
    save_cpu()
    refused = _refused_files(name)
    try:
        arguments = without_files(sys.argv) if refused else sys.argv
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # without ROS, there is no log of ROS
        print(f"error: {_why_no_ros(str(error))}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    with forwarded_logs() as logs:
        return _failed(refused, name) if refused else _live(make, name, signals, parent, logs)


def _why_no_ros(error: str) -> str:
    """Return why ROS cannot start; its own message on an unreadable parameter names lines of its code."""
    if (rule := _UNREADABLE.search(error)) is None:
        return f"ROS 2 cannot start: {error}"
    return (
        f"ROS cannot read {rule[1]}: expected a number, a text or a list of values of one type after :=, "
        "with quotes around texts that have a colon, for example -p \"joy_buttons:=['0:save_episode']\""
    )


def _refused_files(name: str) -> str:
    """Return why the parameter files cannot be used; empty if they can."""
    try:
        check_files(files_in(sys.argv), [full_name(name, sys.argv)])
    except ConfigError as error:
        return str(error)
    return ""


def _live(make: Callable[[], ManagedNode], name: str, signals: Signals, parent: Parent, logs: NodeLog) -> int:
    node = executor = None
    try:
        if not released(lambda: signals.stop_requests > 0):
            return 0
        node = make()
        logs.log = node.get_logger()
        executor = GuardedExecutor(node)
        node.own_services.serve()
        read_commands(partial(executor.create_task, node.command))
        _spin(node, executor, signals, parent)
        if node.failure is not None:
            raise node.failure
    except RecorderError as error:
        return _failed(str(error), name)
    except Exception as error:
        traceback.print_exc()
        return _failed(f"unexpected {type(error).__name__}: {error}", name)
    finally:
        if node is not None:
            node.own_services.close()
            node.close()
        with _end_at_any_rate(_LEAVING_S):
            if node is not None:
                node.destroy_node()
            if executor is not None:
                executor.shutdown()
            rclpy.try_shutdown()
    return 0


@contextmanager
def _end_at_any_rate(patience_s: float) -> Iterator[None]:
    """End the process, with status 1, if the block takes longer; nothing else is left to do.

    On a busy computer, Fast DDS can loop for ever when it removes a node, with Python's lock held: neither
    another thread nor the handler of a signal runs then.
    """
    with Path(os.devnull).open("w", encoding="ascii") as nowhere:
        faulthandler.dump_traceback_later(patience_s, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _failed(reason: str, name: str) -> int:
    """Log why a node ends: on standard error, in its log file, and on ``/rosout``."""
    node = ManagedNode.latest or Node(name)  # one that could not be completed can log, too
    heard = parent_events() is None and _has_listeners(node)  # such a parent reads standard error
    node.get_logger().fatal(reason)
    time.sleep(_SENDING_S if heard else 0)
    return 1


def _has_listeners(node: Node) -> bool:
    """Return whether somebody subscribes to ``/rosout``, after both sides had time to find each other."""
    deadline = time.monotonic() + DISCOVERY_S
    while not node.count_subscribers("/rosout"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    time.sleep(_SENDING_S)
    return True


def _spin(node: ManagedNode, executor: GuardedExecutor, signals: Signals, parent: Parent) -> None:
    answered = 0
    while not node.stopped():
        executor.spin_once(timeout_sec=SPIN_S)
        if answered < 1 and (signals.stop_requests or node.finished()):
            node.stop()
            answered = 1
        elif answered == 1 and (signals.stop_requests >= 2 or parent.is_gone):
            node.stop_now()
            answered = 2

"""Keeps nodes running: every callback of every node is called here, and its exceptions are caught."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import (
    ConditionReachedException,
    ShutdownException,
    SingleThreadedExecutor,
    TimeoutException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from lerobot_recorder.errors import RecorderError
from lerobot_recorder.excerpt import excerpt

_LONGEST_TRACE = 2000
_LOG_AGAIN_S = 10.0
_WARN_S = 10.0
"""How long diagnostics warn after a fault."""

_PLACES = ("topic_name", "srv_name")


class CallbackFaults:
    """Counts the exceptions that callbacks raise, and logs them at a limited rate."""

    def __init__(self, node: Node) -> None:
        self._logger = node.get_logger()
        self._lock = threading.Lock()
        self._count = 0
        self._noted_s = self._logged_s = float("-inf")
        self._last = ""

    def note(self, where: str, error: BaseException) -> None:
        """Count a fault, and log it with its traceback unless one was logged in the last 10 seconds.

        Args:
            where: the topic or service.
            error: the exception.
        """
        now_s = time.monotonic()
        with self._lock:
            self._count += 1
            self._noted_s = now_s
            self._last = f"{where}: {type(error).__name__}: {excerpt(error)}"
            if now_s - self._logged_s < _LOG_AGAIN_S:
                return
            self._logged_s = now_s
        self._logger.error(f"{self._last}. The node continues ({self._count} faults so far).{_trace(error)}")

    def diagnostics(self) -> list[tuple[str, int, str, Mapping[str, Any]]]:
        """Return the diagnostics: none before the first fault, a warning for a while after each."""
        with self._lock:
            if not self._count:
                return []
            level = int(time.monotonic() - self._noted_s < _WARN_S)
            return [("callbacks", level, self._last, {"faults": self._count})]


Setter = Callable[[list["Parameter[Any]"], Callable[..., SetParametersResult]], SetParametersResult]


class GuardedNode(Node):
    """A node that counts the exceptions of its callbacks.

    Attributes:
        faults: the exceptions so far.
        turn: held while a callback runs that uses the node's state, so that one runs at a time.
        setter: sets parameters for all callers, by calling its second argument; None: as rclpy does.
    """

    setter: Setter | None = None

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.faults = CallbackFaults(self)
        self.turn = threading.RLock()

    def set_parameters_atomically(self, parameter_list: list[Parameter[Any]]) -> SetParametersResult:
        """Set parameters: rclpy's services call this method."""
        if self.setter is None:
            return super().set_parameters_atomically(parameter_list)
        return self.setter(parameter_list, super().set_parameters_atomically)


class GuardedExecutor(SingleThreadedExecutor):
    """Calls the callbacks of one node, and continues when one raises an exception.

    It does so for everything that rclpy calls: subscriptions, timers, services, clients and rclpy's own
    callbacks, for example for parameters. No callback needs its own guard.
    """

    def __init__(self, node: GuardedNode) -> None:
        super().__init__(context=node.context)
        self._faults = node.faults
        self._turn = node.turn
        self.add_node(node)

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for one callback and call it.

        Raises:
            ExternalShutdownException: the context was shut down.
        """
        try:
            task, entity, _ = self.wait_for_ready_callbacks(timeout_sec)
        except (ShutdownException, TimeoutException, ConditionReachedException):
            return
        with self._turn:
            task()
        if (error := task.exception()) is not None:
            _release(entity)
            self._faults.note(place_of(entity), error)


def _trace(error: BaseException) -> str:
    """Return the traceback, except for errors whose message is enough."""
    if isinstance(error, RecorderError):
        return ""
    return "\n" + excerpt("".join(traceback.format_exception(error, limit=-5, chain=False)), _LONGEST_TRACE)


def _release(entity: Any) -> None:
    """Release what rclpy keeps locked if taking a message fails."""
    if entity is not None and entity._executor_event:  # noqa: SLF001 - no public way
        entity._executor_event = False  # noqa: SLF001
        entity.callback_group.ending_execution(entity)


def place_of(entity: Any) -> str:
    """Return what a callback belongs to: a topic, a service, or else the kind of thing."""
    named = (getattr(entity, name) for name in _PLACES if hasattr(entity, name))
    return next(named, type(entity).__name__.lower())

"""Receives messages and requests in a thread of its own: rclpy's executor needs too much time for them.

For each of them, an executor builds several sets of everything that a node has: timers, services, events.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.service import Service
from rclpy.subscription import Subscription

from lerobot_recorder.nodes.guard import GuardedNode, place_of

_RETRY_S = 0.1

Source: TypeAlias = "Subscription[Any] | Service[Any, Any]"


class NotByExecutor(CallbackGroup):
    """Keeps services, and subscriptions and their events, from the executor.

    With Fast DDS, each message would wake an executor that waits for events.
    """

    def can_execute(self, entity: Any) -> bool:  # noqa: ARG002
        """Return whether the executor may call it: never."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Return whether the executor may call it: never."""
        return self.can_execute(entity)

    def ending_execution(self, entity: Any) -> None:
        """Do nothing."""


class Receiver:
    """Calls the callbacks of its subscriptions, and of its services, in one thread.

    They take a message and its info, or a request and the header that its response needs. Events of the
    middleware wait until `take_events` is called. What a callback raises is a fault of the node.

    Attributes:
        group: callback group that its subscriptions and services must have
    """

    def __init__(self, node: GuardedNode, name: str = "receiver") -> None:
        """Prepare to receive; the thread, of that name, starts with the first subscription or service."""
        self.group = NotByExecutor()
        self._node = node
        self._name = name
        self._sources: tuple[Source, ...] = ()
        self._changed = GuardCondition(None, None, node.context)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, source: Source) -> None:
        """Receive the messages of a subscription, or the requests of a service."""
        self._sources = (*self._sources, source)
        self._changed.trigger()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def remove(self, source: Source) -> None:
        """Receive nothing more from a subscription or service."""
        self._sources = tuple(each for each in self._sources if each is not source)
        self._changed.trigger()

    def take_events(self) -> None:
        """Call the callbacks of events, such as lost messages, that have occurred since the last call."""
        subscriptions = (each for each in self._sources if isinstance(each, Subscription))
        handlers = [handler for each in subscriptions for handler in each.event_handlers]
        if not handlers:
            return
        context: Any = self._node.context.handle
        with ExitStack() as stack:
            stack.enter_context(context)
            for handler in handlers:
                stack.enter_context(handler)
            wait_set = _rclpy.WaitSet(0, 0, 0, 0, 0, len(handlers), context)
            wait_set.clear_entities()
            for handler in handlers:
                handler.add_to_wait_set(wait_set)
            wait_set.wait(0)
            for handler in handlers:
                if handler.is_ready(wait_set) and (event := handler.take_data()) is not None:
                    handler.callback(event)

    def close(self) -> None:
        """End the thread; a second call does nothing."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._changed.trigger()
        if self._thread is not None:
            self._thread.join()
        self._changed.destroy()

    def _run(self) -> None:
        while not self._stopped.is_set():
            sources = self._sources
            try:
                with self._entered(sources) as wait_set:
                    while sources is self._sources and not self._stopped.is_set():
                        self._receive(wait_set, sources)
            except (InvalidHandle, _rclpy.RCLError) as error:
                self._node.faults.note("receiving", error)
                self._stopped.wait(_RETRY_S)

    @contextmanager
    def _entered(self, sources: Sequence[Source]) -> Iterator[Any]:
        """Keep everything that is waited for from being destroyed, and return a set to wait with."""
        context: Any = self._node.context.handle
        with ExitStack() as stack:
            stack.enter_context(context)
            stack.enter_context(self._changed.handle)
            for each in sources:
                stack.enter_context(each.handle)
            services = sum(isinstance(each, Service) for each in sources)
            yield _rclpy.WaitSet(len(sources) - services, 1, 0, 0, services, 0, context)

    def _receive(self, wait_set: Any, sources: Sequence[Source]) -> None:
        """Wait for messages and requests, and take one of each source that has any."""
        wait_set.clear_entities()
        for each in sources:
            add = wait_set.add_service if isinstance(each, Service) else wait_set.add_subscription
            add(each.handle)
        wait_set.add_guard_condition(self._changed.handle)
        wait_set.wait(-1)
        ready = {*wait_set.get_ready_entities("subscription"), *wait_set.get_ready_entities("service")}
        for each in sources:
            if each.handle.pointer in ready:
                self._take(each)

    def _take(self, source: Source) -> None:
        callback: Callable[..., None] = source.callback
        try:
            if (received := _taken(source)) is not None:
                callback(*received)
        except Exception as error:  # neither a damaged message nor a callback may end the thread
            self._node.faults.note(place_of(source), error)


def _taken(source: Source) -> tuple[Any, Any] | None:
    """Return a message and its info, or a request and its header; None if there is none."""
    if not isinstance(source, Service):
        message: tuple[Any, Any] | None = source.handle.take_message(source.msg_type, False)
        return message
    request, header = source.handle.service_take_request(source.srv_type.Request)
    return None if header is None else (request, header)

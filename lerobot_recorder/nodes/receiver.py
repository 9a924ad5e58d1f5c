"""Receives messages in a thread of its own, because rclpy's executor needs more CPU time than they are worth.

For each message an executor builds two sets of everything that a node has: timers, services, events.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.subscription import Subscription

from lerobot_recorder.nodes.guard import GuardedNode

_RETRY_S = 0.1


class NotByExecutor(CallbackGroup):
    """Keeps subscriptions and their events from the executor.

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
    """Calls the callbacks of its subscriptions, which take a message and its info, in one thread.

    Events of the middleware wait until `take_events` is called. What a message's callback raises is a fault
    of the node.

    Attributes:
        group: callback group that its subscriptions must have
    """

    def __init__(self, node: GuardedNode) -> None:
        """Prepare to receive; the thread starts with the first subscription."""
        self.group = NotByExecutor()
        self._node = node
        self._subscriptions: tuple[Subscription[Any], ...] = ()
        self._changed = GuardCondition(None, None, node.context)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, subscription: Subscription[Any]) -> None:
        """Receive the messages of a subscription."""
        self._subscriptions = (*self._subscriptions, subscription)
        self._changed.trigger()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
            self._thread.start()

    def remove(self, subscription: Subscription[Any]) -> None:
        """Receive no more messages of a subscription."""
        self._subscriptions = tuple(each for each in self._subscriptions if each is not subscription)
        self._changed.trigger()

    def take_events(self) -> None:
        """Call the callbacks of events, such as lost messages, that have occurred since the last call."""
        handlers = [handler for each in self._subscriptions for handler in each.event_handlers]
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
            subscriptions = self._subscriptions
            try:
                with self._entered(subscriptions) as wait_set:
                    while subscriptions is self._subscriptions and not self._stopped.is_set():
                        self._receive(wait_set, subscriptions)
            except (InvalidHandle, _rclpy.RCLError) as error:
                self._node.faults.note("receiving", error)
                self._stopped.wait(_RETRY_S)

    @contextmanager
    def _entered(self, subscriptions: Sequence[Subscription[Any]]) -> Iterator[Any]:
        """Keep everything that is waited for from being destroyed, and return a set to wait with."""
        context: Any = self._node.context.handle
        with ExitStack() as stack:
            stack.enter_context(context)
            stack.enter_context(self._changed.handle)
            for each in subscriptions:
                stack.enter_context(each.handle)
            yield _rclpy.WaitSet(len(subscriptions), 1, 0, 0, 0, 0, context)

    def _receive(self, wait_set: Any, subscriptions: Sequence[Subscription[Any]]) -> None:
        """Wait for messages and take one of each subscription that has any."""
        wait_set.clear_entities()
        for each in subscriptions:
            wait_set.add_subscription(each.handle)
        wait_set.add_guard_condition(self._changed.handle)
        wait_set.wait(-1)
        ready = wait_set.get_ready_entities("subscription")
        for each in subscriptions:
            if each.handle.pointer in ready:
                self._take(each)

    def _take(self, subscription: Subscription[Any]) -> None:
        try:
            received = subscription.handle.take_message(subscription.msg_type, False)
            if received is not None:
                callback: Callable[..., None] = subscription.callback
                callback(*received)
        except Exception as error:  # neither a damaged message nor a callback may end the thread
            self._node.faults.note(subscription.topic_name, error)

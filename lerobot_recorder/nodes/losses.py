"""Counts messages that were lost between publisher and subscription, and knows what helps."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.utilities import get_rmw_implementation_identifier

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.launching import PARENT_VARIABLE, profile_variables
from lerobot_recorder.shipped import shipped_config

_BUFFER_BYTES = 4_194_304  # as in config/fastdds.xml
_KERNEL_LIMIT = Path("/proc/sys/net/core/rmem_max")
_MOST_AT_ONCE = 1_000_000
"""Fast DDS sometimes reports 2147483647 lost messages at once, which makes its total useless."""


class LossCounter:
    """Counts the lost messages of one subscription.

    The middleware reports losses as events, but not all: an image of which no packet arrived is not counted.
    Sequence numbers show each gap, but not what was lost before the first and after the last message. So the
    larger of the two numbers is used.
    """

    def __init__(self, on_loss: Callable[[int], None]) -> None:
        """Start counting; ``on_loss`` is called with the number of lost messages."""
        self._on_loss = on_loss
        self._by_events = self._by_gaps = self._counted = 0
        self._last: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def note_event(self, event: Any) -> None:
        """Note what the middleware reports, a ``QoSMessageLostInfo``."""
        if event.total_count_change < _MOST_AT_ONCE:
            self._by_events += event.total_count_change
            self._count()

    def note_message(self, info: Mapping[str, Any], publishers: int) -> None:
        """Note a message's sequence number.

        Args:
            info: what rclpy knows of the message.
            publishers: number of publishers of the topic. Some versions of rclpy do not name the publisher of
                a message; then the numbers of several publishers cannot be told apart.
        """
        number, publisher = info.get("publication_sequence_number"), info.get("publisher_gid")
        if number is None or (publisher is None and publishers != 1):
            return
        key = publisher["data"] if publisher else b""
        last, self._last[key] = self._last.get(key, number), number
        if number > last + 1:
            self._by_gaps += number - last - 1
            self._count()

    def _count(self) -> None:
        with self._lock:  # events and messages may be noted by two threads
            lost = max(self._by_events, self._by_gaps)
            if lost > self._counted:
                self._on_loss(lost - self._counted)
                self._counted = lost


def counted_subscription(
    node: Node,
    kind: type[Any],
    topic: str,
    callback: Callable[[Any, Mapping[str, Any]], None],
    counter: LossCounter,
    **options: Any,
) -> Subscription[Any]:
    """Subscribe, and let ``counter`` count losses if the middleware reports them.

    Args:
        node: the node.
        kind: class of the messages.
        topic: name of the topic.
        callback: called with each message and what rclpy knows of it.
        counter: counts losses.
        options: more arguments of ``Node.create_subscription``.
    """
    events = SubscriptionEventCallbacks(message_lost=counter.note_event)
    try:
        return node.create_subscription(kind, topic, callback, event_callbacks=events, **options)
    except UnsupportedEventTypeError:
        return node.create_subscription(kind, topic, callback, **options)


def remedy(*, from_sibling: bool = False) -> str:
    """Return what to do if messages are lost in transport.

    Args:
        from_sibling: whether only the hardware node of the same namespace publishes them
    """
    middleware = get_rmw_implementation_identifier()
    if "fastrtps" not in middleware:
        return f"let the publisher be reliable, or enlarge the buffers of {middleware}"
    try:
        profile = shipped_config("fastdds.xml")
    except ConfigError as error:
        return str(error)
    variable = profile_variables()[0]
    used = os.environ.get(variable, "")
    if from_sibling and PARENT_VARIABLE in os.environ and _is_same(Path(used), profile):
        # One parent has started both, with the profile.
        return "this computer is overloaded: end other programs, or use fewer fps or smaller images"
    where = "its node" if used else "its node and this one"
    return f"start {where} with {variable}={profile}{_kernel_limit()}"


def _is_same(used: Path, profile: Path) -> bool:
    """Return whether a profile is ours: a package that is installed twice has it at two places."""
    try:
        return used.resolve() == profile.resolve() or used.read_bytes() == profile.read_bytes()
    except OSError:
        return False


def _kernel_limit() -> str:
    """Report a limit that keeps the buffers smaller than the profile wants."""
    try:
        limit = int(_KERNEL_LIMIT.read_text())
    except (OSError, ValueError):
        return ""
    if limit >= _BUFFER_BYTES:
        return ""
    return (
        f", and if it runs on another computer, in a container, or with another version of ROS, also run "
        f"sudo sysctl -w net.core.rmem_max={_BUFFER_BYTES} (now {limit})"
    )

"""Clocks of the nodes: the system's clock or ``/clock``, and the steady clock of timers."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rclpy.clock import Clock as RosClock
from rclpy.clock import JumpHandle, JumpThreshold
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.timer import Timer

from lerobot_recorder.recording import Clock, SystemClock

_STEP_S = 0.002
_JUMP_S = 0.1


class SimClock:
    """The time on ``/clock``, which may run at any rate, stand still, or not have started."""

    name = "sim"

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()

    def now_ns(self) -> int:
        """Return the time in nanoseconds."""
        return self._clock.now().nanoseconds

    def wait_until(self, time_ns: int, stop: threading.Event) -> bool:
        """Wait for a time; return False as soon as ``stop`` is set."""
        while self.now_ns() < time_ns:
            if stop.wait(_STEP_S):
                return False
        return not stop.is_set()


def node_clock(node: Node) -> Clock:
    """Return the clock that the node's parameter ``use_sim_time`` selects."""
    if node.get_parameter("use_sim_time").value:
        return SimClock(node)
    return SystemClock()


def steady_timer(node: Node, period_s: float, act: Callable[[], None]) -> Timer:
    """Call ``act`` regularly, even while the time on ``/clock`` stands still."""
    return node.create_timer(period_s, act, clock=RosClock(clock_type=ClockType.STEADY_TIME))


def on_jump_back(node: Node, act: Callable[[], None]) -> JumpHandle:
    """Call ``act`` whenever the time on ``/clock`` jumps back, for example when a bag restarts.

    Returns:
        A handle; the calls end when it is deleted.
    """
    threshold = JumpThreshold(
        min_forward=None, min_backward=Duration(seconds=-_JUMP_S), on_clock_change=False
    )
    return node.get_clock().create_jump_callback(threshold, post_callback=lambda _jump: act())

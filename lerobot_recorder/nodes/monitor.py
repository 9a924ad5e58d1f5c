"""Relay news of the nodes to a parent process, and its service calls to them, as JSON lines.

Standard output, one object a line::

    {"from": "recorder", "status": {...}}
    {"from": "encoder", "status": {...}}
    {"from": "recorder", "episode_completed": {...}}
    {"from": "<name of a diagnostic>", "level": 0 to 3, "message": "..."}   when it changes
    {"from": "recorder", "call": "start_episode", "success": true, "message": "..."}

Standard input, one object a line, ``data`` for services of type SetBool::

    {"node": "recorder", "call": "start_episode"}
    {"node": "recorder", "call": "mark_success", "data": true}

It ends when its standard input does, so it never outlives its parent.
"""

from __future__ import annotations

import json
import queue
import signal
import sys
import threading
from functools import partial
from typing import Any, TextIO

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger


def _latched(depth: int) -> QoSProfile:
    return QoSProfile(
        depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
    )


class MonitorNode(Node):
    """Prints what the nodes publish and calls their services."""

    def __init__(self) -> None:
        super().__init__("monitor")
        self.finished = Future()
        self._commands: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._arrived = self.create_guard_condition(self._obey)
        self._diagnostics: dict[str, tuple[int, str]] = {}
        for node in ("recorder", "encoder"):
            self.create_subscription(
                String, f"{node}/status", partial(self._relay, node, "status"), _latched(1)
            )
        self.create_subscription(
            String, "episode_completed", partial(self._relay, "recorder", "episode_completed"), _latched(100)
        )
        self.create_subscription(DiagnosticArray, "/diagnostics", self._relay_diagnostics, 10)

    def read_commands(self, source: TextIO) -> None:
        """Hand the lines of a stream to the spinning thread, until it ends."""
        for line in source:
            self._commands.put(line)
            self._arrived.trigger()
        self._commands.put(None)
        self._arrived.trigger()

    def _obey(self) -> None:
        while not self._commands.empty():
            command = self._commands.get()
            if command is None:
                self.finished.set_result(None)
            else:
                self._call(json.loads(command))

    def _call(self, command: dict[str, Any]) -> None:
        kind = SetBool if "data" in command else Trigger
        service = self.create_client(kind, f"{command['node']}/{command['call']}")
        if not service.wait_for_service(timeout_sec=2.0):
            self._reply(command, False, f"The {command['node']} node does not offer {command['call']}.")
            self.destroy_client(service)
            return
        request = kind.Request(data=command["data"]) if "data" in command else kind.Request()
        service.call_async(request).add_done_callback(partial(self._answered, service, command))

    def _answered(self, service: Any, command: dict[str, Any], answer: Future) -> None:
        response = answer.result()
        self._reply(command, response.success, response.message)
        self.destroy_client(service)

    def _reply(self, command: dict[str, Any], success: bool, message: str) -> None:
        _print({"from": command["node"], "call": command["call"], "success": success, "message": message})

    def _relay(self, node: str, kind: str, message: String) -> None:
        _print({"from": node, kind: json.loads(message.data)})

    def _relay_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            level = status.level[0] if isinstance(status.level, bytes) else status.level
            if self._diagnostics.get(status.name) != (level, status.message):
                self._diagnostics[status.name] = (level, status.message)
                _print({"from": status.name, "level": level, "message": status.message})


def _print(news: dict[str, Any]) -> None:
    print(json.dumps(news), flush=True)


def main() -> None:
    """Relay until standard input ends."""
    rclpy.init()
    node = MonitorNode()
    threading.Thread(target=node.read_commands, args=(sys.stdin,), daemon=True).start()
    try:
        rclpy.spin_until_future_complete(node, node.finished)
    except (KeyboardInterrupt, ExternalShutdownException, BrokenPipeError):
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()

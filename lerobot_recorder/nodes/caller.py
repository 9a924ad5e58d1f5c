"""Call services of the nodes for a parent process, as JSON lines.

Standard input, one object a line, ``data`` for services of type SetBool::

    {"node": "recorder", "call": "start_episode"}
    {"node": "recorder", "call": "mark_success", "data": true}

Standard output, one object a line::

    {"from": "recorder", "call": "start_episode", "success": true, "message": "..."}

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
from rclpy.executors import ExternalShutdownException
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from lerobot_recorder.nodes.guard import GuardedExecutor, GuardedNode

_PATIENCE_S = 5.0


class CallerNode(GuardedNode):
    """Calls services, and prints what they answer."""

    def __init__(self) -> None:
        super().__init__("caller")
        self.finished = Future()
        self._commands: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._arrived = self.create_guard_condition(self._obey)

    def read_commands(self, source: TextIO) -> None:
        """Hand the lines of a stream to the spinning thread, until it ends."""
        for line in source:
            self._commands.put(line)
            self._arrived.trigger()
        self._commands.put(None)
        self._arrived.trigger()

    def _obey(self) -> None:
        if self._commands.empty():
            return
        command = self._commands.get()
        self._arrived.trigger()  # first, as a line that makes no sense must not keep the next one waiting
        if command is None:
            self.finished.set_result(None)
        else:
            self._call(json.loads(command))

    def _call(self, command: dict[str, Any]) -> None:
        kind = SetBool if "data" in command else Trigger
        service = self.create_client(kind, f"{command['node']}/{command['call']}")
        if not service.wait_for_service(timeout_sec=_PATIENCE_S):
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


def _print(news: dict[str, Any]) -> None:
    print(json.dumps(news), flush=True)  # noqa: T201


def main() -> None:
    """Call until standard input ends."""
    rclpy.init()
    node = CallerNode()
    executor = GuardedExecutor(node)
    threading.Thread(target=node.read_commands, args=(sys.stdin,), daemon=True).start()
    try:
        while not node.finished.done():
            executor.spin_once()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()

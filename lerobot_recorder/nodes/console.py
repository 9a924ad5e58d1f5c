"""Connects ``lerobot-recorder console``, which knows no ROS, to nodes that run already.

It writes what they publish to standard output and calls their services, in the lines that `nodes.events`
describes. Any number of consoles can be connected at the same time.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Log
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from lerobot_recorder.answers import Answer
from lerobot_recorder.dashboard import ACTIONS
from lerobot_recorder.discovery import TEXT
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.nodes.clock import steady_timer
from lerobot_recorder.nodes.events import latched, parent_events
from lerobot_recorder.nodes.lifetime import DISCOVERY_S, ManagedNode, run

_NAME = "console"
_STATUSES = ("recorder", "encoder")
_HARDWARE = "hardware"
_DIAGNOSTICS = "/diagnostics"
_LOGS = (*_STATUSES, _HARDWARE)
_LEVELS = {20: "INFO", 30: "WARN", 40: "ERROR", 50: "FATAL"}
_LOOK_S = 0.2
_SETTLING_S = 1.0
"""How long other recorders may take to be found after the first."""

_HINT_S = 3.0
_ABSENCES = 2
"""Looks that do not find a node which is gone: at the first, its last messages may wait to be taken."""


class ConsoleNode(ManagedNode):
    """Finds a recorder and connects to the nodes of its namespace.

    The parameter ``search`` makes it look for the only recorder there is; otherwise it is the one in its own
    namespace. ``wait_s`` limits how long it waits for a recorder; 0: not at all.
    """

    def __init__(self) -> None:
        super().__init__(f"_{_NAME}_{secrets.token_hex(4)}")  # hidden, and different from other consoles
        self._searches = self.declare_parameter("search", False).value
        self._wait_s = self.declare_parameter("wait_s", 0.0).value
        self._calls: dict[tuple[str, str], Any] = {}
        self._absences: dict[str, int] = {}
        """How often in a row nodes that were found were absent."""
        self._topics: dict[str, str] = {}
        self._started_s = time.monotonic()
        self._found_s: float | None = None
        self._has_hinted = self._is_found = False
        self._prefix = ""
        self._hardware = ""
        """How the names of the hardware node's diagnostics begin."""
        if not self._searches:
            self._attach(self.get_namespace())
        steady_timer(self, _LOOK_S, self._look)

    async def command(self, line: bytes) -> None:
        """Call a service of another node or set its parameter, and answer with an event.

        Raises:
            ConfigError: the line is neither.
        """
        try:
            content = json.loads(line)
            node, name, data = content["to"], content.get("call"), content.get("data", False)
            await (self._call(node, name, data) if name else self._set(node, content["set"], data))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"expected a call as a line of JSON, found {excerpt(repr(line))}") from error

    # Finding the nodes

    def _look(self) -> None:
        waited_s = time.monotonic() - self._started_s
        if not self._calls:
            self._search()
        if not self._is_found and self._found_s is None:
            self._wait(waited_s)
        for name in self._topics:
            if self._is_there(name):
                self._absences[name] = 0
                if name == "recorder":
                    self._note_recorder()
            elif name in self._absences:
                self._absences[name] += 1
                if self._absences[name] == _ABSENCES:
                    self._write(name, "gone", {})

    def _is_there(self, name: str) -> bool:
        """Return whether a node publishes its topic; others publish that of the hardware node, too."""
        if name != _HARDWARE:
            return self.count_publishers(self._topics[name]) > 0
        own = (name, self._prefix or "/")
        publishers = self.get_publishers_info_by_topic(self._topics[name])
        return any((each.node_name, each.node_namespace) == own for each in publishers)

    def _search(self) -> None:
        """Attach to the only recorder there is, once others have had time to be found."""
        now_s = time.monotonic()
        if not (found := self._recorders()):
            return
        self._found_s = self._found_s or now_s
        if now_s - self._found_s < _SETTLING_S:
            return
        if len(found) > 1:
            names = ", ".join(found)
            self.failure = ConfigError(f"several recorders run: choose a --namespace of {names}")
            return
        self._attach(found[0])

    def _recorders(self) -> list[str]:
        """Return the namespaces in which a recorder runs."""
        end = "/recorder/status"
        return sorted(
            name.removesuffix(end) or "/"
            for name, kinds in self.get_topic_names_and_types()
            if name.endswith(end) and kinds == [TEXT] and self.count_publishers(name)
        )

    def _wait(self, waited_s: float) -> None:
        """Say once what it waits for, and give up at the limit."""
        if self._wait_s and waited_s > self._wait_s:
            self.failure = ConfigError(
                f"no recorder found{self._place()} within {self._wait_s:g} s{self._hint()}"
            )
        elif not self._has_hinted and waited_s > _HINT_S:
            self._has_hinted = True
            limit = f"at most {self._wait_s:g} s" if self._wait_s else "without a limit, which --wait sets"
            self.get_logger().warning(
                f"no recorder found{self._place()} yet, waiting for it {limit}{self._hint()}"
            )

    def _place(self) -> str:
        return "" if self._searches else f" in the namespace {self.get_namespace()}"

    def _hint(self) -> str:
        found = self._recorders()
        elsewhere = f"; recorders run in: {', '.join(found)}" if found else ""
        domain = f"ROS_DOMAIN_ID ({self.context.get_domain_id()})"
        return f"{elsewhere}. It must run in the same {domain} and be reachable"

    def _attach(self, namespace: str) -> None:
        prefix = namespace.rstrip("/")
        for name in _STATUSES:
            self._topics[name] = topic = f"{prefix}/{name}/status"
            self.create_subscription(String, topic, partial(self._forward, name, "status"), latched(1))
        self._topics[_HARDWARE] = _DIAGNOSTICS
        self._hardware = f"{prefix}/{_HARDWARE}: ".lstrip("/")
        self.create_subscription(DiagnosticArray, _DIAGNOSTICS, self._note_hardware, 10)
        forward = partial(self._forward, "recorder", "episode_completed")
        self.create_subscription(String, f"{prefix}/episode_completed", forward, latched(100))
        sources = {f"{prefix}/{name}".lstrip("/").replace("/", "."): name for name in _LOGS}
        self.create_subscription(Log, "/rosout", partial(self._forward_log, sources), QoSProfile(depth=100))
        # Now: a server may not know a new client yet when it answers.
        for action in ACTIONS.values():
            kind = SetBool if action.takes_bool else Trigger
            name = f"{prefix}/{action.node}/{action.service}"
            self._calls[action.node, action.service] = self.create_client(kind, name)
        self._calls["recorder", ""] = self.create_client(SetParameters, f"{prefix}/recorder/set_parameters")
        self._prefix = prefix

    def _note_recorder(self) -> None:
        """Write once that it is attached, when there is a recorder."""
        if not self._is_found:
            self._is_found = True
            self._write(_NAME, "attached", {"recorder": f"{self._prefix}/recorder"})

    # What the nodes publish

    def finished(self) -> bool:
        """Return whether it cannot choose a recorder."""
        return self.failure is not None

    def _forward(self, node: str, kind: str, message: String) -> None:
        if node == "recorder":
            self._note_recorder()
        self._write(node, kind, json.loads(message.data))

    def _note_hardware(self, message: DiagnosticArray) -> None:
        """Write that the hardware node lives: it has no status of its own, but publishes diagnostics."""
        if any(each.name.startswith(self._hardware) for each in message.status):
            self._write(_HARDWARE, "heard", {})

    def _forward_log(self, sources: Mapping[str, str], message: Log) -> None:
        if (node := sources.get(message.name)) and (level := _LEVELS.get(message.level)):
            self._write(node, "log", {"level": level, "text": message.msg})

    def _write(self, node: str, kind: str, content: Mapping[str, Any]) -> None:
        if events := parent_events():
            events.write(node, kind, content)

    # What the console asks for

    async def _call(self, node: str, service: str, data: bool) -> None:
        action = ACTIONS.get(service)
        takes_bool = action is not None and action.takes_bool
        request = SetBool.Request(data=data) if takes_bool else Trigger.Request()
        response = await self._ask(node, service, service, request)
        if response is not None:
            self._answer(node, service, Answer.from_text(response.success, response.message))

    async def _set(self, node: str, name: str, value: Any) -> None:
        message = Parameter(name, value=value).to_parameter_msg()
        response = await self._ask(node, "", f"set {name}", SetParameters.Request(parameters=[message]))
        if response is not None:
            result = response.results[0]
            text = f"{name} is now {value}" if result.successful else result.reason
            self._answer(node, f"set {name}", Answer(result.successful, text))

    async def _ask(self, node: str, service: str, call: str, request: Any) -> Any:
        """Return the response of a service; None, after an answer, if it cannot be reached."""
        client = self._calls.get((node, service))
        if client is None or not await self._is_ready(client):
            self._answer(node, call, Answer(False, f"the {node} node cannot be reached"))
            return None
        return await client.call_async(request)

    async def _is_ready(self, client: Any) -> bool:
        """Return whether a service is there, after both sides had time to find each other."""
        deadline = time.monotonic() + DISCOVERY_S
        while not client.service_is_ready():
            if time.monotonic() > deadline:
                return False
            later: Future[None] = Future()
            timer = steady_timer(self, _LOOK_S, partial(later.set_result, None))
            await later
            self.destroy_timer(timer)
        return True

    def _answer(self, node: str, call: str, answer: Answer) -> None:
        self._write(node, "answer", {"call": call, **asdict(answer)})


def main() -> int:
    """Run the node."""
    return run(ConsoleNode, _NAME)


if __name__ == "__main__":
    sys.exit(main())

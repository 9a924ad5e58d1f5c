"""The dashboard node: a web page with live pictures, the state of all nodes, actions and episodes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from lerobot_recorder.answers import Answer
from lerobot_recorder.dashboard import (
    ACTIONS,
    CODE_HINT,
    CONTROLS,
    Access,
    Action,
    DashboardSettings,
    Live,
    Server,
    make_app,
    new_token,
    qr_lines,
    reachable_address,
    require_extra,
)
from lerobot_recorder.dataset import DatasetPlace, dataset_name
from lerobot_recorder.nodes.clock import steady_timer
from lerobot_recorder.nodes.events import parent_events
from lerobot_recorder.nodes.lifetime import ManagedNode, run
from lerobot_recorder.nodes.parameters import Parameters, ros_value
from lerobot_recorder.nodes.watched import WatchedTopics
from lerobot_recorder.settings import parameters_of

_NAME = "dashboard"
_MATCH_S = 0.5
_NICE = 10
"""A page that stutters costs less than a tick that is late."""


class DashboardNode(ManagedNode):
    """Connects the page to the other nodes; the package `dashboard` makes the page."""

    def __init__(self) -> None:
        super().__init__(_NAME)
        require_extra()
        parameters = Parameters(self)
        parameters.declare(parameters_of(DatasetPlace, DashboardSettings))
        parameters.refuse_unknown()
        place, settings = parameters.settings(DatasetPlace), parameters.settings(DashboardSettings)
        self._stations = _Station(self)
        self._live = Live()
        self._live.put("dataset", {"name": dataset_name(place), "namespace": self.get_namespace()})
        self._server = Server(settings.address, settings.port)
        self._topics = WatchedTopics(self, self._live, settings.preview_rate_hz, settings.preview_width)
        token = settings.token or ("" if settings.is_local else new_token())
        access = Access(token, self._server.port, settings.hosts)
        self._server.start(make_app(place.directory, self._stations, self._live, access))
        steady_timer(self, _MATCH_S, self._match)
        self._announce(f"http://{reachable_address(settings.address)}:{self._server.port}/", token)

    def close(self) -> None:
        """Serve no more."""
        self._topics.close()
        self._server.close()

    def _match(self) -> None:
        self._topics.match()
        if self._live.watchers:
            self._live.put("actions", self._stations.ready())

    def _announce(self, url: str, token: str) -> None:
        """Print where the page is; the token reaches neither a topic nor a log of ROS."""
        self.get_logger().info(f"the dashboard is at {url}" + (" and asks for a token" if token else ""))
        if not token:
            return
        link = f"{url}login?token={token}"
        if events := parent_events():
            events.write(_NAME, "code", {"link": link, "lines": qr_lines(link)})
        else:
            print("\n".join([*qr_lines(link), f"{CODE_HINT} {link}"]), flush=True)  # noqa: T201


class _Station:
    """Calls services of the other nodes.

    Clients exist from the start: a server may not know a new one yet, and its answer would be lost.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        self._services: dict[str, Any] = {
            name: node.create_client(SetBool if each.takes_bool else Trigger, f"{each.node}/{each.service}")
            for name, each in ACTIONS.items()
        }
        self._setters: dict[str, Any] = {
            name: node.create_client(SetParameters, f"{name}/set_parameters")
            for name in sorted({name for name, _ in CONTROLS.values()})
        }

    def ready(self) -> list[str]:
        """Return the actions whose services exist."""
        return [name for name, client in self._services.items() if client.service_is_ready()]

    def call(self, action: Action, value: bool) -> Future[Answer]:
        """Call a service."""
        request = SetBool.Request(data=value) if action.takes_bool else Trigger.Request()
        client = self._services[action.service]
        return self._ask(
            action.node, client, request, lambda result: Answer.from_text(result.success, result.message)
        )

    def set_parameter(self, node: str, name: str, value: Any) -> Future[Answer]:
        """Set a parameter of a node."""
        message = Parameter(name, value=ros_value(value)).to_parameter_msg()

        def answer(result: Any) -> Answer:
            success = result.results[0].successful
            return Answer(success, f"{name}: {value}" if success else result.results[0].reason)

        return self._ask(node, self._setters[node], SetParameters.Request(parameters=[message]), answer)

    def _ask(self, node: str, client: Any, request: Any, answer: Callable[[Any], Answer]) -> Future[Answer]:
        work: Future[Answer] = Future()

        def ask() -> None:
            if not work.set_running_or_notify_cancel():  # from now on, it cannot be cancelled
                return
            if not client.service_is_ready():
                work.set_result(Answer(False, f"the {node} node does not run"))
                return
            client.call_async(request).add_done_callback(lambda done: work.set_result(answer(done.result())))

        executor = self._node.executor
        assert executor is not None  # the page is served once the node runs
        executor.create_task(ask)
        return work


def main() -> int:
    """Run the node."""
    os.nice(_NICE)
    return run(DashboardNode, _NAME)


if __name__ == "__main__":
    sys.exit(main())

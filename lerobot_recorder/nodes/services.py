"""Services that take a while: a thread receives the calls, and the thread that did the work answers.

Neither waits for the executor, which builds several sets of everything that a node has for each call.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from functools import partial
from typing import Any

from rclpy.parameter import Parameter
from rclpy.service import Service
from sensor_msgs.srv import SetCameraInfo
from std_srvs.srv import SetBool, Trigger

from lerobot_recorder.answers import Answer
from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.nodes.events import parent_events
from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.nodes.receiver import Receiver

Work = Callable[..., "Future[Any]"]
"""Starts the work, while no other callback of the node runs.

What it or its future raises is the reason for which the call is refused.
"""

Describe = Callable[[Any], Answer]
"""Turns a result into an answer, in the thread that did the work."""

Reply = Callable[[Answer], None]
"""Takes an answer."""


class Services:
    """The services of a node. The parent process can call them too, through standard input."""

    def __init__(self, node: GuardedNode) -> None:
        """Prepare to offer services; calls wait until `serve`."""
        self._node = node
        self._receiver = Receiver(node, "services")
        self._offered: list[Service[Any, Any]] = []
        self._calls: dict[str, tuple[bool, Work, Describe]] = {}

    def trigger(self, name: str, begin: Work, describe: Describe) -> None:
        """Offer ``~/name``, a service without a request."""
        self._offer(Trigger, f"~/{name}", lambda _: begin(), describe)
        self._calls[name] = False, begin, describe

    def set_bool(self, name: str, begin: Work, describe: Describe) -> None:
        """Offer ``~/name``, a service that takes true or false."""
        self._offer(SetBool, f"~/{name}", lambda request: begin(request.data), describe)
        self._calls[name] = True, begin, describe

    def set_camera_info(self, namespace: str, begin: Work, describe: Describe) -> None:
        """Offer ``set_camera_info`` of a camera, beside its topics."""
        name = f"{namespace}/set_camera_info"
        self._offer(SetCameraInfo, name, lambda request: begin(request.camera_info), describe)

    def serve(self) -> None:
        """Take the calls of all services, in a thread, once the node is complete."""
        for service in self._offered:
            self._receiver.add(service)

    def close(self) -> None:
        """Take no more calls; those that were taken are still answered. A second call does nothing."""
        self._receiver.close()

    def _offer(self, kind: type[Any], name: str, begin: Work, describe: Describe) -> None:
        def serve(request: Any, header: Any) -> None:
            self._begin(partial(begin, request), describe, partial(self._respond, service, header))

        service: Service[Any, Any] = self._node.create_service(
            kind, name, serve, callback_group=self._receiver.group
        )
        self._offered.append(service)

    def call(self, line: bytes) -> None:
        """Call a service or set a parameter for the parent process, and answer with an event.

        Args:
            line: the call as JSON, as in ``{"call": "mark_success", "data": true}`` and
                ``{"set": "task", "data": "Open the drawer"}``.

        Raises:
            ConfigError: the line is not a call.
        """
        content = _parsed(line)
        if "set" in content:
            self._set(content["set"], content["data"])
        else:
            self.act(content["call"], content["data"], partial(self._answer, content["call"]))

    def _set(self, name: str, value: Any) -> None:
        result = self._node.set_parameters_atomically([Parameter(name, value=value)])
        message = f"{name} is now {value}" if result.successful else result.reason
        self._answer(f"set {name}", Answer(result.successful, message))

    def act(self, name: str, data: bool, reply: Reply) -> None:
        """Do what a service does; return at once.

        Args:
            name: of the service, without ``~/``.
            data: what one with a choice gets.
            reply: called with the answer, from any thread.
        """
        if name not in self._calls:
            reply(Answer(False, f"the {self._node.get_name()} node has no service {excerpt(name)}"))
            return
        has_choice, begin, describe = self._calls[name]
        self._begin(partial(begin, data) if has_choice else begin, describe, reply)

    def _answer(self, name: str, answer: Answer) -> None:
        if events := parent_events():
            events.write(self._node.get_name(), "answer", {"call": name, **asdict(answer)})

    def _begin(self, begin: Work, describe: Describe, reply: Reply) -> None:
        work: Future[Any]
        try:
            with self._node.turn:
                work = begin()
        except Exception as error:
            work = Future()
            work.set_exception(error)
        work.add_done_callback(lambda done: reply(self._answer_of(done, describe)))

    def _answer_of(self, work: Future[Any], describe: Describe) -> Answer:
        try:
            return describe(work.result())
        except RecorderError as error:
            return Answer(False, str(error), error.offer)
        except OSError as error:
            return Answer(False, str(error))
        except Exception as error:  # the caller gets an answer, and the node continues
            self._node.faults.note("a service", error)
            return Answer(False, f"unexpected {type(error).__name__}: {error}")

    def _respond(self, service: Service[Any, Any], header: Any, answer: Answer) -> None:
        response = service.srv_type.Response(success=answer.success)
        # SetCameraInfo has another name for it.
        setattr(response, "message" if hasattr(response, "message") else "status_message", answer.text)
        try:
            service.send_response(response, header)
        except Exception as error:  # the node ends, or the text cannot be sent; the work was done
            self._node.faults.note(service.srv_name, error)


def _parsed(line: bytes) -> dict[str, Any]:
    """Return a call with its ``data``, which only a parameter may have of any type."""
    try:
        content = {"data": False, **json.loads(line)}
    except (ValueError, TypeError, RecursionError):
        content = {}
    is_change = isinstance(content.get("set"), str)
    is_call = isinstance(content.get("call"), str) and isinstance(content["data"], bool)
    if not is_change and not is_call:
        raise ConfigError(f'expected a line as {{"call": "start_episode"}}, found {excerpt(repr(line))}')
    return content


def finished(result: str) -> Future[str]:
    """Return the work of a service that has nothing to wait for."""
    work: Future[str] = Future()
    work.set_result(result)
    return work


def accepted(message: str) -> Answer:
    """Answer a call that did what its result describes."""
    return Answer(True, message)

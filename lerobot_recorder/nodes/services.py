"""Services that take a while: a thread does the work while the executor continues with messages."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Future as ThreadFuture
from functools import partial
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.parameter import Parameter
from rclpy.task import Future
from sensor_msgs.srv import SetCameraInfo
from std_srvs.srv import SetBool, Trigger

from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.nodes.events import parent_events
from lerobot_recorder.nodes.guard import GuardedNode

Work = Callable[..., "ThreadFuture[Any]"]
"""Starts the work. What it or its future raises is the reason for which the call is refused."""

Answer = Callable[[Any], "tuple[bool, str]"]
"""Turns a result into success and message."""


class Services:
    """The services of a node. The parent process can call them too, through standard input."""

    def __init__(self, node: GuardedNode) -> None:
        self._node = node
        # In the node's own group, a call that waits would block all other callbacks.
        self._group = ReentrantCallbackGroup()
        self._wake = node.create_guard_condition(lambda: None, callback_group=self._group)
        self._calls: dict[str, tuple[type[Any], Callable[..., Awaitable[Any]]]] = {}

    def trigger(self, name: str, begin: Work, answer: Answer) -> None:
        """Offer ``~/name``, a service without a request."""
        self._offer(Trigger, name, lambda _: begin(), answer)

    def set_bool(self, name: str, begin: Work, answer: Answer) -> None:
        """Offer ``~/name``, a service that takes true or false."""
        self._offer(SetBool, name, lambda request: begin(request.data), answer)

    def set_camera_info(self, namespace: str, begin: Work, answer: Answer) -> None:
        """Offer ``set_camera_info`` of a camera, beside its topics."""
        serve = self._served(lambda request: begin(request.camera_info), answer)
        self._node.create_service(
            SetCameraInfo, f"{namespace}/set_camera_info", serve, callback_group=self._group
        )

    def _offer(self, kind: type[Any], name: str, begin: Work, answer: Answer) -> None:
        serve = self._served(begin, answer)
        self._node.create_service(kind, f"~/{name}", serve, callback_group=self._group)
        self._calls[name] = kind, serve

    def _served(self, begin: Work, answer: Answer) -> Callable[..., Awaitable[Any]]:
        async def serve(request: Any, response: Any) -> Any:
            return await self._serve(partial(begin, request), answer, response)

        return serve

    async def call(self, line: bytes) -> None:
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
            await self._call(content["call"], content["data"])

    def _set(self, name: str, value: Any) -> None:
        result = self._node.set_parameters_atomically([Parameter(name, value=value)])
        message = f"{name} is now {value}" if result.successful else result.reason
        self._answer(f"set {name}", result.successful, message)

    async def _call(self, name: str, data: bool) -> None:
        self._answer(name, *await self.act(name, data))

    async def act(self, name: str, data: bool = False) -> tuple[bool, str]:
        """Do what a service does, and return whether it was done, and the answer.

        Args:
            name: of the service, without ``~/``.
            data: what one with a choice gets.
        """
        if name not in self._calls:
            return False, f"the {self._node.get_name()} node has no service {excerpt(name)}"
        kind, serve = self._calls[name]
        request = SetBool.Request(data=data) if kind is SetBool else kind.Request()
        response = await serve(request, kind.Response())
        return response.success, response.message

    def _answer(self, name: str, success: bool, message: str) -> None:
        if events := parent_events():
            content = {"call": name, "success": success, "message": message}
            events.write(self._node.get_name(), "answer", content)

    async def _serve(self, begin: Work, answer: Answer, response: Any) -> Any:
        try:
            success, text = answer(await self._result(begin()))
        except (RecorderError, OSError) as error:
            success, text = False, str(error)
        except Exception as error:  # the caller gets an answer, and the node continues
            self._node.faults.note("a service", error)
            success, text = False, f"unexpected {type(error).__name__}: {error}"
        response.success = success
        # SetCameraInfo has another name for it.
        setattr(response, "message" if hasattr(response, "message") else "status_message", text)
        return response

    async def _result(self, work: ThreadFuture[Any]) -> Any:
        done: Future[bool] = Future()

        def wake(_: object) -> None:
            done.set_result(True)
            self._wake.trigger()

        work.add_done_callback(wake)
        await done
        return work.result()


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


def finished(result: str) -> ThreadFuture[str]:
    """Return the work of a service that has nothing to wait for."""
    work: ThreadFuture[str] = ThreadFuture()
    work.set_result(result)
    return work


def accepted(message: str) -> tuple[bool, str]:
    """Answer a call that did what its result describes."""
    return True, message

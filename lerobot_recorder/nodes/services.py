"""Services that take a while: a thread does the work while the executor continues with messages."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Future as ThreadFuture
from dataclasses import asdict
from functools import partial
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.parameter import Parameter
from rclpy.task import Future
from sensor_msgs.srv import SetCameraInfo
from std_srvs.srv import SetBool, Trigger

from lerobot_recorder.answers import Answer
from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.nodes.events import parent_events
from lerobot_recorder.nodes.guard import GuardedNode

Work = Callable[..., "ThreadFuture[Any]"]
"""Starts the work. What it or its future raises is the reason for which the call is refused."""

Describe = Callable[[Any], Answer]
"""Turns a result into an answer."""


class Services:
    """The services of a node. The parent process can call them too, through standard input."""

    def __init__(self, node: GuardedNode) -> None:
        self._node = node
        # In the node's own group, a call that waits would block all other callbacks.
        self._group = ReentrantCallbackGroup()
        self._wake = node.create_guard_condition(lambda: None, callback_group=self._group)
        self._calls: dict[str, Callable[[bool], Awaitable[Answer]]] = {}

    def trigger(self, name: str, begin: Work, describe: Describe) -> None:
        """Offer ``~/name``, a service without a request."""
        self._calls[name] = lambda _: self._answered(begin, describe)
        self._offer(Trigger, f"~/{name}", lambda _: self._calls[name](False))

    def set_bool(self, name: str, begin: Work, describe: Describe) -> None:
        """Offer ``~/name``, a service that takes true or false."""
        self._calls[name] = lambda data: self._answered(partial(begin, data), describe)
        self._offer(SetBool, f"~/{name}", lambda request: self._calls[name](request.data))

    def set_camera_info(self, namespace: str, begin: Work, describe: Describe) -> None:
        """Offer ``set_camera_info`` of a camera, beside its topics."""

        def answer(request: Any) -> Awaitable[Answer]:
            return self._answered(partial(begin, request.camera_info), describe)

        self._offer(SetCameraInfo, f"{namespace}/set_camera_info", answer)

    def _offer(self, kind: type[Any], name: str, answer: Callable[[Any], Awaitable[Answer]]) -> None:
        async def serve(request: Any, response: Any) -> Any:
            done = await answer(request)
            response.success = done.success
            # SetCameraInfo has another name for it.
            setattr(response, "message" if hasattr(response, "message") else "status_message", done.text)
            return response

        self._node.create_service(kind, name, serve, callback_group=self._group)

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
        self._answer(f"set {name}", Answer(result.successful, message))

    async def _call(self, name: str, data: bool) -> None:
        self._answer(name, await self.act(name, data))

    async def act(self, name: str, data: bool = False) -> Answer:
        """Do what a service does, and return its answer.

        Args:
            name: of the service, without ``~/``.
            data: what one with a choice gets.
        """
        if name not in self._calls:
            return Answer(False, f"the {self._node.get_name()} node has no service {excerpt(name)}")
        return await self._calls[name](data)

    def _answer(self, name: str, answer: Answer) -> None:
        if events := parent_events():
            events.write(self._node.get_name(), "answer", {"call": name, **asdict(answer)})

    async def _answered(self, begin: Work, describe: Describe) -> Answer:
        try:
            return describe(await self._result(begin()))
        except RecorderError as error:
            return Answer(False, str(error), error.offer)
        except OSError as error:
            return Answer(False, str(error))
        except Exception as error:  # the caller gets an answer, and the node continues
            self._node.faults.note("a service", error)
            return Answer(False, f"unexpected {type(error).__name__}: {error}")

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


def accepted(message: str) -> Answer:
    """Answer a call that did what its result describes."""
    return Answer(True, message)

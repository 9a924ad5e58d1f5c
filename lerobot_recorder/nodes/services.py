"""Services that take a while: the executor goes on with messages while a thread does the work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future as ThreadFuture
from typing import Any, TypeVar

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from lerobot_recorder.errors import RecorderError
from lerobot_recorder.nodes.guard import GuardedNode

Work = Callable[..., "ThreadFuture[Any]"]
"""Begins the work; what it raises, or its result raises, is why the call is refused."""

Response = TypeVar("Response", Trigger.Response, SetBool.Response)

Answer = Callable[[Any], "tuple[bool, str]"]
"""Turns a result into success and message."""


class Services:
    """Makes services of a node that answer when a thread has done the work."""

    def __init__(self, node: GuardedNode) -> None:
        self._node = node
        # In the node's own group, a call that waits would keep all other callbacks waiting too.
        self._group = ReentrantCallbackGroup()
        self._wake = node.create_guard_condition(lambda: None, callback_group=self._group)

    def trigger(self, name: str, begin: Work, answer: Answer) -> None:
        """Offer a service without a request."""

        async def serve(_request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            return await self._serve(begin, answer, response)

        self._offer(Trigger, name, serve)

    def set_bool(self, name: str, begin: Work, answer: Answer) -> None:
        """Offer a service that takes true or false."""

        async def serve(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
            return await self._serve(lambda: begin(request.data), answer, response)

        self._offer(SetBool, name, serve)

    def _offer(self, kind: type[Any], name: str, serve: Callable[..., Any]) -> None:
        self._node.create_service(kind, name, serve, callback_group=self._group)

    async def _serve(self, begin: Work, answer: Answer, response: Response) -> Response:
        try:
            response.success, response.message = answer(await self._result(begin()))
        except (RecorderError, OSError) as error:
            response.success, response.message = False, str(error)
        except Exception as error:  # who called is to get an answer, and the node to go on
            self._node.faults.note("a service", error)
            response.success, response.message = False, f"unexpected {type(error).__name__}: {error}"
        return response

    async def _result(self, work: ThreadFuture[Any]) -> Any:
        done: Future[bool] = Future()

        def wake(_: object) -> None:
            done.set_result(True)
            self._wake.trigger()

        work.add_done_callback(wake)
        await done
        return work.result()

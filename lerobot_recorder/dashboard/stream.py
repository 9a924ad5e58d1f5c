"""Sends everything that changes to a browser, over one connection.

Each part is a line of JSON with ``kind``, ``name`` and ``size``, followed by as many bytes: JSON for the kind
``state``, JPEG or PNG for the kind ``picture``. A part without bytes is sent when nothing has happened for a
while. The next parts are made when the browser has taken the ones before, so a slow one gets fewer pictures.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from lerobot_recorder.dashboard.live import Live, News

_QUIET_S = 1.0
"""Longest time without a part: a browser takes a longer silence for a lost connection."""

_STUCK_S = 10.0
"""How long a browser may take for what it was sent; then it has left."""

_Message = MutableMapping[str, Any]


class LiveStream:
    """An endless answer, until the browser leaves or the server ends."""

    def __init__(self, live: Live, closeups: Collection[str] = ()) -> None:
        self._live, self._closeups = live, closeups

    async def __call__(
        self,
        scope: MutableMapping[str, Any],  # noqa: ARG002
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-type", b"application/octet-stream")]})  # fmt: skip
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Callable[[_Message], Awaitable[None]]) -> None:
        loop, happened, version = asyncio.get_running_loop(), asyncio.Event(), 0

        def wake() -> None:
            loop.call_soon_threadsafe(happened.set)

        with self._live.watching(wake, self._closeups):
            while not self._live.is_closed:
                news = self._live.news(version)
                version = news.version
                body = parts_of(news) or part("quiet", "", b"")
                sent = send({"type": "http.response.body", "body": body, "more_body": True})
                await asyncio.wait_for(sent, _STUCK_S)
                await _event(happened, _QUIET_S)
                happened.clear()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _event(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except asyncio.TimeoutError:
        return


async def _left(receive: Callable[[], Awaitable[_Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def parts_of(news: News) -> bytes:
    """Return the parts for what has changed."""
    states = [part("state", name, json.dumps(value).encode()) for name, value in news.states.items()]
    return b"".join([*states, *(part("picture", name, picture) for name, picture in news.pictures.items())])


def part(kind: str, name: str, content: bytes) -> bytes:
    """Return one part."""
    return json.dumps({"kind": kind, "name": name, "size": len(content)}).encode() + b"\n" + content


mimetypes.add_type("text/javascript", ".js")  # some systems have another type for it

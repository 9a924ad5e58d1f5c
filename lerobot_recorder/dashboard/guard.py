"""Looks at every request before the page does: host, origin, size and session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse

from lerobot_recorder.dashboard.access import Access, is_own_origin

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 16_384
"""Bytes that a request may carry."""

_TOO_LARGE = f"a request may carry {LARGEST_BODY} bytes at most"
_LONGEST_PATH = 2_000
_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
     b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)  # fmt: skip

_LOGIN = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>lerobot_recorder</title>
<h1>lerobot_recorder</h1>
<p>{text}</p>
<form method="post" action="/login">
<input name="token" type="password" autofocus> <button>Open</button></form>
"""
_OPENING = """<!doctype html>
<meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/"><title>lerobot_recorder</title>
"""
_ASK = "Scan the code that the terminal shows, or type the token that is below it."


class Guard:
    """Lets only requests through that may see the page; everything else gets an error and nothing else."""

    def __init__(self, app: App, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        guarded = _with_headers(send)
        if (refusal := self._refusal(request)) is not None:
            await refusal(scope, receive, guarded)
            return
        receive = _limited(receive)
        try:
            if request.url.path == "/login":
                answer = await self._login(Request(scope, receive))
                await answer(scope, receive, guarded)
            elif not self._access.is_session(request.cookies.get(self._access.cookie, "")):
                await HTMLResponse(_LOGIN.format(text=_ASK), 401)(scope, receive, guarded)
            else:
                await self._app(scope, receive, guarded)
        except HTTPException as error:
            await _refused(error.status_code, error.detail)(scope, receive, guarded)

    def _refusal(self, request: Request) -> Any:
        """Return the answer to a request that must not even be looked at; None if there is nothing wrong."""
        host = request.headers.get("host", "")
        if not self._access.is_host(host):
            return _refused(
                421, "this name does not belong to the page: use its IP address, or set the parameter hosts"
            )
        origin = request.headers.get("origin")
        is_ours = origin is not None and is_own_origin(origin, host)
        if (origin is not None or request.method not in ("GET", "HEAD")) and not is_ours:
            return _refused(403, "the request comes from another site")
        is_navigation = request.headers.get("sec-fetch-mode", "navigate") == "navigate"
        if request.headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_navigation:
            return _refused(403, "the request comes from another site")
        if len(request.url.path) + len(request.url.query) > _LONGEST_PATH:
            return _refused(414, f"an address may have {_LONGEST_PATH} characters at most")
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            return _refused(413, _TOO_LARGE)
        return None

    async def _login(self, request: Request) -> Any:
        """Give a browser that shows the token a session."""
        address = request.client.host if request.client else ""
        if wait_s := self._access.wrong.wait_s(address):
            text = f"Too many wrong tokens: try again in {wait_s:.0f} s."
            return HTMLResponse(_LOGIN.format(text=text), 429, {"retry-after": f"{wait_s:.0f}"})
        if request.method == "POST":
            given = parse_qs((await request.body()).decode(errors="replace")).get("token", [""])[0]
        else:
            given = request.query_params.get("token", "")
        if not self._access.is_token(given):
            if given:
                self._access.wrong.note(address)
            text = f"That is not the token. {_ASK}" if given else _ASK
            return HTMLResponse(_LOGIN.format(text=text), 401)
        # Not a redirect: after a link in another site, a browser would follow it without the strict cookie.
        answer = HTMLResponse(_OPENING)
        answer.set_cookie(self._access.cookie, self._access.session, httponly=True, samesite="strict")
        return answer


def _refused(status: int, text: str) -> Any:
    return PlainTextResponse(text, status)


def _limited(receive: Receive) -> Receive:
    """Count the bytes of a request: one without a ``Content-Length`` may carry any number."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            message = {**message, "headers": [*given, *_missing(given)]}
        await send(message)

    return sent


def _missing(given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers that every answer has; without its own rule, nothing is kept by the browser."""
    names = {name.lower() for name, _ in given}
    return [*_HEADERS, *([] if b"cache-control" in names else [(b"cache-control", b"no-store")])]

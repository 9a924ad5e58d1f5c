"""The web application: pages, live stream, actions, episodes and edits."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from lerobot_recorder.answers import Answer, with_offer
from lerobot_recorder.dashboard.access import Access
from lerobot_recorder.dashboard.actions import ACTIONS, CONTROLS, OFFER_BUTTONS, Action, Station
from lerobot_recorder.dashboard.edits import Edits
from lerobot_recorder.dashboard.guard import App, Guard
from lerobot_recorder.dashboard.library import Library
from lerobot_recorder.dashboard.live import Live
from lerobot_recorder.dashboard.stream import LiveStream
from lerobot_recorder.dashboard.targets import not_the_target
from lerobot_recorder.errors import ConfigError, DatasetError, RecorderError, SpoolError, VideoError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.preflight import load_findings, sheet_file

STATIC = Path(__file__).parent / "static"
_LARGEST_WIDTH = 4096
_MOST_LISTED = 10_000
_TIMEOUT_S = 120.0
"""How long a node may take for an answer; an edit of a large dataset takes seconds."""

_LOOK_S = 2.0
"""How often it looks whether a node that has not answered yet still reports its status."""

_KEEP = {"cache-control": "private, max-age=86400, immutable"}


def make_app(root: Path, station: Station, live: Live, access: Access) -> App:
    """Return the application for the dataset at ``root``, as ASGI.

    Args:
        root: the dataset's directory; it need not exist yet.
        station: the nodes.
        live: what is shown live.
        access: who may see it.
    """
    pages, library, before = _Pages(station, live), _Episodes(root, station, live), _BeforeTheFirstTake(root)
    static = {path.name: path for path in STATIC.iterdir() if path.is_file()}

    async def page(request: Request) -> Response:
        path = static.get(request.path_params.get("name", "index.html"))
        if path is None:
            raise HTTPException(404)
        return FileResponse(path, headers={"cache-control": "no-cache"})

    async def icon(_request: Request) -> Response:
        return FileResponse(static["icon.svg"])  # asked for after the login, whose page names no icon

    routes = [
        Route("/", page),
        Route("/favicon.ico", icon),
        Route("/static/{name}", page),
        Route("/live", pages.live),
        Route("/actions/{name}", pages.act, methods=["POST"]),
        Route("/controls/{name}", pages.control, methods=["POST"]),
        Route("/episodes", library.listing),
        Route("/episodes/{ref}", library.details),
        Route("/episodes/{ref}/thumbnail", library.thumbnail),
        Route("/episodes/{ref}/picture/{key}/{row:int}", library.picture),
        Route("/episodes/{ref}/video/{key}", library.video),
        Route("/preflight", before.findings),
        Route("/preflight/picture", before.picture),
        Route("/edits", library.edit, methods=["POST"]),
    ]
    refusals: dict[Any, Any] = {
        ConfigError: _refused(400),
        DatasetError: _refused(404),
        SpoolError: _refused(404),
        VideoError: _refused(404),
        RecorderError: _refused(409),
    }
    return Guard(Starlette(routes=routes, exception_handlers=refusals), access)


def _refused(status: int) -> Callable[[Request, Exception], Any]:
    async def answer(_request: Request, error: Exception) -> Response:
        return _response(Answer(False, str(error), getattr(error, "offer", "")), status)

    return answer


class _Pages:
    """Live stream, actions and controls."""

    def __init__(self, station: Station, live: Live) -> None:
        self._station, self._live = station, live

    async def live(self, request: Request) -> Any:
        return LiveStream(self._live, request.query_params.getlist("closeup"))

    async def act(self, request: Request) -> Response:
        action = ACTIONS.get(request.path_params["name"])
        if action is None:
            raise HTTPException(404)
        wanted = await _json(request)
        value = wanted.get("value", False)
        if not isinstance(value, bool):
            raise ConfigError(f"value: expected true or false, found {value!r}")
        if refusal := not_the_target(action.service, wanted.get("id"), self._live.state("recorder")):
            return _response(Answer(False, refusal))
        return _response(await _answered(self._station.call(action, value), action.node, self._live))

    async def control(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in CONTROLS:
            raise HTTPException(404)
        node, kind = CONTROLS[name]
        value = (await _json(request)).get("value")
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind or not _fits_parameter(value):
            raise ConfigError(f"{name}: expected {kind.__name__}, found {value!r}")
        answer = await _answered(self._station.set_parameter(node, name, value), node, self._live)
        return _response(Answer(True, _is_set(name, value)) if answer.success else answer)


class _BeforeTheFirstTake:
    """What the last preflight has found."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def findings(self, _request: Request) -> Response:
        found = await run_in_threadpool(load_findings, self._root)
        return JSONResponse(asdict(found) if found else None)

    async def picture(self, _request: Request) -> Response:
        path = sheet_file(self._root)
        if path.is_symlink() or not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, headers={"cache-control": "no-store"})


class _Episodes:
    """The list of episodes, playback and edits."""

    def __init__(self, root: Path, station: Station, live: Live) -> None:
        self._library, self._edits = Library(root), Edits(root)
        self._station, self._live = station, live
        self._editing = threading.Lock()
        self._decoding = asyncio.Semaphore(1)
        self._number = 0

    async def listing(self, request: Request) -> Response:
        last = _number(request, "last", _MOST_LISTED)
        return JSONResponse(await run_in_threadpool(self._library.listing, last or _MOST_LISTED))

    async def details(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._library.details, request.path_params["ref"]))

    async def thumbnail(self, request: Request) -> Response:
        async with self._decoding:  # the recording needs the other cores
            picture = await run_in_threadpool(self._library.thumbnail, request.path_params["ref"])
        return Response(picture, media_type="image/jpeg", headers=_kept(request))

    async def picture(self, request: Request) -> Response:
        given, width = request.path_params, _number(request, "width", _LARGEST_WIDTH)
        async with self._decoding:
            picture = await run_in_threadpool(
                self._library.picture, given["ref"], given["key"], given["row"], width
            )
        return Response(picture, media_type="image/jpeg", headers=_kept(request))

    async def video(self, request: Request) -> Response:
        given = request.path_params
        path = await run_in_threadpool(self._library.video_file, given["ref"], given["key"])
        return FileResponse(path, media_type="video/mp4")

    async def edit(self, request: Request) -> Response:
        wanted = await _json(request)
        if (action := self._of_recorder(wanted)) is not None:
            answer = await _answered(self._station.call(action, False), action.node, self._live)
        else:
            answer = await run_in_threadpool(self._edit, wanted)
        self._number += 1
        self._live.put("edited", self._number)
        self._live.notify()
        return _response(answer)

    def _of_recorder(self, wanted: dict[str, Any]) -> Action | None:
        """Return the action for an edit of the recorder's last take: it counts how many are saved."""
        last = (self._live.state("recorder") or {}).get("last") or {}
        if wanted.get("ref") != last.get("episode_id", ""):
            return None
        names = {("accept", "rejected"): "accept_episode"}
        names |= dict.fromkeys((("delete", "ready"), ("delete", "rejected")), "delete_last_episode")
        name = names.get((str(wanted.get("edit")), str(last.get("state"))), "")
        return ACTIONS[name] if name in (self._live.state("actions") or ()) else None

    def _edit(self, wanted: dict[str, Any]) -> Answer:
        with self._editing:
            return self._edits.apply(wanted)


def _number(request: Request, name: str, most: int) -> int:
    given = request.query_params.get(name, "0")
    if not given.isdecimal() or int(given) > most:
        raise ConfigError(f"{name}: expected 0 to {most}, found {given!r}")
    return int(given)


def _fits_parameter(value: Any) -> bool:
    """Return whether a ROS parameter can hold a value that JSON can."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)
    return True


def _kept(request: Request) -> dict[str, str]:
    """Let a browser keep a picture whose address says which state of the files it is of."""
    return _KEEP if "state" in request.query_params else {}


async def _json(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError):
        raise ConfigError("expected a JSON object") from None
    if not isinstance(found, dict):
        raise ConfigError("expected a JSON object")
    return found


async def _answered(work: concurrent.futures.Future[Answer], node: str, live: Live) -> Answer:
    """Wait for a node's answer, as long as the node reports its status."""
    waiting = asyncio.wrap_future(work)
    for _ in range(round(_TIMEOUT_S / _LOOK_S)):
        if (await asyncio.wait({waiting}, timeout=_LOOK_S))[0]:
            return waiting.result()
        if node in (live.state("silent") or ()):
            waiting.cancel()
            return Answer(False, f"the {node} does not answer; whether it still does this is unknown")
    waiting.cancel()
    return Answer(False, f"no answer within {_TIMEOUT_S:.0f} s")


def _is_set(name: str, value: Any) -> str:
    """Return what the page answers when a parameter has been set."""
    if name == "paused":
        return "encoding is paused: episodes wait" if value else "encoding continues"
    if name == "video_encoding_batch_size":
        return f"encodes {counted(value, 'episode')} at a time"
    return f"next task: {value}" if name == "task" else f"{name.replace('_', ' ')}: {value}"


def _response(answer: Answer, refusal: int = 409) -> Response:
    message = with_offer(answer.message, answer.offer, OFFER_BUTTONS)
    return JSONResponse({"success": answer.success, "message": message}, 200 if answer.success else refusal)

"""A dashboard without ROS: a real server on a dataset, and nodes that only note what they are asked."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lerobot_recorder.answers import Answer
from lerobot_recorder.dashboard import Access, Action, Live, Server, make_app


def read_live(url: str, query: str = "") -> Iterator[tuple[str, str, Any]]:
    """Watch a dashboard as its page does: yield kind, name and content of each part."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    try:
        connection.request("GET", f"/live{query}")
        response = connection.getresponse()
        while line := response.readline():
            part = json.loads(line)
            content = response.read(part["size"])
            yield part["kind"], part["name"], json.loads(content) if part["kind"] == "state" else content
    finally:
        connection.close()


class NotingStation:
    """Answers every call, and keeps a list of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answer = Answer(True, "done")

    def call(self, action: Action, value: bool) -> Future[Answer]:
        return self._note(action.service, value)

    def set_parameter(self, node: str, name: str, value: Any) -> Future[Answer]:
        return self._note(f"{node}.{name}", value)

    def _note(self, what: str, value: Any) -> Future[Answer]:
        self.asked.append((what, value))
        work: Future[Answer] = Future()
        work.set_result(self.answer)
        return work


class Reply:
    """What the server has answered."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        return str(self.headers.get("set-cookie", "")).partition(";")[0]


class ServedDashboard:
    """A server at a free port of 127.0.0.1."""

    def __init__(self, root: Path, token: str = "", hosts: tuple[str, ...] = ()) -> None:
        self.station, self.live = NotingStation(), Live()
        self.server = Server("127.0.0.1", 0)
        self.access = Access(token, self.server.port, hosts)
        self.server.start(make_app(root, self.station, self.live, self.access))
        self.host = f"127.0.0.1:{self.server.port}"

    def __enter__(self) -> ServedDashboard:
        return self

    def __exit__(self, *_: object) -> None:
        self.live.close()
        self.server.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = self.connect()
        try:
            connection.request(method, path, body, dict(headers or {}))
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=_names(headers))

    def post(self, path: str, content: Any = None, **headers: str) -> Reply:
        """Send JSON as the page does, or text as it is."""
        body = content if isinstance(content, (str, bytes)) else json.dumps(content or {})
        return self.ask("POST", path, body, {"Origin": f"http://{self.host}", **_names(headers)})


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}

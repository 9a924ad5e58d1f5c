"""A stand-in for the Hugging Face Hub on this computer: it keeps the bytes that are uploaded."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".mp4", ".parquet")


@dataclass
class Repo:
    """Commits of a dataset, each with all its files, and tags."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.head]

    def at(self, revision: str) -> str | None:
        """Return the commit that a revision names."""
        name = self.head if revision == "main" else self.tags.get(revision, revision)
        return name if name in self.commits else None

    def commit(self, files: dict[str, bytes], message: str) -> str:
        name = hashlib.sha1(f"{len(self.commits)} {message}".encode()).hexdigest()
        self.commits[name] = files
        self.messages.append(message)
        return name


@dataclass
class Hub:
    """What the stand-in has.

    Attributes:
        url: its address.
        repos: datasets by name.
        objects: large files by their sha256.
        uploads: the sha256 of each large file that was received, in order.
        fail_after: number of large files after which uploads are refused.
    """

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    fail_after: int | None = None
    forbidden: bool = False


@contextmanager
def local_hub() -> Iterator[Hub]:
    """Run a stand-in."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self._dispatch("POST")

    def do_PUT(self) -> None:
        self._dispatch("PUT")

    def do_DELETE(self) -> None:
        self._dispatch("DELETE")

    def do_GET(self) -> None:
        self._dispatch("GET")

    def do_HEAD(self) -> None:
        self._dispatch("HEAD")

    def _dispatch(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        if self.hub.forbidden:
            self._answer({"error": "Forbidden"}, 403)
            return
        for name, pattern, act in _ROUTES:
            if name == method and (match := re.fullmatch(pattern, path)):
                act(self, body, *match.groups())
                return
        self._missing("EntryNotFound")

    def _answer(self, content: Any, status: int = 200, **headers: str) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _missing(self, kind: str) -> None:
        self._answer({"error": kind}, 404, X_Error_Code=kind)

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        known = name in self.hub.repos
        if not known:
            self.hub.repos[name] = Repo()
            self.hub.repos[name].commit({".gitattributes": b""}, "initial commit")
        self._answer({"url": f"{self.hub.url}/datasets/{name}", "name": name}, 409 if known else 200)

    def info(self, _: bytes, name: str, revision: str = "main") -> None:
        repo = self.hub.repos.get(name)
        commit = repo.at(revision) if repo else None
        if repo is None or commit is None:
            self._missing("RepoNotFound" if repo is None else "RevisionNotFound")
            return
        siblings = [{"rfilename": path} for path in repo.commits[commit]]
        self._answer(
            {"id": name, "sha": commit, "siblings": siblings, "private": False, "tags": [], "downloads": 0}
        )

    def refs(self, _: bytes, name: str) -> None:
        repo = self.hub.repos.get(name)
        if repo is None:
            self._missing("RepoNotFound")
            return
        tags = [
            {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": commit}
            for tag, commit in repo.tags.items()
        ]
        branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head}]
        self._answer({"branches": branches, "tags": tags, "converts": []})

    def tree(self, _: bytes, name: str, revision: str) -> None:
        repo = self.hub.repos[name]
        files = repo.commits[repo.at(revision) or ""]
        self._answer(
            [
                {"type": "file", "path": path, "size": len(content), "oid": _sha1(content)}
                for path, content in files.items()
            ]
        )

    def preupload(self, body: bytes, name: str, _: str) -> None:
        files = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if PurePosixPath(each["path"]).suffix in LARGE else "regular",
                "shouldIgnore": False,
            }
            for each in json.loads(body)["files"]
        ]
        self._answer({"files": files})

    def batch(self, body: bytes, _: str) -> None:
        objects = [
            each
            if each["oid"] in self.hub.objects
            else {**each, "actions": {"upload": {"href": f"{self.hub.url}/objects/{each['oid']}"}}}
            for each in json.loads(body)["objects"]
        ]
        self._answer({"transfer": "basic", "objects": objects})

    def receive(self, body: bytes, oid: str) -> None:
        if self.hub.fail_after is not None and len(self.hub.uploads) >= self.hub.fail_after:
            self._answer({"error": "the disk is full"}, 422)
            return
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.objects[oid] = body
        self.hub.uploads.append(oid)
        self._answer({})

    def commit(self, body: bytes, name: str, _: str) -> None:
        repo = self.hub.repos[name]
        files, message = dict(repo.files), ""
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                message = value["summary"]
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commit = repo.commit(files, message)
        url = f"{self.hub.url}/datasets/{name}/commit/{commit}"
        self._answer({"success": True, "commitOid": commit, "commitUrl": url})

    def tag(self, body: bytes, name: str, revision: str) -> None:
        repo, tag = self.hub.repos[name], json.loads(body)["tag"]
        if tag in repo.tags:
            self._answer({"error": "exists"}, 409)
            return
        repo.tags[tag] = repo.at(revision) or ""
        self._answer({})

    def untag(self, _: bytes, name: str, tag: str) -> None:
        if self.hub.repos[name].tags.pop(tag, None) is None:
            self._missing("RevisionNotFound")
            return
        self._answer({})

    def validate(self, _: bytes) -> None:
        self._answer({"errors": [], "warnings": []})

    def resolve(self, _: bytes, name: str, revision: str, path: str) -> None:
        repo = self.hub.repos[name]
        commit = repo.at(revision)
        if commit is None or path not in repo.commits[commit]:
            self._missing("EntryNotFound" if commit else "RevisionNotFound")
            return
        content = repo.commits[commit][path]
        self._answer(content, X_Repo_Commit=commit, ETag=f'"{_sha1(content)}"')


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


_NAME = "([^/]+/[^/]+)"
_ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("GET", f"/api/datasets/{_NAME}", _Handler.info),
    ("GET", f"/api/datasets/{_NAME}/revision/(.+)", _Handler.info),
    ("GET", f"/api/datasets/{_NAME}/refs", _Handler.refs),
    ("GET", f"/api/datasets/{_NAME}/tree/(.+)", _Handler.tree),
    ("POST", f"/api/datasets/{_NAME}/preupload/(.+)", _Handler.preupload),
    ("POST", f"/api/datasets/{_NAME}/commit/(.+)", _Handler.commit),
    ("POST", f"/api/datasets/{_NAME}/tag/(.+)", _Handler.tag),
    ("DELETE", f"/api/datasets/{_NAME}/tag/(.+)", _Handler.untag),
    ("POST", f"/datasets/{_NAME}.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", "/objects/(.+)", _Handler.receive),
    ("GET", f"/datasets/{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
    ("HEAD", f"/datasets/{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
]

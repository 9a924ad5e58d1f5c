from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from lerobot_recorder.cameras import CameraSettings
from lerobot_recorder.cameras.multipart import MultipartCamera, NotMultipartError
from lerobot_recorder.errors import CameraError

BOUNDARY = "frame"


class Server:
    """An HTTP server that sends given parts as one response, then keeps silent until it is closed."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.content_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        self.status = 200
        self.hang_up = False
        self.requests: list[tuple[str, str | None]] = []
        self.closed = threading.Event()
        handler = type("Handler", (_Handler,), {"server_of_test": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"127.0.0.1:{self._http.server_port}"
        self.url = f"http://{self.address}/stream?size=small"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.closed.set()
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_of_test: ClassVar[Server]

    def do_GET(self) -> None:
        server = self.server_of_test
        server.requests.append((self.path, self.headers["Authorization"]))
        self.send_response(server.status)
        self.send_header("Content-Type", server.content_type)
        self.end_headers()
        self.wfile.write(b"".join(server.parts))
        if not server.hang_up:
            server.closed.wait()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def connect(server) -> Iterator[Callable[..., MultipartCamera]]:
    cameras = []

    def connect(url: str = "") -> MultipartCamera:
        cameras.append(MultipartCamera(CameraSettings("top", url or server.url)))
        return cameras[-1]

    yield connect
    for camera in cameras:
        camera.close()


def part(jpeg: bytes, *headers: str, length: bool = True) -> bytes:
    lines = [f"--{BOUNDARY}", "Content-Type: image/jpeg", *headers]
    lines += [f"Content-Length: {len(jpeg)}"] if length else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + jpeg + b"\r\n"


@pytest.mark.parametrize("length", [True, False])
def test_bytes_delivered_are_the_bytes_sent(server, connect, jpegs, length):
    server.parts = [part(jpeg, length=length) for jpeg in jpegs] + [f"--{BOUNDARY}--\r\n".encode()]
    camera = connect()
    assert [camera.read(want_rgb=False).jpeg for _ in jpegs] == jpegs


def test_pixels_come_only_when_wanted(server, connect, jpegs):
    server.parts = [part(jpeg) for jpeg in jpegs]
    camera = connect()
    assert camera.read(want_rgb=False).rgb is None
    assert camera.read(want_rgb=True).rgb.shape == (144, 176, 3)


def test_stamps_follow_the_servers_times(server, connect, jpegs):
    server.parts = [part(jpeg, f"X-Timestamp: {1000 + i / 30:.6f}") for i, jpeg in enumerate(jpegs)]
    camera = connect()
    stamps = [camera.read(want_rgb=False).stamp_ns for _ in jpegs]
    assert max(stamps) <= time.time_ns()
    assert stamps == sorted(stamps)


def test_the_query_and_the_login_are_sent(server, connect):
    connect(f"http://me:s%40fe@{server.address}/stream?size=small")
    assert server.requests == [("/stream?size=small", "Basic bWU6c0BmZQ==")]


@pytest.mark.parametrize("quoted", ["frame", '"frame"', "--frame"])
def test_the_boundary_may_be_written_in_several_ways(server, connect, jpegs, quoted):
    server.content_type = f"multipart/x-mixed-replace;boundary={quoted}"
    server.parts = [part(jpegs[0])]
    assert connect().read(want_rgb=False).jpeg == jpegs[0]


def test_a_part_that_is_not_an_image_is_skipped(server, connect, jpegs):
    server.parts = [part(b"oops"), part(jpegs[0])]
    camera = connect()
    assert camera.read(want_rgb=True) is None
    assert camera.read(want_rgb=True).jpeg == jpegs[0]


def test_silence_is_an_error(server, connect, jpegs, monkeypatch):
    monkeypatch.setattr("lerobot_recorder.cameras.multipart.READ_TIMEOUT_S", 0.1)
    server.parts = [part(jpegs[0]), part(jpegs[1])[:500]]
    camera = connect()
    camera.read(want_rgb=False)
    with pytest.raises(CameraError, match="frozen"):
        camera.read(want_rgb=False)


def test_the_end_of_the_stream_is_an_error(server, connect, jpegs):
    server.parts, server.hang_up = [part(jpegs[0])], True
    camera = connect()
    camera.read(want_rgb=False)
    with pytest.raises(CameraError, match="ended"):
        camera.read(want_rgb=False)


def test_an_invalid_length_is_an_error(server, connect):
    server.parts = [f"--{BOUNDARY}\r\nContent-Length: many\r\n\r\n".encode()]
    with pytest.raises(CameraError, match="stopped"):
        connect().read(want_rgb=False)


def test_a_web_page_is_not_a_camera(server, connect):
    server.content_type = "text/html"
    with pytest.raises(NotMultipartError, match="text/html"):
        connect()


def test_a_refused_request_is_an_error(server, connect):
    server.status = 401
    with pytest.raises(CameraError, match="401"):
        connect()


def test_an_unreachable_server_is_an_error(connect):
    with pytest.raises(CameraError, match="Connection refused"):
        connect("http://127.0.0.1:9/")


def test_a_camera_takes_it_by_its_url(server, watch, jpegs):
    server.parts = [part(jpeg) for jpeg in jpegs]
    watched = watch(server.url, want_rgb=lambda: False)
    assert [image.jpeg for image in watched.take(len(jpegs))] == jpegs


def test_a_stream_that_ends_is_reopened(server, watch, jpegs):
    server.parts, server.hang_up = [part(jpegs[0])], True
    watched = watch(server.url)
    assert [image.jpeg for image in watched.take(2)] == 2 * jpegs[:1]
    assert len(server.requests) >= 2


@pytest.mark.parametrize("length", [True, False])
def test_bytes_that_a_camera_appends_to_an_image_are_removed(server, connect, jpegs, length):
    server.parts = [part(jpeg + b"\0\0ESP32: 17 fps", length=length) for jpeg in jpegs]
    server.parts.append(f"--{BOUNDARY}--\r\n".encode())
    camera = connect()
    assert [camera.read(want_rgb=False).jpeg for _ in jpegs] == jpegs


@pytest.mark.parametrize("headers", [("Content-Length: -5",), ("X: " + "y" * 100_000,)])
def test_invalid_headers_are_an_error(server, connect, jpegs, headers):
    server.parts = [part(jpegs[0], *headers, length=False)]
    with pytest.raises(CameraError, match="stopped"):
        connect().read(want_rgb=False)

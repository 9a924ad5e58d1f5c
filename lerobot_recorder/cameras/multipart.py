"""MJPEG over HTTP: JPEG images that network cameras send as one endless multipart response.

FFmpeg can read these too, but drops the first image, delivers images without a Content-Length two periods
late, and hides the capture time that many servers send.
"""

from __future__ import annotations

import base64
import http.client
import time
from email import message_from_bytes
from email.message import Message
from urllib.parse import SplitResult, unquote, urlsplit

from lerobot_recorder.cameras.container import jpeg_image, reason
from lerobot_recorder.cameras.settings import CameraImage, CameraSettings
from lerobot_recorder.cameras.source import SourceClock
from lerobot_recorder.errors import CameraError

OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 0.8
_TIME_HEADERS = ("X-Timestamp",)  # seconds, of mjpg-streamer and ustreamer
_LARGEST_PART = 64 << 20
_LONGEST_HEADERS = 1 << 16
_CHUNK = 1 << 16


class NotMultipartError(CameraError):
    """The URL does not deliver a multipart stream."""


class MultipartCamera:
    """A network camera that sends a sequence of JPEG images.

    Raises:
        NotMultipartError: the URL does not deliver a multipart stream.
        CameraError: the camera cannot be reached.
    """

    is_live = True
    sends_jpeg = True

    def __init__(self, settings: CameraSettings) -> None:
        self._place = settings.place
        self.rate_hz = float(settings.fps)
        self._clock = SourceClock()
        self._connection, self._response = _request(settings.source, self._place)
        self._boundary = _boundary(self._place, self._response)
        self._ahead = b""

    def read(self, want_rgb: bool) -> CameraImage | None:
        """See ``Source.read``."""
        try:
            headers = self._read_headers()
            jpeg, arrived_ns = self._read_body(headers)
        except TimeoutError:
            raise CameraError(f"{self._place} is frozen: no data for {READ_TIMEOUT_S:g} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CameraError(f"{self._place} stopped: {reason(error)}") from error
        return jpeg_image(jpeg, self._clock.stamp_ns(_camera_time_s(headers), arrived_ns), want_rgb)

    def close(self) -> None:
        """See ``Source.close``."""
        self._response.close()
        self._connection.close()

    def _read_headers(self) -> Message:
        while not self._line().lstrip(b"-").startswith(self._boundary):
            pass
        lines = b""
        while (line := self._line()).strip():
            lines += line
            if len(lines) > _LONGEST_HEADERS:
                raise ValueError(f"headers are larger than {_LONGEST_HEADERS} bytes")
        return message_from_bytes(lines)

    def _read_body(self, headers: Message) -> tuple[bytes, int]:
        """Return the image and the arrival time of its last byte."""
        if "Content-Length" not in headers:
            return self._read_until_boundary()
        length = int(headers["Content-Length"])
        if length < 0:
            raise ValueError(f"invalid image size: {length} bytes")
        while len(self._ahead) < length:
            self._more()
        jpeg, self._ahead = self._ahead[:length], self._ahead[length:]
        return jpeg, time.time_ns()

    def _read_until_boundary(self) -> tuple[bytes, int]:
        arrived_ns = time.time_ns()
        while (end := self._ahead.find(self._boundary)) < 0:
            arrived_ns = time.time_ns()
            self._more()
        jpeg, self._ahead = self._ahead[:end], self._ahead[end:]
        return jpeg.rstrip(b"-").removesuffix(b"\n").removesuffix(b"\r"), arrived_ns

    def _line(self) -> bytes:
        while (end := self._ahead.find(b"\n") + 1) == 0:
            self._more()
        line, self._ahead = self._ahead[:end], self._ahead[end:]
        return line

    def _more(self) -> None:
        data = self._response.read1(_CHUNK)
        if not data:
            raise ConnectionError("the stream has ended")
        self._ahead += data
        if len(self._ahead) > _LARGEST_PART:
            raise ValueError(f"an image is larger than {_LARGEST_PART} bytes")


def _request(url: str, place: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    parts = urlsplit(url)
    secure = parts.scheme.lower() == "https"
    make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    try:
        connection = make(parts.hostname or "", parts.port, timeout=OPEN_TIMEOUT_S)
        connection.connect()
        socket = connection.sock
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers=_login(parts))
        response = connection.getresponse()
        socket.settimeout(READ_TIMEOUT_S)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CameraError(f"cannot open {place}: {reason(error)}") from error
    if response.status != http.HTTPStatus.OK:
        connection.close()
        raise CameraError(f"cannot open {place}: the server answered {response.status} {response.reason}")
    return connection, response


def _login(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _boundary(place: str, response: http.client.HTTPResponse) -> bytes:
    boundary = response.headers.get_param("boundary")
    if response.headers.get_content_maintype() != "multipart" or not isinstance(boundary, str):
        response.close()
        raise NotMultipartError(
            f"{place} sends {response.headers.get_content_type()}, expected an MJPEG stream: "
            "find the address of the stream in the camera's manual"
        )
    return boundary.lstrip("-").encode()


def _camera_time_s(headers: Message) -> float | None:
    for name in _TIME_HEADERS:
        try:
            return float(headers[name])
        except (TypeError, ValueError):
            continue
    return None

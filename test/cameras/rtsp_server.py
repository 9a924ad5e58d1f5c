"""A small RTSP server that sends H.264 over the connection itself (RFC 2326, RFC 6184)."""

from __future__ import annotations

import base64
import io
import re
import socket
import struct
import threading
from itertools import islice
from pathlib import Path

import av

_CLOCK_HZ = 90_000


def h264_images(video: Path, count: int) -> list[list[bytes]]:
    """Encode the first frames of a video; return the NAL units of each."""
    buffer = io.BytesIO()
    options = {"tune": "zerolatency", "x264-params": "keyint=10:repeat-headers=1"}
    images = []
    with av.open(str(video)) as source, av.open(buffer, "w", format="h264") as encoder:
        stream = encoder.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        for frame in islice(source.decode(video=0), count):
            frame.pts = None
            images += [_nal_units(bytes(packet)) for packet in stream.encode(frame)]
    return images


def _nal_units(annex_b: bytes) -> list[bytes]:
    return [unit.rstrip(b"\0") for unit in re.split(b"\0\0\0?\1", annex_b) if unit]


class RtspServer:
    """Sends images, one time only, to whoever plays them, then keeps silent until closed."""

    def __init__(self, images: list[list[bytes]], rate_hz: float = 30) -> None:
        self._images, self._rate_hz = images, rate_hz
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopped = threading.Event()
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/live"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._stopped.set()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rwb") as stream:
            while request := stream.readline().decode():
                headers = dict(iter(lambda: _header(stream.readline()), ("", "")))
                method = request.split()[0]
                stream.write(self._answer(method, headers))
                stream.flush()
                if method == "PLAY":
                    stream.write(b"".join(self._packets()))
                    stream.flush()
                    self._stopped.wait()
                    return

    def _answer(self, method: str, headers: dict[str, str]) -> bytes:
        lines = ["RTSP/1.0 200 OK", f"CSeq: {headers['cseq']}", "Session: 1"]
        body = self._description() if method == "DESCRIBE" else ""
        lines += {
            "OPTIONS": ["Public: OPTIONS, DESCRIBE, SETUP, PLAY"],
            "DESCRIBE": ["Content-Type: application/sdp", f"Content-Length: {len(body)}"],
            "SETUP": ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1"],
        }.get(method, [])
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def _description(self) -> str:
        sets = ",".join(base64.b64encode(unit).decode() for unit in self._images[0] if unit[0] & 31 in {7, 8})
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            "m=video 0 RTP/AVP 96\r\n"
            f"a=rtpmap:96 H264/{_CLOCK_HZ}\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\n"
            "a=control:video\r\n"
        )

    def _packets(self) -> list[bytes]:
        packets = []
        for number, units in enumerate(self._images):
            time = round(number / self._rate_hz * _CLOCK_HZ)
            for unit in units:
                marker = 0x80 if unit is units[-1] else 0
                rtp = struct.pack(">BBHII", 0x80, 96 | marker, len(packets), time, 1) + unit
                packets.append(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp)
        return packets


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode().strip().partition(": ")
    return name.lower(), value

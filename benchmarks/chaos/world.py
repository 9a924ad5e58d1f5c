"""The devices: arms on pseudo-terminals and network cameras, all of which show the number of the moment.

Run as ``python -m chaos.world DIRECTORY EPOCH``. It prints one JSON object, then works until its standard
input ends: ``{"ports": {arm: path}, "cameras": {camera: url}}``.
"""

from __future__ import annotations

import functools
import http.server
import json
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import cv2

from chaos.numbers import ARMS, CAMERAS, RATE_HZ, number_at, picture, pose_rad
from lerobot_recorder.simulation import SimulatedArm

_BOUNDARY = "picture"
_FARTHEST_BEHIND = 15
"""Numbers; a camera that was held up longer leaves some out."""


class CameraHandler(http.server.BaseHTTPRequestHandler):
    """Answers every request with the pictures of one camera, without end."""

    def __init__(self, *arguments: object, camera: str, epoch_s: float) -> None:
        self._camera, self._epoch_s = camera, epoch_s
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.end_headers()
        number = number_at(time.time(), self._epoch_s)
        with suppress(OSError):  # whoever looked is gone
            while True:
                number = max(number + 1, number_at(time.time(), self._epoch_s) - _FARTHEST_BEHIND)
                self._send(number)

    def _send(self, number: int) -> None:
        time_s = self._epoch_s + number / RATE_HZ
        time.sleep(max(0.0, time_s - time.time()))
        grey = picture(number, self._camera)
        jpeg = cv2.imencode(".jpg", cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))[1].tobytes()
        head = f"--{_BOUNDARY}\r\nContent-Length: {len(jpeg)}\r\nX-Timestamp: {time_s:.6f}\r\n\r\n"
        self.wfile.write(head.encode() + jpeg + b"\r\n")


class CameraServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, camera: str, epoch_s: float) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(CameraHandler, camera=camera, epoch_s=epoch_s))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/stream"


def main(directory: Path, epoch_s: float) -> None:
    with ExitStack() as stack:
        ports = {}
        for arm in ARMS:
            simulated = SimulatedArm(
                directory / arm, hand=lambda _, arm=arm: pose_rad(number_at(time.time(), epoch_s), arm)
            )
            ports[arm] = stack.enter_context(simulated).port
        cameras = {camera: CameraServer(camera, epoch_s).url for camera in CAMERAS}
        print(json.dumps({"ports": ports, "cameras": cameras}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))

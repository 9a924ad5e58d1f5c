"""Reads one camera in a process of its own and prints what comes, a JSON object a line.

Usage: camera_printer.py SETTINGS, as JSON. Ends when its standard input does.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from dataclasses import asdict

from lerobot_recorder.cameras import Camera, CameraImage, CameraSettings
from lerobot_recorder.errors import CameraError

_STATUS_S = 0.1


def say(**content: object) -> None:
    """Print a line in one piece: two threads do so."""
    print(json.dumps(content) + "\n", end="", flush=True)


def tell(image: CameraImage) -> None:
    pixels = {} if image.rgb is None else {"rgb": base64.b64encode(image.rgb.tobytes()).decode()}
    jpeg = {} if image.jpeg is None else {"jpeg": base64.b64encode(image.jpeg).decode()}
    say(stamp_ns=image.stamp_ns, width=image.width, height=image.height, **pixels, **jpeg)


def main() -> None:
    settings = json.loads(sys.argv[1])
    want_rgb = settings.pop("want_rgb", False)
    camera = Camera(CameraSettings("top", **settings), tell, want_rgb=lambda: want_rgb)
    try:
        camera.start()
    except CameraError as error:
        say(error=str(error))
        return
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(_STATUS_S):
        say(status=asdict(camera.status()))
    camera.stop()


if __name__ == "__main__":
    main()

"""A video file as a camera, played in a loop at its own rate."""

from __future__ import annotations

import time
from pathlib import Path

import av

from lerobot_recorder.cameras.container import Container, Shot, open_container, reason
from lerobot_recorder.cameras.settings import CameraImage, CameraSettings
from lerobot_recorder.cameras.source import Pace
from lerobot_recorder.errors import CameraError

RAW_JPEG_SUFFIXES = (".mjpeg", ".mjpg")


class VideoFileSource:
    """Plays a video file in a loop.

    JPEG images (a ``.mjpeg`` file, or a container with an MJPEG track) are passed on undecoded. A bare
    ``.mjpeg`` file has no rate and is played at the rate of the settings.

    Raises:
        CameraError: the file does not exist or contains no video.
    """

    is_live = False

    def __init__(self, settings: CameraSettings) -> None:
        path = Path(settings.source).expanduser()
        if not path.is_file():
            raise CameraError(
                f"file {path} does not exist; a camera's source is 'sim', a device such as /dev/video0, "
                "an http:// or rtsp:// stream or a video file"
            )
        arguments = (
            {"format": "mjpeg", "options": {"framerate": str(settings.fps)}}
            if path.suffix.lower() in RAW_JPEG_SUFFIXES
            else {}
        )
        container = open_container(str(path), str(path), **arguments)
        self._container = Container(str(path), container, settings.size, live=False)
        self.sends_jpeg = self._container.is_jpeg
        stream = self._container.stream
        self.rate_hz = float(stream.average_rate or settings.fps)
        self._pace = Pace()
        self._begin_s = float((stream.start_time or 0) * stream.time_base)
        self._round_start_s = 0.0
        self._last_s = -1 / self.rate_hz

    def read(self, want_rgb: bool) -> CameraImage | None:
        """See ``Source.read``."""
        shot = self._next_shot()
        if shot.time_s is None:
            self._last_s += 1 / self.rate_hz
        else:
            self._last_s = self._round_start_s + shot.time_s - self._begin_s
        self._pace.wait_until(int(self._last_s * 1e9))
        return self._container.to_image(shot, time.time_ns(), want_rgb)

    def close(self) -> None:
        """See ``Source.close``."""
        self._container.close()

    def _next_shot(self) -> Shot:
        try:
            shot = self._container.next_shot() or self._next_round()
        except av.FFmpegError as error:
            raise CameraError(f"cannot read {self._container.source}: {reason(error)}") from error
        if shot is None:
            raise CameraError(f"{self._container.source} contains no image that can be decoded")
        return shot

    def _next_round(self) -> Shot | None:
        self._round_start_s = self._last_s + 1 / self.rate_hz
        self._container.rewind()
        return self._container.next_shot()

"""Network cameras that FFmpeg reads: RTSP and all other protocols that it supports."""

from __future__ import annotations

import time

import av

from lerobot_recorder.cameras.container import Container, open_container, reason
from lerobot_recorder.cameras.settings import CameraImage, CameraSettings
from lerobot_recorder.cameras.source import SourceClock
from lerobot_recorder.errors import CameraError

NETWORK_SCHEMES = ("http://", "https://", "rtsp://", "rtsps://")
_OPEN_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 0.8
_ANALYZED_US = "500000"  # time to detect the stream's format; FFmpeg's default is ten times as long


class NetworkCamera:
    """A camera that FFmpeg opens by its URL.

    Raises:
        CameraError: the camera cannot be reached.
    """

    is_live = True

    def __init__(self, settings: CameraSettings) -> None:
        options = {"rtsp_transport": "tcp", "analyzeduration": _ANALYZED_US}
        container = open_container(
            settings.place, settings.source, options=options, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S)
        )
        self._container = Container(settings.place, container, settings.size, live=True)
        self.sends_jpeg = self._container.is_jpeg
        self._clock = SourceClock()
        self.rate_hz = float(settings.fps)

    def read(self, want_rgb: bool) -> CameraImage | None:
        """See ``Source.read``."""
        try:
            shot = self._container.next_shot()
        except av.error.ExitError:
            raise CameraError(
                f"{self._container.source} is frozen: no data for {_READ_TIMEOUT_S:g} s"
            ) from None
        except av.FFmpegError as error:
            raise CameraError(f"{self._container.source} stopped: {reason(error)}") from error
        if shot is None:
            raise CameraError(f"{self._container.source} stopped: the stream has ended")
        stamp_ns = self._clock.stamp_ns(shot.time_s, time.time_ns())
        return self._container.to_image(shot, stamp_ns, want_rgb)

    def close(self) -> None:
        """See ``Source.close``."""
        self._container.close()

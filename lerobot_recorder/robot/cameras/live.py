"""Cameras that FFmpeg reads: V4L2 devices, and RTSP and other streams of network cameras."""

from __future__ import annotations

import time

import av

from lerobot_recorder.errors import CameraError
from lerobot_recorder.robot.cameras.clock import SourceClock, driver_time_ns
from lerobot_recorder.robot.cameras.container import Container, open_container, reason
from lerobot_recorder.robot.cameras.settings import CameraSettings, Picture

NETWORK_SCHEMES = ("http://", "https://", "rtsp://", "rtsps://")
_OPEN_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 0.8
_POLL_S = 0.002
# FFmpeg's AVFMT_FLAG_NONBLOCK, which has no name among its options: a read that finds no frame returns.
_NONBLOCK = "+4"


class Device:
    """A V4L2 camera.

    Raises:
        CameraError: It cannot be opened.
    """

    def __init__(self, settings: CameraSettings) -> None:
        path = device_path(settings.source)
        options = {"framerate": str(settings.fps), "timestamps": "abs", "fflags": _NONBLOCK}
        if settings.size:
            options["video_size"] = f"{settings.width}x{settings.height}"
        self._container = Container(path, _open_device(path, options, settings.pixel_format), settings.size)
        self.rate_hz = float(settings.fps)

    def read(self, want_rgb: bool) -> Picture | None:
        """See `Source.read`."""
        deadline = time.monotonic() + _READ_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                shot = self._container.next_shot()
            except BlockingIOError:
                time.sleep(_POLL_S)
                continue
            except av.FFmpegError as error:
                raise CameraError(f"{self._container.source} stopped: {reason(error)}") from error
            if shot is None:
                raise CameraError(f"{self._container.source} stopped: the device is gone")
            return self._container.to_picture(shot, driver_time_ns(shot.time_s, time.time_ns()), want_rgb)
        return None

    def close(self) -> None:
        """See `Source.close`."""
        self._container.close()


class NetworkCamera:
    """A camera that is reached by URL, by any protocol that FFmpeg speaks.

    Raises:
        CameraError: It cannot be reached.
    """

    def __init__(self, settings: CameraSettings) -> None:
        options = {"rtsp_transport": "tcp"}
        container = open_container(
            settings.source, settings.source, options=options, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S)
        )
        self._container = Container(settings.source, container, settings.size)
        self._clock = SourceClock()
        self.rate_hz = float(settings.fps)

    def read(self, want_rgb: bool) -> Picture | None:
        """See `Source.read`."""
        try:
            shot = self._container.next_shot()
        except av.FFmpegError as error:
            raise CameraError(f"{self._container.source} stopped: {reason(error)}") from error
        if shot is None:
            raise CameraError(f"{self._container.source} stopped: the stream has ended")
        stamp_ns = self._clock.stamp_ns(shot.time_s, time.time_ns())
        return self._container.to_picture(shot, stamp_ns, want_rgb)

    def close(self) -> None:
        """See `Source.close`."""
        self._container.close()


def device_path(source: str) -> str:
    """Return the device's path: ``0`` stands for ``/dev/video0``."""
    return f"/dev/video{source}" if source.isdigit() else source


def _open_device(path: str, options: dict[str, str], pixel_format: str) -> object:
    """Open a V4L2 device, as JPEG first unless it is asked for raw pictures."""
    if pixel_format != "raw":
        try:
            return open_container(
                path, path, format="video4linux2", options=options | {"input_format": "mjpeg"}
            )
        except CameraError:
            if pixel_format == "mjpeg":
                raise
    return open_container(path, path, format="video4linux2", options=options)

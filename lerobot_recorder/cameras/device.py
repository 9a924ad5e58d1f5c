"""A V4L2 camera, read by FFmpeg: JPEG images unchanged, others decoded."""

from __future__ import annotations

import errno
import time

import av

from lerobot_recorder.cameras.container import Container, open_container, reason
from lerobot_recorder.cameras.settings import CameraImage, CameraSettings
from lerobot_recorder.cameras.source import driver_time_ns
from lerobot_recorder.cameras.v4l2 import FORBIDDEN, PERMISSION_HINT, describe, list_cameras, set_controls
from lerobot_recorder.errors import CameraError

_OPEN_TIMEOUT_S = 3.0
_READ_TIMEOUT_S = 0.2  # the interval of checks for silence, so well below SILENCE_S
_POLL_S = 0.002
# FFmpeg's AVFMT_FLAG_NONBLOCK, for which there is no named option: a read without a frame returns at once.
_NONBLOCK = "+4"


class Device:
    """A V4L2 camera.

    Raises:
        CameraError: the camera cannot be opened.
    """

    is_live = True

    def __init__(self, settings: CameraSettings) -> None:
        self._path = device_path(settings.source)
        self.rate_hz = float(settings.fps)
        self._container = Container(self._path, _open(self._path, settings), size=None, live=True)
        self.sends_jpeg = self._container.is_jpeg
        try:
            set_controls(self._path, settings.controls, settings.exposure, settings.focus)
        except (CameraError, OSError) as error:
            self._container.close()
            raise CameraError(str(error)) from error

    def read(self, want_rgb: bool) -> CameraImage | None:
        """See ``Source.read``."""
        deadline = time.monotonic() + _READ_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                shot = self._container.next_shot()
            except BlockingIOError:
                time.sleep(_POLL_S)
                continue
            except av.FFmpegError as error:
                raise CameraError(f"{self._path} stopped: {reason(error)}") from error
            if shot is None:
                raise CameraError(f"{self._path} stopped: the device was disconnected")
            return self._container.to_image(shot, driver_time_ns(shot.time_s, time.time_ns()), want_rgb)
        return None

    def close(self) -> None:
        """See ``Source.close``."""
        self._container.close()


def device_path(source: str) -> str:
    """Return the device's path: ``0`` means ``/dev/video0``."""
    return f"/dev/video{source}" if source.isdigit() else source


def _open(path: str, settings: CameraSettings) -> object:
    """Open the device, with JPEG as first choice unless raw images are requested."""
    options = {"framerate": f"{settings.fps:g}", "timestamps": "abs", "fflags": _NONBLOCK}
    if settings.size:
        options["video_size"] = f"{settings.width}x{settings.height}"
    for format_options in _formats(settings.pixel_format):
        try:
            return open_container(
                path,
                path,
                format="video4linux2",
                options=options | format_options,
                timeout=(_OPEN_TIMEOUT_S, None),
            )
        except CameraError as error:
            refusal = error
    raise CameraError(f"{refusal}; {_hint(path, refusal)}") from refusal


def _formats(pixel_format: str) -> list[dict[str, str]]:
    """Return FFmpeg's options for the formats to try, in order."""
    jpeg, any_format = {"input_format": "mjpeg"}, dict[str, str]()
    return {"mjpeg": [jpeg], "raw": [any_format]}.get(pixel_format, [jpeg, any_format])


def _hint(path: str, error: CameraError) -> str:
    """Return what the user can do about a device that cannot be opened."""
    number = getattr(error.__cause__, "errno", None)
    if number == errno.ENOENT:
        cameras = ", ".join(f"{camera.path} ({camera.name})" for camera in list_cameras())
        return f"found {cameras or 'no camera: is it plugged in?'}"
    if number == errno.EBUSY:
        return "another program uses it: stop that program first"
    if number == errno.ENOSPC:
        return (
            "the USB bus has no bandwidth left: use pixel_format mjpeg, a smaller size or a lower rate, "
            "or plug the camera directly into a separate port instead of a hub"
        )
    if number in FORBIDDEN:
        return PERMISSION_HINT
    return f"it offers {_offer(path)}"


def _offer(path: str) -> str:
    try:
        modes = describe(path).modes
    except OSError:
        return "no video formats"
    return ", ".join(f"{mode.pixel_format} {mode.width}x{mode.height}" for mode in modes) or "no images"

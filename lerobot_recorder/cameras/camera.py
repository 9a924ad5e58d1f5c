"""One camera: the thread that reads it, monitors it, and reopens it after a failure."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

from lerobot_recorder.cameras.device import Device
from lerobot_recorder.cameras.monitor import CameraMonitor
from lerobot_recorder.cameras.multipart import MultipartCamera, NotMultipartError
from lerobot_recorder.cameras.network import NETWORK_SCHEMES, NetworkCamera
from lerobot_recorder.cameras.settings import CameraSettings, CameraStatus, Picture
from lerobot_recorder.cameras.source import Source
from lerobot_recorder.cameras.video_file import VideoFileSource
from lerobot_recorder.errors import CameraError

OpenSource = Callable[[CameraSettings], Source]


def open_source(settings: CameraSettings) -> Source:
    """Open the source that the settings name.

    Raises:
        CameraError: the source cannot be opened.
    """
    source = settings.source
    if source.isdigit() or source.startswith("/dev/"):
        return Device(settings)
    if source.lower().startswith(NETWORK_SCHEMES):
        return _open_network(settings)
    return VideoFileSource(settings)


def _open_network(settings: CameraSettings) -> Source:
    if settings.source.lower().startswith("http"):
        with contextlib.suppress(NotMultipartError):
            return MultipartCamera(settings)
    return NetworkCamera(settings)


logger = logging.getLogger(__name__)

RETRY_S = 0.5


class Camera:
    """Reads a camera in its own thread and delivers its images.

    Args:
        settings: settings of the camera
        deliver: called in the camera's thread with each image; it must not block
        want_rgb: called for each image: whether its pixels are needed; JPEG is decoded only then
        opener: opens the source; by default ``open_source``
    """

    def __init__(
        self,
        settings: CameraSettings,
        deliver: Callable[[Picture], None],
        want_rgb: Callable[[], bool] = lambda: True,
        opener: OpenSource | None = None,
    ) -> None:
        self.settings = settings
        self._deliver = deliver
        self._opener = opener or open_source
        self._want_rgb = want_rgb
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera-{settings.name}", daemon=True)
        self._monitor = CameraMonitor(settings.fps)
        self._source: Source | None = None
        self._sends_jpeg = False
        self._delivery_fails = False

    def start(self) -> None:
        """Open the camera and start to deliver images.

        Raises:
            CameraError: the source cannot be opened.
        """
        try:
            self._open()
        except CameraError as error:
            raise CameraError(f"camera {self.settings.name}: {error}") from error
        self._thread.start()

    @property
    def sends_jpeg(self) -> bool:
        """Whether the images arrive as JPEG, once started; otherwise ``Picture.jpeg`` is always None."""
        return self._sends_jpeg

    def stop(self) -> None:
        """Stop delivering, and close the device."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def status(self) -> CameraStatus:
        """Return the camera's current status; callable from any thread."""
        return self._monitor.status(self.settings)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._read()
            except CameraError as error:
                self._lose(str(error))
            except Exception as error:
                logger.exception("camera %s: unexpected error", self.settings.name)
                self._lose(f"{type(error).__name__}: {error}")
        self._close()

    def _read(self) -> None:
        if self._source is None:
            self._open()
            logger.info("camera %s: connected again", self.settings.name)
            return
        picture = self._source.read(self._want_rgb())
        if picture is None:
            self._monitor.check_silence(self.settings)
            return
        self._monitor.note(picture)
        self._hand_over(picture)

    def _hand_over(self, picture: Picture) -> None:
        """Deliver an image; an error in the receiver does not stop the camera."""
        try:
            self._deliver(picture)
            self._delivery_fails = False
        except Exception:
            if not self._delivery_fails:
                logger.exception("camera %s: cannot deliver its images", self.settings.name)
            self._delivery_fails = True

    def _open(self) -> None:
        self._source = self._opener(self.settings)
        self._sends_jpeg = self._source.sends_jpeg
        self._monitor.opened(self._source.rate_hz, self._source.is_live)

    def _lose(self, why: str) -> None:
        if self._source is not None:
            logger.warning("camera %s: lost: %s", self.settings.name, why)
        self._close()
        self._monitor.lost(why)
        self._stopped.wait(RETRY_S)

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

"""One camera: the thread that reads it, watches it and opens it again when it has been away."""

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
    """Open what the settings name.

    Args:
        settings: The camera's.

    Raises:
        CameraError: It cannot be opened.
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


_log = logging.getLogger(__name__)

RETRY_S = 0.5


class Camera:
    """Reads a camera in a thread of its own and delivers its pictures.

    Args:
        settings: What the camera is.
        deliver: Called in the camera's thread with each picture; it must not block.
        want_rgb: Asked for each picture: does anyone need its pixels? JPEG pictures are decoded only then.
        opener: Opens the source; by default that of a device, stream or file.
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
        self._watch = CameraMonitor(settings.fps)
        self._source: Source | None = None
        self._sends_jpeg = False
        self._delivery_fails = False

    def start(self) -> None:
        """Open the camera and begin to deliver.

        Raises:
            CameraError: It cannot be opened.
        """
        try:
            self._open()
        except CameraError as error:
            raise CameraError(f"camera {self.settings.name}: {error}") from error
        self._thread.start()

    @property
    def sends_jpeg(self) -> bool:
        """Whether the pictures come as JPEG, once started; else `Picture.jpeg` is always none."""
        return self._sends_jpeg

    def stop(self) -> None:
        """Deliver no more, and let go of the device."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def status(self) -> CameraStatus:
        """Return how the camera is doing at this moment; callable from any thread."""
        return self._watch.status(self.settings)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._read()
            except CameraError as error:
                self._lose(str(error))
            except Exception as error:
                _log.exception("camera %s", self.settings.name)
                self._lose(f"{type(error).__name__}: {error}")
        self._close()

    def _read(self) -> None:
        if self._source is None:
            self._open()
            _log.info("camera %s is back", self.settings.name)
            return
        picture = self._source.read(self._want_rgb())
        if picture is None:
            self._watch.check_silence(self.settings)
            return
        self._watch.note(picture)
        self._hand_over(picture)

    def _hand_over(self, picture: Picture) -> None:
        """Deliver; what goes wrong there is no reason to stop watching the camera."""
        try:
            self._deliver(picture)
            self._delivery_fails = False
        except Exception:
            if not self._delivery_fails:
                _log.exception("camera %s: its pictures cannot be delivered", self.settings.name)
            self._delivery_fails = True

    def _open(self) -> None:
        self._source = self._opener(self.settings)
        self._sends_jpeg = self._source.sends_jpeg
        self._watch.opened(self._source.rate_hz, self._source.is_live)

    def _lose(self, why: str) -> None:
        if self._source is not None:
            _log.warning("camera %s lost: %s", self.settings.name, why)
        self._close()
        self._watch.lost(why)
        self._stopped.wait(RETRY_S)

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

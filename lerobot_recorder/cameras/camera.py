"""Cameras: each is read in its own thread, monitored, and reopened after a failure."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from lerobot_recorder.cameras.device import Device
from lerobot_recorder.cameras.multipart import MultipartCamera, NotMultipartError
from lerobot_recorder.cameras.network import NETWORK_SCHEMES, NetworkCamera
from lerobot_recorder.cameras.settings import CameraImage, CameraSettings
from lerobot_recorder.cameras.source import Source
from lerobot_recorder.cameras.video_file import VideoFileSource
from lerobot_recorder.errors import CameraError
from lerobot_recorder.status import ERROR, OK, WARN, DeviceStatus

logger = logging.getLogger(__name__)

OpenSource = Callable[[CameraSettings], Source]

RETRY_S = 0.5
SILENCE_S = 0.8
"""A camera without an image for this time is frozen, and is reopened."""
SLOW = 0.8
"""A camera below this fraction of its rate is slow."""
_WINDOW_S = 1.0
_THINNING = 16
_SNAPSHOT_TIMEOUT_S = 5.0


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
        deliver: Callable[[CameraImage], None],
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
        """Whether the images arrive as JPEG, once started; otherwise ``CameraImage.jpeg`` is always None."""
        return self._sends_jpeg

    def stop(self) -> None:
        """Stop delivering, and close the device."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def status(self) -> DeviceStatus:
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
        image = self._source.read(self._want_rgb())
        if image is None:
            self._monitor.check_silence(self.settings)
            return
        self._monitor.note(image)
        self._hand_over(image)

    def _hand_over(self, image: CameraImage) -> None:
        """Deliver an image; an error in the receiver does not stop the camera."""
        try:
            self._deliver(image)
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


def take_snapshot(
    settings: CameraSettings, warm_up_s: float = 1.0, opener: OpenSource | None = None
) -> CameraImage:
    """Open a camera, let it adapt, and return an image with its pixels.

    Args:
        settings: settings of the camera
        warm_up_s: time during which images are discarded
        opener: opens the source; by default ``open_source``

    Raises:
        CameraError: the camera cannot be opened or delivers no image.
    """
    images: queue.SimpleQueue[CameraImage] = queue.SimpleQueue()
    camera = Camera(settings, images.put, opener=opener)
    camera.start()
    try:
        time.sleep(warm_up_s)
        with contextlib.suppress(queue.Empty):
            while True:
                images.get_nowait()
        return images.get(timeout=_SNAPSHOT_TIMEOUT_S)
    except queue.Empty:
        raise CameraError(f"camera {settings.name}: {camera.status().message}") from None
    finally:
        camera.stop()


class CameraMonitor:
    """Counts a camera's images and derives its status."""

    def __init__(self, rate_hz: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate_hz = rate_hz
        self._lock = threading.Lock()
        self._arrivals: deque[float] = deque()
        self._last: CameraImage | None = None
        self._opened_s = self._last_s = self._changed_s = clock()
        self._is_live = True
        self._images = 0
        self._openings = 0
        self._why_lost = "not started"

    def opened(self, rate_hz: float, is_live: bool = True) -> None:
        """Note that the camera is open.

        Args:
            rate_hz: expected images per second
            is_live: whether it has a sensor, so that no two images are identical
        """
        with self._lock:
            self._rate_hz = rate_hz
            self._is_live = is_live
            self._openings += 1
            self._why_lost = ""
            self._arrivals.clear()
            self._opened_s = self._last_s = self._changed_s = self._clock()

    def note(self, image: CameraImage) -> None:
        """Note an image that has arrived."""
        with self._lock:
            self._last_s = self._clock()
            if not (self._is_live and _are_same(image, self._last)):
                self._changed_s = self._last_s
            self._last = image
            self._images += 1
            self._arrivals.append(self._last_s)
            self._forget_old()

    def lost(self, why: str) -> None:
        """Note that the camera is lost."""
        with self._lock:
            self._why_lost = why

    def check_silence(self, settings: CameraSettings) -> None:
        """Check that an image has arrived recently.

        Raises:
            CameraError: the camera is frozen.
        """
        silent_s = self._clock() - self._last_s
        if silent_s >= self._silence_limit_s():
            raise CameraError(f"{settings.place} is frozen: no image for {silent_s:.1f} s")

    def status(self, settings: CameraSettings) -> DeviceStatus:
        """Return the camera's current status."""
        with self._lock:
            self._forget_old()
            level, message = self._judge(settings)
            return DeviceStatus(level, message, self._values(settings))

    def _window_s(self) -> float:
        return max(_WINDOW_S, 4 / self._rate_hz)

    def _silence_limit_s(self) -> float:
        return max(SILENCE_S, 2.5 / self._rate_hz)

    def _forget_old(self) -> None:
        while self._arrivals and self._arrivals[0] < self._clock() - self._window_s():
            self._arrivals.popleft()

    def _measured_hz(self) -> float:
        if len(self._arrivals) < 2:
            return float(len(self._arrivals))
        return (len(self._arrivals) - 1) / max(self._arrivals[-1] - self._arrivals[0], 1e-9)

    def _judge(self, settings: CameraSettings) -> tuple[int, str]:
        now_s = self._clock()
        if self._why_lost:
            return ERROR, self._why_lost
        if now_s - self._last_s >= self._silence_limit_s():
            return ERROR, f"frozen: no image for {now_s - self._last_s:.1f} s"
        if self._last_s - self._changed_s >= self._silence_limit_s():
            return ERROR, f"frozen: the same image for {now_s - self._changed_s:.1f} s"
        if now_s - self._opened_s >= self._window_s() and self._measured_hz() < SLOW * self._rate_hz:
            return WARN, f"slow: {self._measured_hz():.1f} images per second, expected {self._rate_hz:g}"
        last = self._last
        if last and settings.size and settings.size != (last.width, last.height):
            return WARN, f"wrong size {last.width}x{last.height}, expected {settings.width}x{settings.height}"
        return OK, "ok"

    def _values(self, settings: CameraSettings) -> dict[str, str]:
        values = {
            "source": settings.place,
            "rate_hz": f"{self._measured_hz():.1f}",
            "expected_hz": f"{self._rate_hz:g}",
            "pictures": str(self._images),
            "reopened": str(max(self._openings - 1, 0)),
        }
        if self._last is not None:
            values["age_s"] = f"{self._clock() - self._last_s:.2f}"
            values["size"] = f"{self._last.width}x{self._last.height}"
            values["format"] = "jpeg" if self._last.jpeg is not None else "raw"
        return values


def _are_same(image: CameraImage, other: CameraImage | None) -> bool:
    """Compare images by a subset of their pixels; unknown content counts as different."""
    if other is None:
        return False
    if image.jpeg is not None:
        return image.jpeg == other.jpeg
    if image.rgb is None or other.rgb is None:
        return False
    return np.array_equal(image.rgb[::_THINNING, ::_THINNING], other.rgb[::_THINNING, ::_THINNING])

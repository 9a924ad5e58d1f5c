"""One camera: the thread that reads it, watches it and opens it again when it has been away."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from lerobot_recorder.errors import CameraError
from lerobot_recorder.robot.cameras.opening import open_source
from lerobot_recorder.robot.cameras.settings import (
    ERROR,
    OK,
    WARN,
    CameraSettings,
    CameraStatus,
    Picture,
)
from lerobot_recorder.robot.cameras.source import Source

_log = logging.getLogger(__name__)

SILENCE_S = 0.8
"""A camera without a picture for so long is frozen, and opened anew."""
SLOW = 0.8
"""A camera below this part of its rate is slow."""
RETRY_S = 0.5
_WINDOW_S = 1.0


class Camera:
    """Reads a camera in a thread of its own and delivers its pictures.

    Args:
        settings: What the camera is.
        deliver: Called in the camera's thread with each picture; it must not block.
        pose: The simulated arm's joint angles in rad by joint name, for the source ``sim``.
        want_rgb: Asked for each picture: does anyone need its pixels? JPEG pictures are decoded only then.
    """

    def __init__(
        self,
        settings: CameraSettings,
        deliver: Callable[[Picture], None],
        pose: Callable[[], Mapping[str, float]] | None = None,
        want_rgb: Callable[[], bool] = lambda: True,
    ) -> None:
        self.settings = settings
        self._deliver = deliver
        self._pose = pose
        self._want_rgb = want_rgb
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera-{settings.name}", daemon=True)
        self._watch = Watch(settings.fps)
        self._source: Source | None = None
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
        self._source = open_source(self.settings, self._pose)
        self._watch.opened(self._source.rate_hz)

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


class Watch:
    """Keeps count of a camera's pictures and judges them."""

    def __init__(self, rate_hz: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate_hz = rate_hz
        self._lock = threading.Lock()
        self._arrivals: deque[float] = deque()
        self._last: Picture | None = None
        self._last_s = clock()
        self._opened_s = clock()
        self._pictures = 0
        self._openings = 0
        self._why_lost = "not started"

    def opened(self, rate_hz: float) -> None:
        """The camera is open, and this is the rate to be expected."""
        with self._lock:
            self._rate_hz = rate_hz
            self._openings += 1
            self._why_lost = ""
            self._arrivals.clear()
            self._opened_s = self._last_s = self._clock()

    def note(self, picture: Picture) -> None:
        """A picture has come."""
        with self._lock:
            self._last = picture
            self._last_s = self._clock()
            self._pictures += 1
            self._arrivals.append(self._last_s)
            self._forget_old()

    def lost(self, why: str) -> None:
        """The camera is gone."""
        with self._lock:
            self._why_lost = why

    def check_silence(self, settings: CameraSettings) -> None:
        """Raise when no picture has come for too long.

        Raises:
            CameraError: The camera is frozen.
        """
        silent_s = self._clock() - self._last_s
        if silent_s >= max(SILENCE_S, 2.5 / self._rate_hz):
            raise CameraError(f"{settings.source} is frozen: no picture for {silent_s:.1f} s")

    def status(self, settings: CameraSettings) -> CameraStatus:
        """Judge the camera at this moment."""
        with self._lock:
            self._forget_old()
            level, message = self._judge(settings)
            return CameraStatus(level, message, self._values(settings))

    def _window_s(self) -> float:
        return max(_WINDOW_S, 4 / self._rate_hz)

    def _forget_old(self) -> None:
        while self._arrivals and self._arrivals[0] < self._clock() - self._window_s():
            self._arrivals.popleft()

    def _measured_hz(self) -> float:
        if len(self._arrivals) < 2:
            return float(len(self._arrivals))
        return (len(self._arrivals) - 1) / max(self._arrivals[-1] - self._arrivals[0], 1e-9)

    def _judge(self, settings: CameraSettings) -> tuple[int, str]:
        silent_s = self._clock() - self._last_s
        if self._why_lost:
            return ERROR, self._why_lost
        if silent_s >= max(SILENCE_S, 2.5 / self._rate_hz):
            return ERROR, f"no picture for {silent_s:.1f} s"
        if self._clock() - self._opened_s >= self._window_s() and self._measured_hz() < SLOW * self._rate_hz:
            return WARN, f"slow: {self._measured_hz():.1f} pictures a second, {self._rate_hz:g} expected"
        last = self._last
        if last and settings.size and settings.size != (last.width, last.height):
            return WARN, f"delivers {last.width}x{last.height}, {settings.width}x{settings.height} asked"
        return OK, "ok"

    def _values(self, settings: CameraSettings) -> dict[str, str]:
        values = {
            "source": settings.source,
            "rate_hz": f"{self._measured_hz():.1f}",
            "expected_hz": f"{self._rate_hz:g}",
            "pictures": str(self._pictures),
            "reopened": str(max(self._openings - 1, 0)),
        }
        if self._last is not None:
            values["age_s"] = f"{self._clock() - self._last_s:.2f}"
            values["size"] = f"{self._last.width}x{self._last.height}"
            values["format"] = "jpeg" if self._last.jpeg is not None else "raw"
        return values

"""How long the room on disk lasts, and a thread that watches it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lerobot_recorder.errors import DiskFullError, RecorderError, SpoolError
from lerobot_recorder.spool import CameraSpool, Spool

RESERVE_BYTES = 64 << 20
"""Kept free, so that the encoder can make room: it writes videos before it removes the images."""

_INTERVAL_S = 0.5
_TYPICAL_RATIO = {"raw": 1.5 + 0.19, "png": 1.7, "jpeg": 0.35, "depth16": 2.0, "depth32": 4.0}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DiskForecast:
    """What is left.

    Attributes:
        free_bytes: room for this user, None when it is not known yet.
        bytes_per_s: what a recording writes per second; 0 when it is not known yet.
    """

    free_bytes: int | None = None
    bytes_per_s: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds of recording that still fit."""
        if self.free_bytes is None or self.bytes_per_s <= 0:
            return None
        return max(0.0, (self.free_bytes - RESERVE_BYTES) / self.bytes_per_s)

    @property
    def exhausted(self) -> bool:
        """Whether a recording must end now."""
        return self.free_bytes is not None and self.free_bytes < RESERVE_BYTES

    def fits(self, seconds: float) -> bool:
        """Tell whether a recording of so many seconds fits, as far as is known."""
        left = self.seconds_left
        return not self.exhausted and (left is None or left >= seconds)


class DiskMonitor:
    """Looks at the room on disk again and again, in a thread of its own: a busy disk answers late."""

    def __init__(
        self,
        spool: Spool,
        bytes_per_s: Callable[[], float],
        act: Callable[[], None],
        seconds_needed: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Begin to look.

        Args:
            spool: where it is written.
            bytes_per_s: tells what a recording writes; 0 when that is not known.
            act: called each time that no room is left.
            seconds_needed: tells how long the next recording is; what was discarded makes room for it.
        """
        self._spool = spool
        self._bytes_per_s = bytes_per_s
        self._act = act
        self._seconds_needed = seconds_needed
        self._forecast = DiskForecast()
        self._problem = ""
        self._surprised = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder-disk-watch", daemon=True)
        self._thread.start()

    @property
    def forecast(self) -> DiskForecast:
        """What was found last."""
        return self._forecast

    @property
    def problem(self) -> str:
        """Why the room is not known, empty when it is."""
        return self._problem

    def require(self, seconds: float, bytes_per_s: float | None = None) -> None:
        """Check that a recording of so many seconds fits, by what was found last.

        Args:
            seconds: of the recording.
            bytes_per_s: what it will write; what is known already by default.

        Raises:
            DiskFullError: it does not.
        """
        known = self._forecast
        forecast = DiskForecast(known.free_bytes, known.bytes_per_s if bytes_per_s is None else bytes_per_s)
        if forecast.fits(seconds):
            return
        left = forecast.seconds_left
        time_left = "" if left is None else f", enough for {int(left)} s of recording"
        raise DiskFullError(
            f"the episode cannot start: {self._spool.path.parent} has {(known.free_bytes or 0) / 1e6:.0f} MB "
            f"free{time_left}, but {seconds:.10g} s must fit; free some space, or wait for the encoder"
        )

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except Exception:  # a take must end at the reserve, whatever else goes wrong
                if not self._surprised:
                    logger.exception("what a recording takes on disk cannot be told")
                self._surprised = True
            self._stopped.wait(_INTERVAL_S)

    def _look(self) -> None:
        try:
            needed = RESERVE_BYTES + int(self._forecast.bytes_per_s * self._seconds_needed())
            self._spool.make_room(needed)
            free_bytes, self._problem = self._spool.free_bytes(), ""
        except (SpoolError, OSError) as error:
            self._problem = str(error)
            return
        self._forecast = replace(self._forecast, free_bytes=free_bytes)
        if self._forecast.exhausted:
            self._act()
        with contextlib.suppress(RecorderError):  # what cannot be recorded is told by its stream
            self._forecast = DiskForecast(free_bytes, self._bytes_per_s())


def typical_bytes(cameras: Iterable[CameraSpool]) -> float:
    """Estimate what a row takes on disk before an episode has shown it."""
    return sum(camera.width * camera.height * _TYPICAL_RATIO[camera.format] for camera in cameras)

"""How long the free space lasts, and the thread that monitors it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lerobot_recorder.errors import DiskFullError, RecorderError, SpoolError
from lerobot_recorder.spool import CameraSpool, Spool

RESERVE_BYTES = 64 << 20
"""Space that recordings leave free, because the encoder writes videos before it removes the images."""

_INTERVAL_S = 0.5
_ENCODABLE = ("ready", "claimed", "committing")
_TYPICAL_RATIO = {"raw": 1.5 + 0.19, "png": 1.7, "jpeg": 0.35, "depth16": 2.0, "depth32": 4.0}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DiskForecast:
    """Free space, and how fast a recording fills it.

    Attributes:
        free_bytes: free space for this user; None if it is not known yet
        bytes_per_s: bytes that a recording writes per second; 0 if it is not known yet
    """

    free_bytes: int | None = None
    bytes_per_s: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds of recording that fit; None if that is not known yet."""
        if self.free_bytes is None or self.bytes_per_s <= 0:
            return None
        return max(0.0, (self.free_bytes - RESERVE_BYTES) / self.bytes_per_s)

    @property
    def exhausted(self) -> bool:
        """Whether so little space is free that a recording must end."""
        return self.free_bytes is not None and self.free_bytes < RESERVE_BYTES

    def fits(self, seconds: float) -> bool:
        """Return whether a recording of this length fits; True if it is not known."""
        left = self.seconds_left
        return not self.exhausted and (left is None or left >= seconds)


class DiskMonitor:
    """Measures the free space at an interval, in a thread of its own, because a busy disk answers late."""

    def __init__(
        self,
        spool: Spool,
        bytes_per_s: Callable[[], float],
        act: Callable[[], None],
        seconds_needed: Callable[[], float] = lambda: 0.0,
        note: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the thread.

        Args:
            spool: the spool that is recorded into
            bytes_per_s: returns the bytes that a recording writes per second; 0 if that is not known
            act: called by the thread each time that the disk is full
            seconds_needed: returns the length of the next recording; discarded takes are erased to make
                it fit
            note: called by the thread after each measurement
        """
        self._spool = spool
        self._bytes_per_s = bytes_per_s
        self._act = act
        self._seconds_needed = seconds_needed
        self._note = note
        self._forecast = DiskForecast()
        self._is_encodable = False
        self._problem = ""
        self._surprised = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder-disk-watch", daemon=True)
        self._thread.start()

    @property
    def forecast(self) -> DiskForecast:
        """The last measurement."""
        return self._forecast

    @property
    def problem(self) -> str:
        """Why the free space is unknown; empty if it is known."""
        return self._problem

    def require(self, seconds: float, bytes_per_s: float | None = None) -> None:
        """Check that a recording fits, using the last measurement.

        Args:
            seconds: length of the recording
            bytes_per_s: bytes that it will write per second; by default the forecast's

        Raises:
            DiskFullError: it does not fit.
        """
        if shortage := self.shortage(seconds, bytes_per_s):
            raise DiskFullError(f"the episode cannot start: {shortage}")

    def shortage(self, seconds: float, bytes_per_s: float | None = None) -> str:
        """Return why a recording does not fit, and what to do; empty if it fits. See `require`."""
        known = self._forecast
        forecast = DiskForecast(known.free_bytes, known.bytes_per_s if bytes_per_s is None else bytes_per_s)
        if forecast.fits(seconds):
            return ""
        left = forecast.seconds_left
        time_left = "" if left is None else f", enough for {int(left)} s of recording"
        return (
            f"{(known.free_bytes or 0) / 1e6:.0f} MB free{time_left}, but {seconds:.10g} s must fit; "
            f"{self.remedy}"
        )

    @property
    def remedy(self) -> str:
        """What to do if there is too little space."""
        more = ", or encode the episodes that wait" if self._is_encodable else ""
        return f"free some space in {self._spool.path.parent}{more}"

    def stop(self) -> None:
        """Stop the thread."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except Exception:  # must not end the thread: a take must end when the disk is full
                if not self._surprised:
                    logger.exception("cannot estimate the recording's disk usage")
                self._surprised = True
            self._stopped.wait(_INTERVAL_S)

    def _look(self) -> None:
        try:
            needed = RESERVE_BYTES + int(self._forecast.bytes_per_s * self._seconds_needed())
            self._spool.make_room(needed)
            free_bytes, self._problem = self._spool.free_bytes(), ""
            self._is_encodable = any(self._spool.paths(state) for state in _ENCODABLE)
        except (SpoolError, OSError) as error:
            self._problem = str(error)
            return
        self._forecast = replace(self._forecast, free_bytes=free_bytes)
        if self._forecast.exhausted:
            self._act()
        with contextlib.suppress(RecorderError):  # the streams report what cannot be recorded
            self._forecast = DiskForecast(free_bytes, self._bytes_per_s())
        self._note()


def typical_bytes(cameras: Iterable[CameraSpool]) -> float:
    """Estimate the size of a row in bytes before an episode has been measured."""
    return sum(camera.width * camera.height * _TYPICAL_RATIO[camera.format] for camera in cameras)

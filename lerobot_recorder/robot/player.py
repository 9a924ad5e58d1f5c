"""Plays a movement: the way to its first pose, then row by row on the recording's time grid."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal

import numpy as np

from lerobot_recorder.errors import DeviceError
from lerobot_recorder.robot.calibration import GRIPPER, JOINTS, Vector
from lerobot_recorder.robot.replay import Comparison, Movement, approach, compare

logger = logging.getLogger(__name__)

Phase = Literal["waiting", "approaching", "replaying", "finished", "stopped"]

_RATE_HZ = 50.0
_FIRST_STATE_S = 10.0
_SILENT_S = 2.0
_ARRIVED_RAD = 0.1
_ARRIVING_S = 5.0


class Player:
    """Sends a follower through a movement, and watches where it goes.

    Attributes:
        phase: What it does.
        rows_sent: How many rows of the movement have been sent.
    """

    def __init__(
        self,
        movement: Movement,
        publish: Callable[[Vector], None],
        *,
        approach_speed_rad_s: float = 0.6,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            movement: Where to go.
            publish: Sends the follower to a pose, (6,) rad.
            approach_speed_rad_s: Of the fastest joint on the way to the first pose.
            changed: Called after each change of `phase`.
        """
        self.phase: Phase = "waiting"
        self.rows_sent = 0
        self._movement = movement
        self._publish = publish
        self._speed_rad_s = approach_speed_rad_s
        self._changed = changed
        self._seen: list[tuple[float, Vector]] = []
        self._present: Vector | None = None
        self._heard = time.monotonic()
        self._new = threading.Event()
        self._stopped = threading.Event()

    def note(self, time_s: float, position_rad: Vector) -> None:
        """Take notice of where the follower was at a time on the clock of `time.time`; from any thread."""
        self._seen.append((time_s, position_rad))
        self._present, self._heard = position_rad, time.monotonic()
        self._new.set()

    def stop(self) -> None:
        """Send nothing more: the follower holds."""
        self._stopped.set()
        self._new.set()

    def run(self) -> Comparison | None:
        """Play until all is played, or it is stopped.

        Returns:
            How well the recording was reproduced; None where that cannot be said.

        Raises:
            DeviceError: The follower does not tell where it is, or does not come to the first pose.
        """
        try:
            self._enter("waiting")
            present = self._where()
            self._enter("approaching")
            first = self._movement.start_rad
            self._play(approach(present, first, self._speed_rad_s, _RATE_HZ), _RATE_HZ)
            self._arrive(first)
            self._enter("replaying")
            self._seen.clear()
            started_s = self._play(self._movement.action_rad, self._movement.fps)
        except _StoppedError:
            self._enter("stopped")
            return None
        self._enter("finished")
        return self._compared(started_s)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._changed()

    def _where(self) -> Vector:
        self._new.wait(_FIRST_STATE_S)
        self._check_stopped()
        if self._present is None:
            raise DeviceError(
                f"no joint states of the follower in {_FIRST_STATE_S:g} s: check the hardware node"
            )
        return self._present

    def _play(self, poses: Vector, rate_hz: float) -> float:
        """Send one pose after the other, each at its time, and return when the first was due."""
        started_s, started = time.time(), time.monotonic()
        for row, pose in enumerate(poses):
            self._wait_until(started + row / rate_hz)
            self._check_alive()
            self._publish(pose)
            if self.phase == "replaying":
                self.rows_sent = row + 1
        self._wait_until(started + len(poses) / rate_hz)
        return started_s

    def _arrive(self, first: Vector) -> None:
        """Wait at the first pose until the follower is there; its gripper may be held open by something."""
        deadline = time.monotonic() + _ARRIVING_S
        while (off := np.abs(self._where() - first)[:GRIPPER]).max() > _ARRIVED_RAD:
            if time.monotonic() > deadline:
                joint = JOINTS[int(off.argmax())]
                raise DeviceError(
                    f"the follower does not come to the first pose: {joint} is {np.degrees(off.max()):.0f} "
                    "degrees off; check that its torque is on, and what the hardware node says"
                )
            self._play(first[None], _RATE_HZ)

    def _wait_until(self, due: float) -> None:
        self._stopped.wait(max(0.0, due - time.monotonic()))
        self._check_stopped()

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise _StoppedError

    def _check_alive(self) -> None:
        if time.monotonic() - self._heard > _SILENT_S:
            raise DeviceError(f"the follower has not told where it is for {_SILENT_S:g} s: the replay ends")

    def _compared(self, started_s: float) -> Comparison | None:
        seen = list(self._seen)
        times_s = [time_s - started_s for time_s, _ in seen]
        return compare(self._movement, times_s, np.array([position for _, position in seen]))


class _StoppedError(Exception):
    """Someone has stopped the replay."""

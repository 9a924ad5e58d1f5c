"""The connection to an arm that may go away and come back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.calibration import Vector
from lerobot_recorder.errors import BusError, DeviceError, PortError

logger = logging.getLogger(__name__)

LOST_AFTER_S = 0.25
"""An arm that has not been read for so long is lost: within the half second after which that shows."""
RETRY_S = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """What an arm said.

    Attributes:
        stamp_ns: When its answer was complete, as `time.time_ns`.
        time_s: The same on the monotonic clock.
        position_rad: (6,).
        velocity_rad_s: (6,).
    """

    stamp_ns: int
    time_s: float
    position_rad: Vector
    velocity_rad_s: Vector


class ArmConnection:
    """An arm as the loop sees it: read now, or not there.

    A reading that fails is skipped; an arm whose port fails, or that cannot be read for `LOST_AFTER_S`, is
    lost, and is looked for every `RETRY_S` until it is back.

    Attributes:
        arm: The arm.
        connections: How often it has been connected.
        skipped: Readings that failed.
        trouble: Why it is lost, empty while it is not.
    """

    def __init__(self, arm: Arm, clock: Callable[[], float] = time.monotonic) -> None:
        """Take an arm that is connected."""
        self.arm = arm
        self.connections = 1
        self.skipped = 0
        self.trouble = ""
        self._clock = clock
        self._good_until = clock() + LOST_AFTER_S
        self._retry_at = 0.0

    @property
    def up(self) -> bool:
        """Whether the arm is there."""
        return not self.trouble

    def read(self) -> Reading | None:
        """Read the arm, None if it cannot be read at present."""
        if not self.up and not self._reconnect():
            return None
        try:
            position, velocity = self.do(lambda arm: arm.read())
        except DeviceError:
            return None
        now = self._clock()
        self._good_until = now + LOST_AFTER_S
        return Reading(time.time_ns(), now, position, velocity)

    def attempt(self, action: Callable[[Arm], object]) -> bool:
        """Do something with the arm; False if it cannot be done."""
        try:
            self.do(action)
        except DeviceError:
            return False
        return True

    def do(self, action: Callable[[Arm], T]) -> T:
        """Do something with the arm, return what comes of it, and take notice when it cannot be done.

        Raises:
            DeviceError: It cannot be done.
        """
        self.require_up()
        try:
            return action(self.arm)
        except PortError as error:
            self._lose(error)
            raise
        except BusError as error:
            self.skipped += 1
            if self._clock() > self._good_until:
                self._lose(error)
            raise

    def call_reconnecting(self, action: Callable[[Arm], T]) -> T:
        """Do something with the arm; one that is lost is connected first.

        Raises:
            DeviceError: It cannot be done.
        """
        if not self.up:
            self._retry_at = self._clock()
            self._reconnect()
        return self.do(action)

    def require_up(self) -> None:
        """Check that the arm is there.

        Raises:
            DeviceError: It is not. The message says why.
        """
        if not self.up:
            raise DeviceError(f"the {self.arm.role} is not there: {self.trouble}")

    def _lose(self, error: DeviceError) -> None:
        self.trouble = str(error)
        self._retry_at = self._clock() + RETRY_S
        self.arm.disconnect()
        logger.error("Lost the %s: %s", self.arm.role, error)

    def _reconnect(self) -> bool:
        if self._clock() < self._retry_at:
            return False
        try:
            self.arm.connect()
        except DeviceError as error:
            self.trouble = str(error)
            self._retry_at = self._clock() + RETRY_S
            return False
        self.trouble = ""
        self.connections += 1
        self._good_until = self._clock() + LOST_AFTER_S
        logger.warning("The %s is back on %s", self.arm.role, self.arm.port)
        return True

"""The connection to an arm, which is opened again after a failure."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.settings import JointSample
from lerobot_recorder.errors import BusError, DeviceError, PortError

logger = logging.getLogger(__name__)

LOST_AFTER_S = 0.25
"""An arm that has not been read for this time is lost. Diagnostics must show that within 0.5 s."""
RETRY_S = 0.5

T = TypeVar("T")


class ArmConnection:
    """An arm for the control loop, which is either connected or lost.

    A failed reading is skipped. An arm is lost if its port fails or it cannot be read for ``LOST_AFTER_S``;
    the connection is then retried every ``RETRY_S``.

    Attributes:
        arm: the arm
        connections: how often the arm has been connected
        skipped: number of failed requests
        trouble: why the arm is lost; empty while it is connected
    """

    def __init__(self, arm: Arm, clock: Callable[[], float] = time.monotonic) -> None:
        """Take over a connected arm."""
        self.arm = arm
        self.connections = 1
        self.skipped = 0
        self.trouble = ""
        self._clock = clock
        self._good_until = clock() + LOST_AFTER_S
        self._retry_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether the arm is connected."""
        return not self.trouble

    def read(self) -> JointSample | None:
        """Read the arm; None if it cannot be read now."""
        if not self.is_connected and not self._reconnect():
            return None
        try:
            motion = self.do(lambda arm: arm.read())
        except DeviceError:
            return None
        now = self._clock()
        self._good_until = now + LOST_AFTER_S
        return JointSample(self.arm.role, time.time_ns(), now, *motion)

    def attempt(self, action: Callable[[Arm], object]) -> bool:
        """Run an action on the arm; return False if it fails."""
        try:
            self.do(action)
        except DeviceError:
            return False
        return True

    def do(self, action: Callable[[Arm], T]) -> T:
        """Run an action on the arm and return its result; a failure may make the arm count as lost.

        Raises:
            DeviceError: the action failed, or the arm is lost.
        """
        self.require_connected()
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
        """Run an action on the arm; connect it first if it is lost.

        Raises:
            DeviceError: the action failed, or the arm is lost.
        """
        if not self.is_connected:
            self._retry_at = self._clock()
            self._reconnect()
        return self.do(action)

    def require_connected(self) -> None:
        """Check that the arm is connected.

        Raises:
            DeviceError: the arm is lost. The message says why.
        """
        if not self.is_connected:
            raise DeviceError(f"the {self.arm.role} is not connected: {self.trouble}")

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
        logger.warning("Connected the %s again on %s", self.arm.role, self.arm.port)
        return True

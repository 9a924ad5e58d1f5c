"""Arms without hardware: fakes that do as told, and ways to wait for threads."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from lerobot_recorder.arms.arm import JointHealth, Motion
from lerobot_recorder.arms.bus import ServoErrors
from lerobot_recorder.arms.calibration import JOINTS, SIMULATED
from lerobot_recorder.arms.kinematics import RESTING
from lerobot_recorder.arms.protocol import Alarm

FOLDED = np.array([RESTING[name] for name in JOINTS])
UPRIGHT = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.5])


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += seconds


class FakeArm:
    """An arm that is at once where it is sent, and fails as told.

    Attributes:
        position: Where it is.
        goals: Where it was sent.
        torque: What was switched, in order.
        limp: Joints that have lost their torque meanwhile.
        set_ups: How often it was set up again.
        failure: What everything raises.
    """

    port = "/dev/fake"
    calibration = SIMULATED
    can_fall = True

    def __init__(self, role: str = "follower", position: np.ndarray = FOLDED) -> None:
        self.role = role
        self.position = position.copy()
        self.goals: list[np.ndarray] = []
        self.torque: list[bool] = []
        self.limp: set[str] = set()
        self.set_ups = 0
        self.failure: Exception | None = None
        self.reconnects = 0
        self.connected = True
        self.alarms = dict.fromkeys(JOINTS, Alarm(0))
        self.errors = {name: ServoErrors() for name in JOINTS}
        self.temperature_c = 30

    def connect(self) -> None:
        self._work()
        self.reconnects += 1
        self.connected = True

    def disconnect(self) -> None:
        self.connected = False

    def read(self) -> Motion:
        self._work()
        return Motion(self.position.copy(), np.zeros(len(JOINTS)), np.zeros(0))

    def write_goal(self, position_rad: np.ndarray) -> None:
        self._work()
        self.goals.append(position_rad)
        self.position = position_rad.copy()

    def enable_torque(self, enabled: bool) -> None:
        self._work()
        self.torque.append(enabled)
        self.limp.clear()

    def hold_here(self) -> None:
        self._work()
        self.goals.append(self.position.copy())

    def set_up(self) -> None:
        self._work()
        self.set_ups += 1

    def health(self) -> dict[str, JointHealth]:
        self._work()
        powered = {name: self.torque[-1:] == [True] and name not in self.limp for name in JOINTS}
        return {
            name: JointHealth(self.temperature_c, 7.4, 0.1, self.alarms[name], powered[name])
            for name in JOINTS
        }

    def _work(self) -> None:
        if self.failure:
            raise self.failure


def eventually(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.005)

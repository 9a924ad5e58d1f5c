"""The thread that owns the arms: reads the leader, drives the follower, and tells where both are.

However the thread ends, the follower's torque is left as `torque_on_exit` says. Only a process that is killed
outright leaves the follower powered at its last goal; the next one that connects takes it over as it stands.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from queue import SimpleQueue

from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.calibration import Role
from lerobot_recorder.arms.commands import CommandFilter
from lerobot_recorder.arms.connection import ArmConnection, Reading
from lerobot_recorder.arms.follower import FollowerDriver, ServoMonitor
from lerobot_recorder.arms.motion import Target
from lerobot_recorder.arms.report import Durations, status_of
from lerobot_recorder.arms.settings import JointSample, RobotStatus, TeleopSettings
from lerobot_recorder.errors import ConfigError, DeviceError

__all__ = ["JointSample", "RobotStatus", "TeleopLoop", "TeleopSettings"]


logger = logging.getLogger(__name__)


_ANSWER_S = 5.0


class TeleopLoop:
    """Drives a follower after a leader or by commands; or only reads one arm.

    One thread talks to the arms. What other threads ask for is done by it, between two ticks.

    Attributes:
        settings: How to drive; may be replaced at any time.
    """

    def __init__(
        self,
        follower: Arm | None,
        leader: Arm | None,
        settings: TeleopSettings,
        publish: Callable[[JointSample], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over arms that are connected.

        Args:
            follower: The arm that is driven, if there is one.
            leader: The arm that a hand moves, if there is one.
            settings: How to drive.
            publish: Told of every sample, by the thread that talks to the arms; it must not block.
            clock: The monotonic clock.

        Raises:
            ConfigError: There is no arm.
        """
        if follower is None and leader is None:
            raise ConfigError("neither a follower nor a leader: give the port of at least one of them")
        self.settings = settings
        self._publish = publish
        self._clock = clock
        self._driver = FollowerDriver(follower, settings.torque, clock) if follower else None
        self._desk = CommandFilter(follower.calibration, clock) if follower else None
        self._leader = ArmConnection(leader, clock) if leader else None
        self._leader_watch = ServoMonitor(clock)
        self._led: Target | None = None
        self._told: Target | None = None
        self._teleop = settings.teleop and follower is not None and leader is not None
        self._crash = ""
        self._ticks = Durations()
        self._stepped_at = self._due = clock()
        self._requests: SimpleQueue[tuple[Callable[[], None], Future[None]]] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="arms", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the follower's torque is left as `torque_on_exit` says. The arms stay connected."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def enable_teleop(self, enabled: bool) -> None:
        """Let the follower follow the leader, or hold. After an alarm this drives it again.

        Raises:
            DeviceError: It cannot follow now. The message says why.
        """
        self._ask(lambda: self._set_teleop(enabled))

    def enable_torque(self, enabled: bool) -> None:
        """Power the follower, holding where it is, or let it go. After an alarm this drives it again.

        Raises:
            DeviceError: It does not answer, must not be driven, or there is none.
        """
        self._ask(lambda: self._set_torque(enabled))

    def command(self, names: Sequence[str], position_rad: Sequence[float], age_s: float = 0.0) -> None:
        """Send joints of the follower to positions.

        What cannot be meant is refused: said once, and counted.

        Args:
            names: Of the joints; those that are not named stay.
            position_rad: One for each.
            age_s: How long ago this was decided.
        """
        if self._desk is None or self._driver is None:
            return
        if self._teleop:
            self._desk.refuse("teleoperation", "the follower follows the leader: switch teleoperation off")
        elif not self._driver.torque:
            self._desk.refuse("torque", "the follower's torque is off: switch it on")
        elif self._driver.danger:
            self._desk.refuse("danger", f"the follower is held: {self._driver.danger}")
        else:
            self._desk.take(names, position_rad, age_s, self.settings)

    @property
    def crash(self) -> str:
        """Why the thread has ended although nobody stopped it; empty as long as all is well."""
        return self._crash

    def status(self) -> RobotStatus:
        """Return how the arms are."""
        status = status_of(self._driver, self._leader, self._leader_watch, self._teleop, self._values())
        return RobotStatus(2, self._crash, status.values) if self._crash else status

    def step(self) -> None:
        """Do one tick: obey, read the leader, tell the follower, read the follower, publish both."""
        self._obey()
        leader = self._read(self._leader) if self._leader else None
        if leader and self._driver and not self._leader_watch.position_unknown:
            self._led = self._as_target(leader, self._driver.link.arm)
        if self._driver:
            self._drive(self._driver)
        follower = self._driver.read() if self._driver else None
        self._tell("leader", leader)
        self._tell("follower", follower)
        now = self._clock()
        self._ticks.add(now - self._stepped_at)
        self._stepped_at = now

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.step()
                self._wait()
        except Exception as error:
            logger.exception("The loop that drives the arms failed")
            self._crash = f"the loop that drives the arms failed: {error}"
        finally:
            if self._driver:
                self._driver.leave(self.settings)

    def _wait(self) -> None:
        now = self._clock()
        self._due = max(self._due + 1 / self.settings.rate_hz, now)
        self._stopping.wait(self._due - now)

    def _read(self, leader: ArmConnection) -> Reading | None:
        reading = leader.read()
        if reading:
            self._leader_watch.see(leader.arm.alarms)
        return reading

    def _as_target(self, leader: Reading, follower: Arm) -> Target:
        """Return the leader's pose as the follower's: the same degrees, the gripper open in proportion."""
        assert self._leader is not None
        units = self._leader.arm.calibration.lerobot_units(leader.position_rad)
        return Target(leader.time_s, follower.calibration.from_lerobot_units(units), leader.stamp_ns)

    def _target(self) -> Target | None:
        if self._teleop:
            return self._led
        return self._desk.latest if self._desk else None

    def _drive(self, driver: FollowerDriver) -> None:
        """Drive one tick; what is followed is told, each target once."""
        target = self._target()
        followed = driver.drive(target, self.settings)
        if target is not None and followed is not None and target is not self._told:
            self._told = target
            self._publish(JointSample("target", target.stamp_ns, followed))

    def _tell(self, arm: Role, reading: Reading | None) -> None:
        if reading:
            self._publish(JointSample(arm, reading.stamp_ns, reading.position_rad, reading.velocity_rad_s))

    def _ask(self, action: Callable[[], None]) -> None:
        """Have the thread do something, and wait until it has."""
        if self._thread is None or not self._thread.is_alive():
            raise DeviceError("the arms are not driven at present: start the loop first")
        done: Future[None] = Future()
        self._requests.put((action, done))
        try:
            done.result(_ANSWER_S)
        except FutureTimeoutError as error:
            raise DeviceError(f"the arms have not answered for {_ANSWER_S:g} s") from error

    def _obey(self) -> None:
        while not self._requests.empty():
            action, done = self._requests.get()
            try:
                action()
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(None)

    def _set_teleop(self, enabled: bool) -> None:
        if enabled:
            self._require_both()
        self._teleop = enabled
        self._forget()

    def _require_both(self) -> None:
        if not self._leader or not self._driver:
            raise DeviceError("teleoperation needs a leader and a follower: give the ports of both")
        self._leader.require_up()
        self._driver.resume()

    def _set_torque(self, enabled: bool) -> None:
        if not self._driver:
            raise DeviceError("there is no follower: give its port")
        self._driver.set_torque(enabled)
        self._forget()

    def _forget(self) -> None:
        """Forget where the follower was going."""
        self._led = None
        if self._desk and self._driver:
            self._desk.latest = None
            self._driver.hold()

    def _values(self) -> dict[str, str]:
        values = {
            "rate_hz": f"{self._ticks.rate_hz():.1f}",
            "tick_ms_p99": f"{self._ticks.percentile_ms(99):.1f}",
            "teleop": str(self._teleop).lower(),
        }
        if self._driver and self._teleop:
            values["leader_age_ms_p50"] = f"{self._driver.ages.percentile_ms(50):.2f}"
            values["leader_age_ms_p99"] = f"{self._driver.ages.percentile_ms(99):.2f}"
        if self._desk:
            values["commands_accepted"] = str(self._desk.accepted)
            values |= {
                f"commands_refused.{kind}": str(count) for kind, count in dict(self._desk.refused).items()
            }
        return values

"""The thread that owns the arms: reads the leader, drives the follower and publishes both positions.

When the thread ends, it leaves the follower's torque as ``torque_on_exit`` requests. Only a killed process
leaves the follower powered at its last goal; the next one that connects takes it over in that state.
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
from lerobot_recorder.arms.commands import CommandFilter
from lerobot_recorder.arms.connection import ArmConnection
from lerobot_recorder.arms.follower import FollowerDriver, ServoMonitor
from lerobot_recorder.arms.motion import Target
from lerobot_recorder.arms.report import Durations, status_of
from lerobot_recorder.arms.settings import JointSample, TeleopSettings
from lerobot_recorder.errors import ConfigError, DeviceError
from lerobot_recorder.status import ERROR, DeviceStatus

logger = logging.getLogger(__name__)

_ANSWER_S = 5.0


class TeleopLoop:
    """Drives a follower by its leader or by commands, or only reads one arm.

    One thread talks to the arms. It runs the requests of other threads between two ticks.

    Attributes:
        settings: how to drive; can be replaced at any time
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
            follower: the arm that is driven, if there is one
            leader: the arm that a hand moves, if there is one
            settings: how to drive
            publish: called with every sample by the thread that talks to the arms; it must not block
            clock: the monotonic clock

        Raises:
            ConfigError: there is no arm.
        """
        if follower is None and leader is None:
            raise ConfigError("there is neither a follower nor a leader: set the port of at least one")
        self.settings = settings
        self._publish = publish
        self._clock = clock
        self._driver = FollowerDriver(follower, settings.torque, clock) if follower else None
        self._commands = CommandFilter(follower.calibration, clock) if follower else None
        self._leader = ArmConnection(leader, clock) if leader else None
        self._leader_monitor = ServoMonitor(clock)
        self._leader_target: Target | None = None
        self._published_target: Target | None = None
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
        """End the thread; the torque is left as ``torque_on_exit`` requests. The arms stay connected."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def enable_teleop(self, enabled: bool) -> None:
        """Let the follower follow the leader, or hold. After an alarm, enabling drives it again.

        Raises:
            DeviceError: the follower cannot follow now. The message says why.
        """
        self._request(lambda: self._set_teleop(enabled))

    def enable_torque(self, enabled: bool) -> None:
        """Power the follower where it is, or release it. After an alarm, enabling drives it again.

        Raises:
            DeviceError: there is no follower, it does not answer, or it must not be driven.
        """
        self._request(lambda: self._set_torque(enabled))

    def command(self, names: Sequence[str], position_rad: Sequence[float], age_s: float = 0.0) -> None:
        """Send joints of the follower to positions.

        An implausible command is refused, counted, and logged once.

        Args:
            names: names of the joints; other joints keep their goals
            position_rad: one position per name
            age_s: age of the command
        """
        if self._commands is None or self._driver is None:
            return
        if self._teleop:
            self._commands.refuse("teleoperation", "the leader drives the follower: switch teleoperation off")
        elif not self._driver.torque:
            self._commands.refuse("torque", "the follower's torque is off: switch it on")
        elif self._driver.danger:
            self._commands.refuse("danger", f"the follower is held: {self._driver.danger}")
        else:
            self._commands.take(names, position_rad, age_s, self.settings)

    @property
    def crash(self) -> str:
        """Why the thread has ended without ``stop``; empty if it has not."""
        return self._crash

    def status(self) -> DeviceStatus:
        """Return the status of the arms."""
        status = status_of(self._driver, self._leader, self._leader_monitor, self._teleop, self._values())
        return DeviceStatus(ERROR, self._crash, status.values) if self._crash else status

    def step(self) -> None:
        """Run one tick: requests, read the leader, send the follower a target, read it, publish both."""
        self._run_requests()
        leader = self._read(self._leader) if self._leader else None
        if leader and self._driver and not self._leader_monitor.position_unknown:
            self._leader_target = self._as_target(leader, self._driver.connection.arm)
        if self._driver:
            self._drive(self._driver)
        follower = self._driver.read() if self._driver else None
        for sample in (leader, follower):
            if sample:
                self._publish(sample)
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
                self._driver.end(self.settings)

    def _wait(self) -> None:
        now = self._clock()
        self._due = max(self._due + 1 / self.settings.rate_hz, now)
        self._stopping.wait(self._due - now)

    def _read(self, leader: ArmConnection) -> JointSample | None:
        reading = leader.read()
        if reading:
            self._leader_monitor.update(leader.arm.alarms)
        return reading

    def _as_target(self, leader: JointSample, follower: Arm) -> Target:
        """Return the leader's pose for the follower: the same degrees, the gripper opened in proportion."""
        assert self._leader is not None
        units = self._leader.arm.calibration.lerobot_units(leader.position_rad)
        return Target(leader.time_s, follower.calibration.from_lerobot_units(units), leader.stamp_ns)

    def _target(self) -> Target | None:
        if self._teleop:
            return self._leader_target
        return self._commands.latest if self._commands else None

    def _drive(self, driver: FollowerDriver) -> None:
        """Drive one tick; publish each target that is followed once."""
        target = self._target()
        followed = driver.drive(target, self.settings)
        if target is not None and followed is not None and target is not self._published_target:
            self._published_target = target
            self._publish(JointSample("target", target.stamp_ns, target.time_s, followed))

    def _request(self, action: Callable[[], None]) -> None:
        """Run an action in the thread and wait for its result."""
        if self._thread is None or not self._thread.is_alive():
            raise DeviceError("the loop that drives the arms is not running: start it first")
        done: Future[None] = Future()
        self._requests.put((action, done))
        try:
            done.result(_ANSWER_S)
        except FutureTimeoutError as error:
            raise DeviceError(f"no answer from the arms within {_ANSWER_S:g} s") from error

    def _run_requests(self) -> None:
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
        self._clear_target()

    def _require_both(self) -> None:
        if not self._leader or not self._driver:
            raise DeviceError("teleoperation needs a leader and a follower: set the ports of both")
        self._leader.require_connected()
        self._driver.resume()

    def _set_torque(self, enabled: bool) -> None:
        if not self._driver:
            raise DeviceError("there is no follower: set its port")
        self._driver.set_torque(enabled)
        self._clear_target()

    def _clear_target(self) -> None:
        """Clear the follower's target and hold."""
        self._leader_target = None
        if self._commands and self._driver:
            self._commands.latest = None
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
        if self._commands:
            values["commands_accepted"] = str(self._commands.accepted)
            values |= {
                f"commands_refused.{kind}": str(count) for kind, count in dict(self._commands.refused).items()
            }
        return values

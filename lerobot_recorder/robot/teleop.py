"""The thread that owns the arms: reads the leader, drives the follower, and tells where both are."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from queue import Empty, SimpleQueue

from lerobot_recorder.errors import ConfigError, DeviceError
from lerobot_recorder.robot.arm import Arm
from lerobot_recorder.robot.calibration import JOINTS, Vector
from lerobot_recorder.robot.commands import CommandDesk
from lerobot_recorder.robot.kinematics import RESTING, grasp_point
from lerobot_recorder.robot.link import Link, Reading
from lerobot_recorder.robot.motion import Motion
from lerobot_recorder.robot.settings import JointSample, RobotStatus, TeleopSettings
from lerobot_recorder.robot.timing import Durations
from lerobot_recorder.robot.watch import Watch

__all__ = ["JointSample", "RobotStatus", "TeleopLoop", "TeleopSettings"]

logger = logging.getLogger(__name__)

_HEALTH_PERIOD_S = 0.5
_ANSWER_S = 5.0
_LETTING_GO_TRIES = 3
_RAISED_M = 0.06
_FOLDED_RAD = 0.3

Target = tuple[Vector, float]
"""Where the follower shall be, (6,) rad, and when that was said, on the monotonic clock."""


class TeleopLoop:
    """Drives a follower after a leader or by commands; or only reads one arm.

    One thread talks to the arms. What other threads ask for is done by it, between two ticks.
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
        self._clock = clock
        self._follower = Link(follower, clock) if follower else None
        self._leader = Link(leader, clock) if leader else None
        self._publish = publish
        self._desk = CommandDesk(follower.calibration) if follower else None
        self._watch = Watch(clock)
        self._motion: Motion | None = None
        self._present: Vector | None = None
        self._led: Target | None = None
        self._teleop = settings.teleop and follower is not None and leader is not None
        self._torque = settings.torque
        self._powered_connection = 0
        self._danger = ""
        self._crash = ""
        self._ages, self._ticks = Durations(), Durations()
        self._tick_at = self._driven_at = self._health_due = clock()
        self._requests: SimpleQueue[tuple[Callable[[], None], Future[None]]] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # What other threads may call.

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
        """Power the follower, holding where it is, or let it go.

        Raises:
            DeviceError: It does not answer, or there is none.
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
        if self._desk is None:
            return
        if self._teleop:
            self._desk.refuse("teleoperation", "the follower follows the leader: switch teleoperation off")
        elif not self._torque:
            self._desk.refuse("torque", "the follower's torque is off: switch it on")
        else:
            self._desk.take(names, position_rad, age_s, self.settings)

    def status(self) -> RobotStatus:
        """Return how the arms are."""
        errors, warnings = self._errors(), self._warnings()
        level = 2 if errors else 1 if warnings else 0
        return RobotStatus(level, "; ".join(errors + warnings) or self._activity(), self._values())

    # The thread.

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.step()
                self._wait()
        except Exception as error:
            logger.exception("The loop that drives the arms failed")
            self._crash = f"the loop that drives the arms failed: {error}"
        finally:
            self._leave()

    def step(self) -> None:
        """Do one tick: obey, read the leader, tell the follower, read the follower, publish both."""
        self._serve()
        leader = self._leader.read() if self._leader else None
        if leader:
            self._led = self._as_target(leader), leader.time_s
        self._drive()
        follower = self._follower.read() if self._follower else None
        if follower:
            self._notice(follower)
        for arm, reading in (("leader", leader), ("follower", follower)):
            if reading:
                sample = JointSample(arm, reading.stamp_ns, reading.position_rad, reading.velocity_rad_s)
                self._publish(sample)

    def _wait(self) -> None:
        period = 1 / self.settings.rate_hz
        now = self._clock()
        self._tick_at = max(self._tick_at + period, now)
        self._stopping.wait(self._tick_at - now)

    def _as_target(self, leader: Reading) -> Vector:
        """Return the leader's pose as the follower's: the same degrees, the gripper open in proportion."""
        assert self._leader is not None
        position = leader.position_rad
        if self._follower is None:
            return position
        units = self._leader.arm.calibration.lerobot_units(position)
        return self._follower.arm.calibration.from_lerobot_units(units)

    def _drive(self) -> None:
        now = self._clock()
        elapsed, self._driven_at = now - self._driven_at, now
        self._ticks.add(elapsed)
        if not self._follower or not self._motion or self._present is None or not self._is_powered():
            return
        target = self._target()
        if self._danger or target is None or now - target[1] > self.settings.command_timeout_s:
            self._motion.hold()
            return
        goal = self._motion.towards(target[0], self._present, elapsed, self.settings)
        if self._follower.attempt(lambda arm: arm.write_goal(goal)):
            self._ages.add(self._clock() - target[1])

    def _target(self) -> Target | None:
        if self._teleop:
            return self._led
        command = self._desk.latest if self._desk else None
        return (command.position_rad, command.time_s) if command else None

    def _notice(self, follower: Reading) -> None:
        """Take notice of where the follower is and how it is; power it when it has come or come back."""
        assert self._follower is not None
        self._present = follower.position_rad
        if self._motion is None:
            self._motion = Motion(self._follower.arm.calibration, self._present)
        if self._torque and not self._is_powered():
            self._follower.attempt(self._power)
        self._watch.see(self._follower.arm.alarms)
        if self._clock() >= self._health_due:
            self._follower.attempt(self._look_after)
            self._health_due = self._clock() + _HEALTH_PERIOD_S
        if (danger := self._watch.danger()) and not self._danger:
            self._stop_for(danger)

    def _is_powered(self) -> bool:
        return (
            self._torque
            and self._follower is not None
            and self._powered_connection == self._follower.connections
        )

    def _power(self, arm: Arm) -> None:
        assert self._follower is not None and self._motion is not None
        arm.enable_torque(True)
        self._motion.hold(self._present)
        self._powered_connection = self._follower.connections

    def _look_after(self, arm: Arm) -> None:
        self._watch.health = arm.health()

    def _stop_for(self, danger: str) -> None:
        """Hold where the arm is, which takes the strain off, until someone drives it again."""
        assert self._follower is not None and self._motion is not None and self._present is not None
        self._danger, present = danger, self._present
        self._motion.hold(present)
        if self._torque:
            self._follower.attempt(lambda arm: arm.write_goal(present))
        logger.error("The follower is held. %s. Then enable teleoperation or torque to go on.", danger)

    # What other threads ask for.

    def _ask(self, action: Callable[[], None]) -> None:
        if self._thread is None or not self._thread.is_alive():
            raise DeviceError("the arms are not driven at present: start the loop first")
        done: Future[None] = Future()
        self._requests.put((action, done))
        try:
            done.result(_ANSWER_S)
        except FutureTimeoutError as error:
            raise DeviceError(f"the arms have not answered for {_ANSWER_S:g} s") from error

    def _serve(self) -> None:
        while True:
            try:
                action, done = self._requests.get_nowait()
            except Empty:
                return
            try:
                action()
            except DeviceError as error:
                done.set_exception(error)
            else:
                done.set_result(None)

    def _set_teleop(self, enabled: bool) -> None:
        if enabled:
            if not self._leader or not self._follower:
                raise DeviceError("teleoperation needs a leader and a follower: give the ports of both")
            self._require_well(self._leader)
            self._require_well(self._follower)
            if not self._torque:
                raise DeviceError("the follower's torque is off: switch it on first")
            self._danger = ""
        self._teleop = enabled
        self._forget_targets()

    def _set_torque(self, enabled: bool) -> None:
        if not self._follower:
            raise DeviceError("there is no follower: give its port")
        if enabled:
            self._require_well(self._follower)
            self._follower.do(self._power)
            self._danger = ""
        else:
            self._follower.do(lambda arm: arm.enable_torque(False))
        self._torque = enabled
        self._forget_targets()

    def _require_well(self, link: Link) -> None:
        if not link.up:
            raise DeviceError(f"the {link.arm.role} is not there: {link.trouble}")
        if link is self._follower and (danger := self._watch.danger()):
            raise DeviceError(f"the follower cannot be driven: {danger}")

    def _forget_targets(self) -> None:
        self._led = None
        if self._desk:
            self._desk.latest = None
        if self._motion:
            self._motion.hold()

    # The end.

    def _leave(self) -> None:
        if not self._follower or not self._torque:
            return
        if self.settings.torque_on_exit == "hold":
            logger.info("The follower stays powered, as torque_on_exit says")
            return
        if self._follower.up and self._is_raised():
            delay = self.settings.torque_off_warning_s
            logger.warning(
                "The follower is raised and will fall: hold it. Its torque goes off in %g s.", delay
            )
            time.sleep(delay)
        self._let_go(self._follower)

    def _let_go(self, follower: Link) -> None:
        trouble = follower.trouble
        for _ in range(_LETTING_GO_TRIES if follower.up else 0):
            try:
                follower.do(lambda arm: arm.enable_torque(False))
                return
            except DeviceError as error:
                trouble = str(error)
        logger.error(
            "The follower's torque could not be switched off: %s. It stays as it is until its power is cut "
            "or it is driven again.",
            trouble,
        )

    def _is_raised(self) -> bool:
        """Tell whether the arm would fall: neither folded nor lying on the table."""
        if self._present is None:
            return True
        pose = dict(zip(JOINTS, self._present.tolist(), strict=True))
        folded = all(
            abs(pose[name] - RESTING[name]) < _FOLDED_RAD for name in ("shoulder_lift", "elbow_flex")
        )
        return not folded and grasp_point(pose)[2] > _RAISED_M

    # What is said of it.

    def _links(self) -> list[Link]:
        return [link for link in (self._follower, self._leader) if link]

    def _errors(self) -> list[str]:
        lost = [f"the {link.arm.role} is lost: {link.trouble}" for link in self._links() if not link.up]
        held = [f"the follower is held: {self._danger}"] if self._danger else []
        return ([self._crash] if self._crash else []) + lost + held

    def _warnings(self) -> list[str]:
        return [] if self._danger else self._watch.complaints()

    def _activity(self) -> str:
        if not self._follower:
            return "reading the leader"
        if not self._torque:
            return "the follower's torque is off"
        phase = self._motion.phase if self._motion else "holding"
        return f"{phase} the leader" if self._teleop and phase != "holding" else phase

    def _values(self) -> dict[str, str]:
        values = {
            "rate_hz": f"{1 / self._ticks.mean_s():.1f}",
            "tick_ms_p99": f"{self._ticks.percentile_ms(99):.1f}",
            "teleop": str(self._teleop).lower(),
            "torque": str(self._torque).lower(),
            "phase": self._motion.phase if self._motion else "none",
        }
        if self._follower and self._leader:
            values["leader_age_ms_p50"] = f"{self._ages.percentile_ms(50):.2f}"
            values["leader_age_ms_p99"] = f"{self._ages.percentile_ms(99):.2f}"
        if self._motion:
            values["goals_limited"] = str(self._motion.limited)
        if self._desk:
            values["commands_accepted"] = str(self._desk.accepted)
            values.update({f"commands_refused.{kind}": str(n) for kind, n in self._desk.refused.items()})
        for link in self._links():
            values.update(_link_values(link))
        for name, health in self._watch.health.items():
            values[f"follower.{name}.temperature_c"] = str(health.temperature_c)
            values[f"follower.{name}.voltage_v"] = f"{health.voltage_v:.1f}"
            values[f"follower.{name}.load"] = f"{health.load:.2f}"
        return values


def _link_values(link: Link) -> dict[str, str]:
    role = link.arm.role
    values = {
        f"{role}.port": link.arm.port,
        f"{role}.connected": str(link.up).lower(),
        f"{role}.connections": str(link.connections),
        f"{role}.readings_skipped": str(link.skipped),
    }
    for name, errors in link.arm.errors.items():
        if errors.total:
            values[f"{role}.{name}.errors"] = f"{errors.timeouts} timeouts, {errors.corrupt} corrupt"
    return values

"""Replays a recorded episode on the follower and measures how well it reproduces the recording."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lerobot_recorder.arms.calibration import GRIPPER, JOINTS, Calibration, Vector
from lerobot_recorder.arms.settings import Unit
from lerobot_recorder.errors import DatasetError, DeviceError
from lerobot_recorder.excerpt import listing
from lerobot_recorder.status import STATUS_VERSION

Phase = Literal["waiting", "approaching", "replaying", "finished", "stopped"]

_RATE_HZ = 50.0
_FIRST_STATE_S = 10.0
_SILENT_S = 2.0
_ARRIVED_RAD = 0.1
_ARRIVING_S = 5.0


class Player:
    """Sends a movement to the follower and collects its positions.

    Attributes:
        phase: current phase
        rows_sent: number of rows of the movement that have been sent
    """

    def __init__(
        self,
        movement: Movement,
        publish: Callable[[Vector], None],
        *,
        approach_speed_rad_s: float,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare a replay.

        Args:
            movement: the movement to replay
            publish: sends a pose, (6,) rad, to the follower
            approach_speed_rad_s: speed of the fastest joint on the way to the first pose
            changed: called after each change of ``phase``
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
        """Add the follower's position at a time on the clock of ``time.time``; callable from any thread."""
        self._seen.append((time_s, position_rad))
        self._present, self._heard = position_rad, time.monotonic()
        self._new.set()

    def stop(self) -> None:
        """Stop sending: the follower then holds."""
        self._stopped.set()
        self._new.set()

    def run(self) -> Comparison | None:
        """Replay until the movement ends or ``stop`` is called.

        Returns:
            How well the recording was reproduced; None if that is unknown.

        Raises:
            DeviceError: the follower's joint states are missing, or it does not reach the first pose.
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
                f"no joint states of the follower within {_FIRST_STATE_S:g} s: check the hardware node"
            )
        return self._present

    def _play(self, poses: Vector, rate_hz: float) -> float:
        """Send each pose at its time, and return the time of the first one."""
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
        """Wait until the follower is at the first pose; its gripper may be held open by an object."""
        deadline = time.monotonic() + _ARRIVING_S
        while (off := np.abs(self._where() - first)[:GRIPPER]).max() > _ARRIVED_RAD:
            if time.monotonic() > deadline:
                joint = JOINTS[int(off.argmax())]
                raise DeviceError(
                    f"the follower does not reach the first pose: {joint} is {np.degrees(off.max()):.0f} "
                    "degrees off; check that its torque is on, and check the log of the hardware node"
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
            raise DeviceError(f"no joint states of the follower for {_SILENT_S:g} s: the replay ends")

    def _compared(self, started_s: float) -> Comparison | None:
        seen = list(self._seen)
        times_s = [time_s - started_s for time_s, _ in seen]
        return compare(self._movement, times_s, np.array([position for _, position in seen]))


class _StoppedError(Exception):
    """The replay was stopped."""


ACTION, STATE = "action", "observation.state"

_LARGEST_START_RAD = 0.5
_LARGEST_LAG_S = 0.3
_LAG_STEP_S = 0.005


@dataclass(frozen=True)
class Movement:
    """The recorded actions of the follower, and its recorded states.

    Attributes:
        fps: rows per second
        action_rad: the actions, (n, 6)
        state_rad: the states, (n, 6); None if they were not recorded
    """

    fps: float
    action_rad: Vector
    state_rad: Vector | None

    @property
    def start_rad(self) -> Vector:
        """First pose, (6,): the first state, or the first action if that is far from it."""
        first = self.action_rad[0]
        if self.state_rad is None or np.abs(self.state_rad[0] - first)[:GRIPPER].max() > _LARGEST_START_RAD:
            return np.asarray(first)
        return np.asarray(self.state_rad[0])


Errors = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Comparison:
    """How far the follower was from the recording, in degrees.

    Attributes:
        lag_s: delay of the follower, in seconds.
        at_once: differences at the same time: ``mean``, ``p95`` and ``largest``, each by joint.
        lagged: the same, with the delay taken out.
    """

    lag_s: float
    at_once: Errors
    lagged: Errors


@dataclass(frozen=True)
class ReplayStatus:
    """Snapshot of the replay's state, as published on ``~/status``.

    Attributes:
        version: version of this format.
        state: ``waiting``, ``approaching``, ``replaying``, ``finished`` or ``stopped``.
        frame: rows that have been sent to the follower.
        frames: rows of the episode.
        comparison: how well the recording was reproduced; null before the end.
    """

    version: int = STATUS_VERSION
    state: Phase = "waiting"
    frame: int = 0
    frames: int = 0
    comparison: Comparison | None = None


NamedRows = tuple[Sequence[str], Vector]
"""Names of a feature's values, and the values, (rows, values)."""


def load_movement(
    fps: float,
    action: NamedRows,
    state: NamedRows | None,
    calibration: Calibration,
    unit: Unit = "so100",
    *,
    joint_prefix: str = "",
) -> Movement:
    """Convert an episode's actions and states for a follower with this calibration.

    Args:
        fps: rows per second
        action: the recorded actions
        state: the recorded states; None if there are none
        calibration: the follower's calibration
        unit: unit of the values
        joint_prefix: start of the names of the arm's joints, for a dataset of several arms

    Raises:
        DatasetError: the values are not those of the arm's joints.
    """
    convert = _converter(calibration, unit)
    # A leader's range may be larger than the follower's, which refuses positions outside its own.
    action_rad = calibration.clip(convert(_by_joint(*action, ACTION, joint_prefix)))
    return Movement(fps, action_rad, convert(_by_joint(*state, STATE, joint_prefix)) if state else None)


def approach(present: Vector, first: Vector, speed_rad_s: float, rate_hz: float) -> Vector:
    """Return poses, (n, 6), from one pose to another: smooth at both ends, within the given speed."""
    # The peak speed of this curve, in its middle, is 1.5 times its mean speed.
    duration_s = 1.5 * float(np.abs(first - present).max()) / speed_rad_s
    progress = np.linspace(0, 1, max(2, math.ceil(duration_s * rate_hz) + 1))[:, None]
    return np.asarray(present + (first - present) * progress**2 * (3 - 2 * progress))


def compare(movement: Movement, times_s: Sequence[float], position_rad: Vector) -> Comparison | None:
    """Compare the follower's positions with the recording.

    Args:
        movement: the movement that was replayed
        times_s: times of the positions since the first row, ascending
        position_rad: the positions, (m, 6)

    Returns:
        None if there is nothing to compare.
    """
    if movement.state_rad is None or len(times_s) < 2:
        return None
    recorded = movement.state_rad
    rows_s = np.arange(len(recorded)) / movement.fps

    def errors_deg(lag_s: float) -> Vector:
        seen = rows_s + lag_s <= rows_s[-1] + 1 / movement.fps
        at = [np.interp(rows_s[seen] + lag_s, times_s, joint) for joint in position_rad.T]
        return np.asarray(np.degrees(np.abs(np.stack(at, axis=1) - recorded[seen])))

    lags_s = np.arange(0, min(_LARGEST_LAG_S, rows_s[-1] / 2) + _LAG_STEP_S, _LAG_STEP_S)
    lag_s = float(min(lags_s, key=lambda lag: float((errors_deg(lag) ** 2).mean())))
    return Comparison(lag_s, _summed_up(errors_deg(0.0)), _summed_up(errors_deg(lag_s)))


def _summed_up(errors_deg: Vector) -> Errors:
    found = {
        "mean": errors_deg.mean(axis=0),
        "p95": np.percentile(errors_deg, 95, axis=0),
        "largest": errors_deg.max(axis=0),
    }
    return {name: dict(zip(JOINTS, each.round(3).tolist(), strict=True)) for name, each in found.items()}


def _converter(calibration: Calibration, unit: Unit) -> Callable[[Vector], Vector]:
    if unit == "so100":
        return calibration.from_lerobot_units
    return np.radians if unit == "degrees" else np.asarray


def _by_joint(names: Sequence[str], rows: Vector, key: str, prefix: str) -> Vector:
    """Return the rows of one arm in the order of ``JOINTS``."""
    joints = [name.removesuffix(".pos") for name in names]
    wanted = [prefix + joint for joint in JOINTS]
    if missing := [joint for joint in wanted if joint not in joints]:
        raise DatasetError(
            f"{key} is not of an SO-100: expected {', '.join(missing)}, found {listing(names) or 'no names'}"
            + _hint_at_arms(joints)
        )
    return rows[:, [joints.index(joint) for joint in wanted]]


def _hint_at_arms(joints: Sequence[str]) -> str:
    """Name the prefixes of the arms in a dataset of several; empty if there are none."""
    prefixes = {joint.removesuffix(JOINTS[0]) for joint in joints if joint.endswith(JOINTS[0])}
    arms = [each for each in sorted(prefixes) if each and all(each + joint in joints for joint in JOINTS)]
    if not arms:
        return ""
    return f". It has several arms: set joint_prefix to {' or '.join(arms)} to replay one of them"

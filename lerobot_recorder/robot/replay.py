"""A recorded episode as a movement of the follower, and how well that reproduces the recording."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lerobot_recorder.dataset.recorded import RecordedEpisode, RecordedVectors
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.robot.calibration import GRIPPER, JOINTS, Calibration, Vector

Unit = Literal["so100", "degrees", "as_published"]
"""As the recorder's parameter: LeRobot's units, degrees throughout, or rad."""

ACTION, STATE = "action", "observation.state"

_LARGEST_START_RAD = 0.5
_LARGEST_LAG_S = 0.3
_LAG_STEP_S = 0.005


@dataclass(frozen=True)
class Movement:
    """What the follower is sent to, and where it was when that was recorded.

    Attributes:
        fps: Rows per second.
        action_rad: (n, 6).
        state_rad: (n, 6), None where it was not recorded.
    """

    fps: float
    action_rad: Vector
    state_rad: Vector | None

    @property
    def start_rad(self) -> Vector:
        """Where the movement begins, (6,): where the follower was, unless it was led to somewhere else."""
        first = self.action_rad[0]
        if self.state_rad is None or np.abs(self.state_rad[0] - first)[:GRIPPER].max() > _LARGEST_START_RAD:
            return np.asarray(first)
        return np.asarray(self.state_rad[0])


@dataclass(frozen=True)
class JointErrors:
    """How far the joints were from the recording, in degrees, each (6,).

    Attributes:
        mean: On average.
        p95: In 95 % of the rows no farther than this.
        largest: At most.
    """

    mean: Vector
    p95: Vector
    largest: Vector


@dataclass(frozen=True)
class Comparison:
    """How well a replay reproduced the states of the recording.

    Attributes:
        at_once: Errors at the rows' own times.
        lag_s: How much later the states came that were most like the recorded ones.
        lagged: Errors so much later: what is left of them when the delay is taken out.
    """

    at_once: JointErrors
    lag_s: float
    lagged: JointErrors


def load_movement(episode: RecordedEpisode, calibration: Calibration, unit: Unit = "so100") -> Movement:
    """Read what an episode makes the follower with this calibration do.

    Raises:
        DatasetError: It has no actions of the arm's joints, or they cannot be read.
    """
    convert = _converter(calibration, unit)
    # A leader's range may be larger than the follower's, which refuses what is beyond its own.
    action = calibration.clip(convert(_by_joint(episode.vectors(ACTION), ACTION)))
    state = convert(_by_joint(episode.vectors(STATE), STATE)) if episode.has(STATE) else None
    return Movement(episode.fps, action, state)


def approach(present: Vector, first: Vector, speed_rad_s: float, rate_hz: float) -> Vector:
    """Return the way from one pose to another, (n, 6): gently off, no faster than told, gently there."""
    # The fastest moment of this curve, in its middle, is half again as fast as the average.
    duration_s = 1.5 * float(np.abs(first - present).max()) / speed_rad_s
    progress = np.linspace(0, 1, max(2, math.ceil(duration_s * rate_hz) + 1))[:, None]
    return np.asarray(present + (first - present) * progress**2 * (3 - 2 * progress))


def compare(movement: Movement, times_s: Sequence[float], position_rad: Vector) -> Comparison | None:
    """Compare where the follower was with the recording.

    Args:
        movement: What was replayed.
        times_s: When the follower was seen, counted from the first row's time; rising.
        position_rad: Where, (m, 6).

    Returns:
        None where there is nothing to compare.
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
    return Comparison(_summed_up(errors_deg(0.0)), lag_s, _summed_up(errors_deg(lag_s)))


def _summed_up(errors_deg: Vector) -> JointErrors:
    return JointErrors(errors_deg.mean(axis=0), np.percentile(errors_deg, 95, axis=0), errors_deg.max(axis=0))


def _converter(calibration: Calibration, unit: Unit) -> Callable[[Vector], Vector]:
    if unit == "so100":
        return calibration.from_lerobot_units
    return np.radians if unit == "degrees" else np.asarray


def _by_joint(vectors: RecordedVectors, key: str) -> Vector:
    """Return the rows in the order of `JOINTS`."""
    names = [name.removesuffix(".pos") for name in vectors.names]
    if missing := [joint for joint in JOINTS if joint not in names]:
        found = ", ".join(vectors.names) or "no names"
        raise DatasetError(f"{key} is not of an SO-100: expected {', '.join(missing)}, found {found}")
    return vectors.rows[:, [names.index(joint) for joint in JOINTS]]

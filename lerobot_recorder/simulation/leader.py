"""The hand that moves the simulated leader: it repeatedly puts the cube on the plate."""

from __future__ import annotations

import numpy as np

from lerobot_recorder.arms import JOINTS, RESTING, Vector, reach
from lerobot_recorder.simulation.tabletop import CUBE_SIDE, HELD_OPENING_RAD, PLATE, PLATE_HEIGHT, SPOTS

PERIOD_S = 5.0
"""Duration of one cycle, from rest to rest."""

_MOMENTS_S = (0.0, 0.9, 1.5, 1.85, 2.35, 3.1, 3.5, 3.85, 4.2, 5.0)
"""Time of each waypoint from the start of a cycle."""
_TEMPO = 0.15
_OPEN_RAD = 0.95
_HALF_OPEN_RAD = 0.55
_CLOSED_RAD = HELD_OPENING_RAD - 0.03
_CARRY_HEIGHT = 0.085
_PITCH_RAD = 1.25
_SCATTER_M = 0.006
_TREMOR_RAD = 0.004


def home() -> Vector:
    """Return the pose, (6,) rad, in which each cycle begins and ends: at rest, the gripper half open."""
    return np.array([{**RESTING, "gripper": _HALF_OPEN_RAD}[name] for name in JOINTS])


class PickAndPlace:
    """An endless smooth demonstration, reproducible by its seed.

    Each cycle takes the cube from the next of its spots. The positions where it is grasped and put down vary
    by some mm from cycle to cycle; the tempo varies too.
    """

    def __init__(self, seed: int = 0) -> None:
        """Create a demonstration."""
        self._seed = seed
        self._cycle = -1
        self._times = np.zeros(0)
        self._poses = np.zeros((0, len(JOINTS)))

    def __call__(self, time_s: float) -> Vector:
        """Return the hand's pose, (6,) rad, at a time since the start."""
        cycle, phase = divmod(max(time_s, 0.0), PERIOD_S)
        if int(cycle) != self._cycle:
            self._plan(int(cycle))
        step = min(int(np.searchsorted(self._times, phase, side="right")), len(self._times) - 1)
        start, end = self._times[step - 1], self._times[step]
        progress = _minimum_jerk((phase - start) / (end - start))
        pose = self._poses[step - 1] + progress * (self._poses[step] - self._poses[step - 1])
        return np.asarray(pose + _tremor(time_s))

    def _plan(self, cycle: int) -> None:
        random = np.random.default_rng((self._seed, cycle))
        lengths = np.diff(_MOMENTS_S) * random.uniform(1 - _TEMPO, 1 + _TEMPO, len(_MOMENTS_S) - 1)
        self._times = np.append(0.0, np.cumsum(lengths) * PERIOD_S / lengths.sum())
        scatter = random.uniform(-_SCATTER_M, _SCATTER_M, (2, 2))
        self._poses = _waypoints(SPOTS[cycle % len(SPOTS)] + scatter[0], PLATE + scatter[1])
        self._cycle = cycle


def _waypoints(pick: Vector, place: Vector) -> Vector:
    """Return the poses, (10, 6) rad, of one cycle."""
    low = CUBE_SIDE / 2
    return np.array(
        [
            home(),
            _at(pick, _CARRY_HEIGHT, _OPEN_RAD),
            _at(pick, low, _OPEN_RAD),
            _at(pick, low, _CLOSED_RAD),
            _at(pick, _CARRY_HEIGHT, _CLOSED_RAD),
            _at(place, _CARRY_HEIGHT, _CLOSED_RAD),
            _at(place, low + PLATE_HEIGHT, _CLOSED_RAD),
            _at(place, low + PLATE_HEIGHT, _OPEN_RAD),
            _at(place, _CARRY_HEIGHT, _OPEN_RAD),
            home(),
        ]
    )


def _at(place: Vector, height: float, gripper_rad: float) -> Vector:
    body = reach(place[0], place[1], height, _PITCH_RAD)
    return np.array([{**body, "gripper": gripper_rad}[name] for name in JOINTS])


def _minimum_jerk(progress: float) -> float:
    """Return the progress of a hand that rests at both ends (Flash and Hogan, 1985)."""
    return progress**3 * (10 - 15 * progress + 6 * progress**2)


def _tremor(time_s: float) -> Vector:
    """Return the tremor of a hand; the gripper is held firmly."""
    numbers = np.arange(len(JOINTS))
    waves = np.sin(2 * np.pi * (0.7 + 0.13 * numbers) * time_s) * _TREMOR_RAD
    waves[JOINTS.index("gripper")] = 0.0
    return np.asarray(waves)

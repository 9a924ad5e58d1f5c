"""Numbers as pictures and as poses of an arm, and back, with a check that damage does not survive."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from lerobot_recorder.arms.calibration import JOINTS, SIMULATED

RATE_HZ = 30
"""Numbers per second."""
WIDTH, HEIGHT = 160, 120
CAMERAS = ("top", "wrist")
ARMS = ("follower", "leader")

_TILE = 20
_COLUMNS, _LINES = WIDTH // _TILE, HEIGHT // _TILE
_NUMBER_BITS = 24
_CHECK_BITS = _COLUMNS * _LINES - _NUMBER_BITS
_DARK, _BRIGHT = 30, 220
_INNER = 5
"""Of a tile, what is left out at its edges, where codecs blur."""

_BASE = 40
"""Of the digits: four of them last for 23 hours."""
_MARGIN_TICKS = 60
_LARGEST_ERROR = 0.2
_RANGES = np.array([(joint.range_min, joint.range_max) for joint in SIMULATED.joints.values()], float)
_FIRST = _RANGES[:, 0] + _MARGIN_TICKS
_STEPS = (_RANGES[:, 1] - _RANGES[:, 0] - 2 * _MARGIN_TICKS) / (_BASE - 1)
_WEIGHTS = np.array([1, 3, 5, 7])


def number_at(time_s: float, epoch_s: float) -> int:
    """Return the number that is shown at a time."""
    return int((time_s - epoch_s) * RATE_HZ)


def picture(number: int, camera: str) -> npt.NDArray[np.uint8]:
    """Draw a number: grey tiles, uint8, (height, width)."""
    word = number << _CHECK_BITS | _check(number, camera)
    bits = [word >> bit & 1 for bit in range(_COLUMNS * _LINES)]
    tiles = np.where(np.reshape(bits, (_LINES, _COLUMNS)), _BRIGHT, _DARK).astype(np.uint8)
    return np.kron(tiles, np.ones((_TILE, _TILE), np.uint8))


def read_picture(grey: npt.NDArray[np.uint8], camera: str) -> int | None:
    """Return the number that a picture of this camera shows, None for a damaged or foreign one."""
    tiles = grey.reshape(_LINES, _TILE, _COLUMNS, _TILE).transpose(0, 2, 1, 3)
    inner = tiles[:, :, _INNER:-_INNER, _INNER:-_INNER].reshape(_LINES * _COLUMNS, -1)
    bits = inner.mean(axis=1) > (_DARK + _BRIGHT) / 2
    word = sum(1 << place for place, bit in enumerate(bits) if bit)
    number = word >> _CHECK_BITS
    return number if word & ((1 << _CHECK_BITS) - 1) == _check(number, camera) else None


def _check(number: int, camera: str) -> int:
    return zlib.crc32(f"{camera} {number}".encode()) & ((1 << _CHECK_BITS) - 1)


def pose_rad(number: int, arm: str) -> npt.NDArray[np.float64]:
    """Return the pose of an arm, (6,) rad, that stands for a number."""
    return np.asarray(SIMULATED.to_rad(_FIRST + np.array(_digits(number, arm)) * _STEPS))


def read_units(units: npt.ArrayLike, arm: str) -> int | None:
    """Return the number that a recorded pose in LeRobot's units, (6,), stands for, None for a wrong one."""
    ticks = SIMULATED.to_ticks(SIMULATED.from_lerobot_units(units))
    places = (ticks - _FIRST) / _STEPS
    digits = np.rint(places)
    if not np.isfinite(places).all() or np.abs(places - digits).max() > _LARGEST_ERROR:
        return None
    number = int(sum(int(digit) * _BASE**place for place, digit in enumerate(digits[:4])))
    return number if _digits(number, arm) == digits.astype(int).tolist() else None


def _digits(number: int, arm: str) -> list[int]:
    """Return four digits of a number, and two that check them and distinguish the arms."""
    digits = [number // _BASE**place % _BASE for place in range(4)]
    check = int(np.dot(digits, _WEIGHTS)) + 11 * ARMS.index(arm)
    return [*digits, check % _BASE, check // _BASE % _BASE]


assert len(JOINTS) == len(_STEPS)

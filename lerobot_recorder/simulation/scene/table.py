"""The table top as seen from straight above: planks of wood in the light of a lamp, and a plate."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.simulation.tabletop import PLATE, PLATE_RADIUS

Image = NDArray[np.uint8]
Field = NDArray[np.float32]

FINEST = 1500  # pixels per m
LEFT, RIGHT = -0.65, 0.65  # y
NEAR, FAR = -0.55, 0.75  # x
_WOOD = np.array((186, 148, 106), np.float32)
_GRAIN = np.array((-62, -62, -54), np.float32)
_CHINA = np.array((236, 234, 228), np.float32)
_PLANK_M = 0.13
_PLATE_SHADOW_M = 0.014
_PLATE_RELIEF = (
    (0, 0.60, 0.66, 0.74, 0.95, 1.0),
    (0.90, 0.91, 0.84, 0.97, 1.0, 0.86),
)  # brightness by radius
_LAMP = (0.22, 0.06)
_LAMP_REACH_M = 0.75


def world_to_texture(pixels_per_m: int) -> NDArray[np.float64]:
    """Return the affine map of x, y on the table to the texture's column and row, (3, 3)."""
    scale, shift = float(pixels_per_m), -0.5
    return np.array(((0, -scale, RIGHT * scale + shift), (-scale, 0, FAR * scale + shift), (0, 0, 1)))


@lru_cache(maxsize=2)
def table_texture(pixels_per_m: int) -> Image:
    """Return the table top: RGB, uint8, (rows, columns, 3); x decreases downwards, y to the right."""
    size = round((RIGHT - LEFT) * pixels_per_m), round((FAR - NEAR) * pixels_per_m)
    return np.asarray(cv2.resize(_finest_texture(), size, interpolation=cv2.INTER_AREA))


@lru_cache(maxsize=1)
def _finest_texture() -> Image:
    rows, columns = round((FAR - NEAR) * FINEST), round((RIGHT - LEFT) * FINEST)
    x = np.linspace(FAR, NEAR, rows, dtype=np.float32)[:, None]
    y = np.linspace(RIGHT, LEFT, columns, dtype=np.float32)[None, :]
    light = _lamp_light(x, y)
    texture = _WOOD + _wood(np.random.default_rng(7), x, columns)[..., None] * _GRAIN
    texture *= light[..., None]
    _lay_plate(texture, x, y, light)
    return np.clip(texture, 0, 255, out=texture).astype(np.uint8)


def _lamp_light(x: Field, y: Field) -> Field:
    square = ((x - _LAMP[0]) ** 2 + (y - _LAMP[1]) ** 2) / np.float32(_LAMP_REACH_M**2)
    return np.asarray(1.1 - 0.45 * square / (1 + 0.4 * square))


def _wood(random: np.random.Generator, x: Field, columns: int) -> Field:
    """Return the darkness of the wood, 0 to 1: planks along y, each with its own tone and grain."""
    plank = np.floor((x - NEAR) / _PLANK_M).astype(int)
    within = (x - NEAR) / np.float32(_PLANK_M) - plank.astype(np.float32)
    tone = random.uniform(0.0, 0.3, plank.max() + 1).astype(np.float32)[plank]
    rings = _rings(random, x, columns)
    fibres = _smooth_noise(random, (len(x), columns), (1400, 30))
    seam = np.exp(-((np.minimum(within, 1 - within) * np.float32(_PLANK_M / 0.0011)) ** 2))
    return np.asarray(0.30 * rings + 0.22 * fibres + (tone + 0.75 * seam))


def _rings(random: np.random.Generator, x: Field, columns: int) -> Field:
    """Return growth rings cut lengthwise: waves across the grain, bent by slow noise along it."""
    shape = (len(x), columns)
    bend = _smooth_noise(random, shape, (10, 3)) + 0.25 * _smooth_noise(random, shape, (40, 8))
    wave = np.sin(x * 130 + bend * 14)
    return np.asarray(0.5 + 0.5 * wave * np.abs(wave))


def _smooth_noise(random: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Field:
    """Return noise from 0 to 1, smoothed from a grid of ``cells`` independent values, (down, across)."""
    noise = random.random(cells, np.float32)
    return np.asarray(cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC))


def _lay_plate(texture: Field, x: Field, y: Field, light: Field) -> None:
    """Draw the plate: a soft shadow around it, a rim, and a slightly darker well."""
    reach = PLATE_RADIUS + _PLATE_SHADOW_M
    rows = slice(*np.flatnonzero(np.abs(x.ravel() - PLATE[0]) < reach)[[0, -1]])
    columns = slice(*np.flatnonzero(np.abs(y.ravel() - PLATE[1]) < reach)[[0, -1]])
    distance = np.hypot(x[rows] - PLATE[0], y[:, columns] - PLATE[1])
    shadow = np.clip((distance - PLATE_RADIUS) / _PLATE_SHADOW_M, 0, 1)
    relief = np.interp(distance / PLATE_RADIUS, *_PLATE_RELIEF)
    china = (relief * light[rows, columns])[..., None] * _CHINA
    edge = np.clip((PLATE_RADIUS - distance) * FINEST / 2, 0, 1)[..., None]
    table = texture[rows, columns] * (0.72 + 0.28 * shadow)[..., None]
    texture[rows, columns] = edge * china + (1 - edge) * table

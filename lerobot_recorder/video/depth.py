"""Depth maps to the 12-bit codes that LeRobot stores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.settings import check_settings, setting

MAX_CODE = 4095
"""Largest of the 12-bit codes."""

_MM_PER_M = 1000.0


@dataclass(frozen=True)
class DepthSettings:
    """How depth becomes codes; the defaults are LeRobot's.

    A dataset that has depth already keeps the settings that it began with.
    """

    depth_min: float = setting(0.01, "Smallest depth that a new dataset can represent", unit="m", low=0)
    depth_max: float = setting(10.0, "Largest depth that a new dataset can represent", unit="m", low=0.001)
    shift: float = setting(
        3.5, "Added to depth before the logarithm, in a new dataset", name="depth_shift", unit="m"
    )
    use_log: bool = setting(
        True,
        "Use steps that grow with the depth, as the errors of a depth camera do, in a new dataset; "
        "otherwise all steps are equal",
        name="depth_use_log",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.depth_min < self.depth_max:
            raise ConfigError(f"depth_min {self.depth_min} is not below depth_max {self.depth_max}")
        if self.use_log and self.depth_min + self.shift <= 0:
            raise ConfigError(
                f"depth_min {self.depth_min} + shift {self.shift} must be positive to take a logarithm"
            )

    def info(self) -> dict[str, Any]:
        """Return the entries of a feature's `info` that decoders need to restore depth."""
        return {
            "video.depth_min": self.depth_min,
            "video.depth_max": self.depth_max,
            "video.shift": self.shift,
            "video.use_log": self.use_log,
        }


def depth_settings(info: Mapping[str, Any], default: DepthSettings) -> DepthSettings:
    """Return the settings in a feature's `info`, so that new codes mean the same as the old ones."""
    names = (setting.name for setting in dataclasses.fields(DepthSettings))
    named = {name: info[f"video.{name}"] for name in names if f"video.{name}" in info}
    return dataclasses.replace(default, **named)


def depth_unit(dtype: npt.DTypeLike) -> str:
    """Return LeRobot's unit for a depth map: `mm` for integers, `m` for floats."""
    return "m" if np.issubdtype(np.dtype(dtype), np.floating) else "mm"


def quantize_depth(depth: npt.NDArray[Any], settings: DepthSettings) -> npt.NDArray[np.uint16]:
    """Convert a depth map to codes as LeRobot does, with its order of operations and precision.

    Args:
        depth: (height, width), integers in mm or floats in m. Values out of range and infinite ones get the
            nearest code, NaN gets 0.
        settings: range and spacing of the codes.

    Returns:
        Codes 0 to 4095: uint16, (height, width).
    """
    scale = 1.0 if depth_unit(depth.dtype) == "m" else _MM_PER_M
    low, high, shift = (
        np.float32(x * scale) for x in (settings.depth_min, settings.depth_max, settings.shift)
    )
    values = depth.astype(np.float32)
    share: npt.NDArray[Any]
    with np.errstate(divide="ignore", invalid="ignore"):
        if settings.use_log:
            first, last = math.log(float(low + shift)), math.log(float(high + shift))
            share = (np.log(values + shift) - first) / (last - first)
        else:
            share = (values - low) / (high - low)
        codes = np.nan_to_num(np.rint(share * MAX_CODE), nan=0.0).clip(0, MAX_CODE)
    quantized: npt.NDArray[np.uint16] = codes.astype(np.uint16)
    return quantized


def restore_depth(codes: npt.NDArray[np.uint16], settings: DepthSettings, unit: str) -> npt.NDArray[Any]:
    """Convert codes to a depth map, whose codes are the same again.

    Args:
        codes: 0 to 4095, (height, width).
        settings: range and spacing of the codes.
        unit: ``mm`` or ``m``.

    Returns:
        Depth in mm, uint16, or in m, float32, (height, width); 0 for the code 0, which stands for no
        measurement and for depth below the range.
    """
    share = codes.astype(np.float64) / MAX_CODE
    low, high, shift = settings.depth_min, settings.depth_max, settings.shift
    if settings.use_log:
        first, last = math.log(low + shift), math.log(high + shift)
        depth_m = np.exp(share * (last - first) + first) - shift
    else:
        depth_m = share * (high - low) + low
    depth_m[codes == 0] = 0
    if unit == "m":
        return depth_m.astype(np.float32)
    return np.rint(depth_m * _MM_PER_M).clip(0, np.iinfo(np.uint16).max).astype(np.uint16)

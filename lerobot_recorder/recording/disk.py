"""How long the room on disk lasts."""

from __future__ import annotations

from dataclasses import dataclass

RESERVE_BYTES = 64 << 20
"""Kept free for what the encoder writes while it makes room."""

_TYPICAL_RATIO = {"raw": 1.5 + 0.19, "png": 1.7, "jpeg": 0.35, "depth16": 2.0, "depth32": 4.0}


@dataclass(frozen=True)
class DiskForecast:
    """What is left.

    Attributes:
        free_bytes: room for this user, None when it is not known yet.
        bytes_per_s: what a recording writes per second.
    """

    free_bytes: int | None
    bytes_per_s: float

    @property
    def seconds_left(self) -> float | None:
        """Seconds of recording that still fit."""
        if self.free_bytes is None or self.bytes_per_s <= 0:
            return None
        return max(0.0, (self.free_bytes - RESERVE_BYTES) / self.bytes_per_s)

    @property
    def exhausted(self) -> bool:
        """Whether a recording must end now."""
        return self.free_bytes is not None and self.free_bytes < RESERVE_BYTES // 4


def typical_bytes(image_format: str, width: int, height: int) -> float:
    """Estimate what an image of a size takes on disk before the first episode has shown it."""
    return width * height * _TYPICAL_RATIO[image_format]

"""What a camera reads its pictures from: the interface of all kinds of sources."""

from __future__ import annotations

from typing import Protocol

from lerobot_recorder.robot.cameras.settings import Picture


class Source(Protocol):
    """Something that is open and gives one picture after another.

    Attributes:
        rate_hz: Pictures a second that are to be expected of it.
        is_live: Whether it has a sensor, so that no two of its pictures are the same.
        sends_jpeg: Whether its pictures come as JPEG; else as pixels only.
    """

    rate_hz: float
    is_live: bool
    sends_jpeg: bool

    def read(self, want_rgb: bool) -> Picture | None:
        """Wait for the next picture, at most about half a second or one period.

        Args:
            want_rgb: Whether a picture that comes compressed is decoded, and an expensive one drawn at all.

        Returns:
            The picture, or nothing when none came in that time.

        Raises:
            CameraError: The source is gone.
        """

    def close(self) -> None:
        """Let go of the device; never raises."""

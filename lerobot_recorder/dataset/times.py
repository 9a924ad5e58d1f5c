"""Which rows LeRobot finds in a video: it compares times in single precision.

LeRobot 0.6.1 asks a video for the time ``from_timestamp + timestamp`` and refuses the frame that it gets
where that is not within `TOLERANCE_S`. Both times are float32 by then, whose steps are longer than the
tolerance from 1,024 s on: there, rows whose sum was rounded another way than the frame's time are refused.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TOLERANCE_S = 1e-4
"""LeRobot refuses a frame that is this far from the time of its row, or further."""


def readable(
    from_s: float, timestamps: npt.NDArray[np.floating], frame_times: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Find the rows whose frame LeRobot accepts.

    Args:
        from_s: the episode's ``from_timestamp``, seconds in the video file.
        timestamps: of the episode's rows, seconds in the episode, (n,).
        frame_times: of the frames that belong to the rows, seconds in the video file, (n,).

    Returns:
        True for each row that can be read, (n,).
    """
    asked = (from_s + timestamps.astype(np.float32).astype(np.float64)).astype(np.float32)
    distance = np.abs(asked - frame_times.astype(np.float32))
    return distance < np.float32(TOLERANCE_S)


def is_readable(start: int, length: int, fps: float) -> bool:
    """Tell whether LeRobot can read every frame of an episode on the frame grid.

    Args:
        start: frames in the video file before the episode.
        length: frames of the episode.
        fps: frames per second.
    """
    numbers = np.arange(length)
    return bool(readable(start / fps, numbers / fps, (start + numbers) / fps).all())

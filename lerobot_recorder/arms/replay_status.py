"""The status of a replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lerobot_recorder.status import STATUS_VERSION


@dataclass(frozen=True)
class ComparisonStatus:
    """How far the follower was from the recording, in degrees.

    Attributes:
        lag_s: delay of the follower, in seconds.
        at_once: differences at the same time: ``mean``, ``p95`` and ``largest``, each by joint.
        lagged: the same, with the delay taken out.
    """

    lag_s: float
    at_once: Mapping[str, Mapping[str, float]]
    lagged: Mapping[str, Mapping[str, float]]


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
    state: Literal["waiting", "approaching", "replaying", "finished", "stopped"] = "waiting"
    frame: int = 0
    frames: int = 0
    comparison: ComparisonStatus | None = None

"""How a take can end, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Ending = Literal["save", "time", "discard", "interrupted", "clock", "disk_full"]
"""Why a take ends where nothing has failed."""

CUT_SHORT: Mapping[Ending, str] = {
    "clock": "interrupted: the clock jumped during the take",
}
"""Endings that make a take a bad one."""


@dataclass(frozen=True)
class Outcome:
    """What became of a take.

    Attributes:
        episode_id: of the episode.
        state: `ready`, `rejected` or `discarded`; `recording` where it could not be ended, so that the next
            start finds it.
        length: rows.
        duration_s: length on the grid.
        task: what was shown.
        verdict: `good` or `bad`.
        reasons: why it is bad, or was not saved.
        notes: what is unusual about it without making it bad.
        ended_by: `save`, `time`, `discard`, `interrupted`, `clock`, `disk_full`, `overrun` or `error`.
        wait_s: seconds from the end of the recording until it was safe on disk.
        size_bytes: what it takes in the spool.
        ticks: how late the rows were taken.
        streams: what was counted of each stream.
    """

    episode_id: str
    state: str
    length: int
    duration_s: float
    task: str
    verdict: str = "good"
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ended_by: str = "save"
    wait_s: float = 0.0
    size_bytes: int = 0
    ticks: Mapping[str, Any] = field(default_factory=dict)
    streams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

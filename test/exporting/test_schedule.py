"""When the rows of exported episodes are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lerobot_recorder.exporting.schedule import SECOND_NS, Scheduled, schedule

START_NS = 1_790_000_000_000_000_000


def scheduled(starts_ns: list[int], length: int = 7, fps: int = 30) -> list[Scheduled]:
    source: Any = SimpleNamespace(
        recordings={number: {"started_at_ns": start_ns} for number, start_ns in enumerate(starts_ns)},
        dataset=SimpleNamespace(lengths=np.full(len(starts_ns), length)),
        info=SimpleNamespace(fps=fps),
    )
    return schedule(source, range(len(starts_ns)))


@pytest.mark.parametrize("earlier_ns", [0, 10, SECOND_NS // 30 // 2])
def test_an_episode_that_follows_at_once_keeps_its_exact_stamps(earlier_ns):
    follows_ns = START_NS + 7 * SECOND_NS // 30 - earlier_ns
    first, second = scheduled([START_NS, follows_ns])
    assert (second.start_ns, first.is_moved, second.is_moved) == (follows_ns, False, False)
    assert first.row_ns(6) < first.end_ns == second.start_ns


def test_an_episode_that_overlaps_by_more_is_moved_behind_the_other():
    first, second = scheduled([START_NS, START_NS + 7 * SECOND_NS // 30 - SECOND_NS // 50])
    assert second.start_ns == first.end_ns == START_NS + 7 * SECOND_NS // 30
    assert (first.is_moved, second.is_moved) == (False, True)

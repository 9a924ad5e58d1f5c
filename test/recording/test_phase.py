from __future__ import annotations

import random

import pytest

from lerobot_recorder.recording.clock import grid_start_ns

PERIOD = 100


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ([], 1000),
        ([900], 1050),
        ([930, 1030], 1080),
        ([970], 1020),
        ([900, 950], 1025),
        ([910, 990], 1050),
        ([980, 1020], 1050),
    ],
)
def test_ticks_are_far_from_the_arrival_of_samples(arrivals, expected):
    assert grid_start_ns(1000, PERIOD, arrivals) == expected


def test_each_tick_has_its_own_image_although_they_arrive_unevenly():
    come = random.Random(1)
    for phase in range(0, PERIOD, 7):
        arrivals = [k * PERIOD + phase + come.randint(-20, 20) for k in range(200)]
        start = grid_start_ns(arrivals[30] + 3, PERIOD, arrivals[:30])
        ticks = range(start, arrivals[-1], PERIOD)
        taken = [max(i for i, arrival in enumerate(arrivals) if arrival <= tick) for tick in ticks]
        assert taken == list(range(taken[0], taken[0] + len(taken)))

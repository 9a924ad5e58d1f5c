from __future__ import annotations

from itertools import pairwise

import pytest

from lerobot_recorder.cameras.source import SourceClock, driver_time_ns

MS = 1_000_000


def test_network_jitter_does_not_reach_the_stamps():
    clock = SourceClock()
    delays_ms = (5, 60, 5, 200, 170, 140, 110, 5)
    stamps = [clock.stamp_ns(i / 30, round(i / 30 * 1e9) + delay * MS) for i, delay in enumerate(delays_ms)]
    assert [b - a for a, b in pairwise(stamps)] == pytest.approx([33.3 * MS] * 7, abs=1 * MS)


def test_a_stamp_is_never_later_than_the_arrival():
    clock = SourceClock()
    for i, delay_ms in enumerate((50, 3, 8, 40, 1)):
        arrived_ns = i * 33 * MS + delay_ms * MS
        assert clock.stamp_ns(i * 0.033, arrived_ns) <= arrived_ns


def test_a_clock_that_jumps_is_followed():
    clock = SourceClock()
    clock.stamp_ns(100.0, 5_000 * MS)
    assert clock.stamp_ns(3.0, 5_033 * MS) == 5_033 * MS


def test_without_a_clock_the_stamp_is_the_arrival():
    assert SourceClock().stamp_ns(None, 42) == 42


@pytest.mark.parametrize(
    ("driver_s", "expected"), [(99.9, 99.9), (101.0, 100.0), (3.5, 100.0), (None, 100.0)]
)
def test_a_drivers_time_is_used_if_it_is_recent(driver_s, expected):
    assert driver_time_ns(driver_s, 100 * 10**9) == pytest.approx(expected * 1e9)

from __future__ import annotations

import pytest

from lerobot_recorder.cameras import source as pace
from lerobot_recorder.cameras.source import Pace

MS = 1_000_000


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_ns = 5_000 * MS

    def monotonic_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


@pytest.fixture
def time(monkeypatch) -> Time:
    time = Time()
    monkeypatch.setattr(pace, "time", time)
    return time


def instants(pace: Pace, time: Time, dues_ms: range) -> list[int]:
    """Return when each wait ends, in ms from the first."""
    start_ns = time.now_ns
    ends = []
    for due_ms in dues_ms:
        pace.wait_until(due_ms * MS)
        ends.append((time.now_ns - start_ns) // MS)
    return ends


def test_it_waits_for_each_instant(time):
    assert instants(Pace(), time, range(0, 100, 20)) == [0, 20, 40, 60, 80]


def test_a_short_delay_is_caught_up(time):
    pace = Pace()
    pace.wait_until(0)
    time.sleep(0.05)
    assert instants(pace, time, range(20, 120, 20)) == [0, 0, 10, 30, 50]


def test_after_a_long_delay_it_starts_again_without_a_burst(time):
    pace = Pace()
    pace.wait_until(0)
    time.sleep(5)
    assert instants(pace, time, range(20, 100, 20)) == [0, 20, 40, 60]

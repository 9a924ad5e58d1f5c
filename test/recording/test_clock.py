from __future__ import annotations

from types import SimpleNamespace

import pytest

from lerobot_recorder.recording import ClockSteps, SystemClock
from lerobot_recorder.recording import clock as module


class Times:
    """The system's clock and the monotonic clock, moved by the test; reading them takes some time."""

    def __init__(self) -> None:
        self.system_s, self.steady_s, self.looks_s = 1000.0, 50.0, []

    def time(self) -> float:
        self.steady_s += (look_s := self.looks_s.pop() if self.looks_s else 0.0)
        self.system_s += look_s
        return self.system_s

    def monotonic(self) -> float:
        return self.steady_s

    def pass_by(self, seconds: float, faster: float = 0.0) -> None:
        self.steady_s += seconds
        self.system_s += seconds * (1 + faster)


@pytest.fixture
def times(monkeypatch):
    times = Times()
    monkeypatch.setattr(module, "time", times)
    return times


@pytest.mark.parametrize("by_s", [3600.0, -3600.0, 0.2, -0.2])
def test_a_clock_that_is_set_is_detected_once(times, by_s):
    steps = ClockSteps(SystemClock())
    times.pass_by(0.05)
    assert steps.since_last_s() == 0
    times.system_s += by_s
    times.pass_by(0.05)
    assert steps.since_last_s() == pytest.approx(by_s)
    times.pass_by(0.05)
    assert steps.since_last_s() == 0


@pytest.mark.parametrize("faster", [0.085, -0.085])
@pytest.mark.parametrize("seconds", [0.05, 5.0])
def test_a_clock_that_runs_faster_or_slower_for_a_while_is_not_set(times, faster, seconds):
    steps = ClockSteps(SystemClock())
    for _ in range(100):
        times.pass_by(seconds, faster)
        assert steps.since_last_s() == 0


def test_a_busy_computer_does_not_look_like_a_clock_that_was_set(times):
    steps = ClockSteps(SystemClock())
    times.looks_s = [0.0, 3.0]
    assert steps.since_last_s() == 0
    assert steps.since_last_s() == 0


def test_steps_of_the_system_clock_do_not_matter_to_another_clock(times):
    steps = ClockSteps(SimpleNamespace(name="sim"))
    times.system_s += 100
    assert steps.since_last_s() == 0

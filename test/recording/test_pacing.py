from __future__ import annotations

import itertools

from lerobot_recorder.recording.pacing import ticks


class Time:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_ticks_do_not_drift_however_long_the_work_takes():
    time = Time()
    at = []
    for number in ticks(10, 2, clock=time, sleep=time.sleep):
        at.append((number, round(time.now_s - 100, 6)))
        time.now_s += 0.03 + 0.01 * (number % 5)
    assert at == [(number, number / 10) for number in range(20)]


def test_a_loop_that_was_late_catches_up_and_says_so_once(caplog):
    time = Time()
    at = []
    for number in itertools.islice(ticks(10, clock=time, sleep=time.sleep), 8):
        at.append(round(time.now_s - 100, 6))
        time.now_s += 0.35 if number == 1 else 0.01
    assert at == [0, 0.1, 0.45, 0.46, 0.47, 0.5, 0.6, 0.7]
    assert [record.getMessage() for record in caplog.records] == [
        "tick 2 is 0.250 s late: the loop is too slow for 10 fps"
    ]

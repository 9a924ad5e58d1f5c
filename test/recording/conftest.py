from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from lerobot_recorder.recording import Recorder, RecorderSettings, Sample, Stream, StreamSpec

SECOND = 1_000_000_000


class FakeClock:
    """A clock that stands still until the test moves it."""

    name = "sim"

    def __init__(self) -> None:
        self._now_ns = 100 * SECOND
        self._moved = threading.Condition()

    def now_ns(self) -> int:
        return self._now_ns

    def move_to(self, time_ns: int) -> None:
        with self._moved:
            self._now_ns = max(self._now_ns, int(time_ns))
            self._moved.notify_all()

    def advance(self, seconds: float) -> None:
        self.move_to(self._now_ns + int(seconds * SECOND))

    def wait_until(self, time_ns: int, stop: threading.Event) -> bool:
        with self._moved:
            while self._now_ns < time_ns and not stop.is_set():
                self._moved.wait(0.01)
        return not stop.is_set()


class Bench:
    """A recorder with a state, an action and a camera, and a clock that the test moves."""

    def __init__(self, root: Path, min_rate_hz: float = 0.0, **settings) -> None:
        self.clock = FakeClock()
        self.streams = {
            "state": Stream(
                StreamSpec("state", "observation.state", ("a.pos", "b.pos"), source="state_topic")
            ),
            "action": Stream(StreamSpec("action", "action", ("a.pos",), source="action_topic")),
            "top": Stream(
                StreamSpec(
                    "top",
                    "observation.images.top",
                    is_image=True,
                    min_rate_hz=min_rate_hz,
                    source="camera_topic",
                )
            ),
        }
        self.root = root
        self.outcomes = []
        self.settings = RecorderSettings(**{"task": "Pick up", "episode_time_s": 0.0, **settings})
        self.recorder = self.open()
        self.pushed = 0

    def open(self, **kwargs) -> Recorder:
        return Recorder(
            self.root,
            10,
            list(self.streams.values()),
            self.settings,
            clock=self.clock,
            on_end=self.outcomes.append,
            **kwargs,
        )

    def image(self, number: int) -> np.ndarray:
        rng = np.random.default_rng(number)
        return rng.integers(0, 255, (32, 48, 3), np.uint8)

    def push(self, stamp_ns: int | None = None, *, only: tuple[str, ...] = ("state", "action", "top")) -> int:
        """Give every stream its next sample; return its number."""
        number, stamp = self.pushed, self.clock.now_ns() if stamp_ns is None else stamp_ns
        values = {"state": [number, -number], "action": [number + 0.5]}
        for name in only:
            value = self.image(number) if name == "top" else np.array(values[name], float)
            self.streams[name].push(Sample(stamp, value))
        self.pushed += 1
        return number

    def start(self) -> str:
        self.push()
        return self.recorder.start().result(10)

    def run(self, ticks: int, **push) -> None:
        """Let time pass, with samples half a period before each tick."""
        take = self.recorder._take
        for _ in range(ticks):
            tick_ns = take.header.started_at_ns + take.rows * SECOND // 10
            if tick_ns - SECOND // 20 > self.clock.now_ns():
                self.clock.move_to(tick_ns - SECOND // 20)
                self.push(**push)
            rows = take.rows
            self.clock.move_to(tick_ns)
            self.wait(lambda rows=rows: take.rows > rows or take.over)

    @staticmethod
    def wait(condition) -> None:
        for _ in range(3000):
            if condition():
                return
            threading.Event().wait(0.005)
        raise AssertionError("it did not happen")


@pytest.fixture
def bench(tmp_path):
    made = []

    def make(**settings) -> Bench:
        made.append(Bench(tmp_path / "data", **settings))
        return made[-1]

    yield make
    for each in made:
        each.recorder.close()

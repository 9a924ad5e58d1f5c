"""Measure one build of this package; `encoding.py --before PYTHON` runs it with two, and compares them.

    python benchmarks/one_build.py live SECONDS EPISODES             records at real pace beside an encoder
    python benchmarks/one_build.py stored SECONDS CAMERAS [PRESET]   records quickly, then encodes

Uses only what every version has. Prints a line of JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from processes import Cost, cost, proportional_bytes

FPS = 30
POLL_S = 0.01
SAMPLE_S = 0.5
"""Time between two measurements of the proportional memory, which takes 1 ms per process."""


def main() -> None:
    kind, *values = sys.argv[1:]
    if kind == "encoder":
        encode(Path(values[0]), *map(int, values[1:]))
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        seconds, count = float(values[0]), int(values[1])
        measure = live if kind == "live" else stored
        print(json.dumps(measure(Path(folder) / "data", seconds, count, *values[2:])))


def live(root: Path, seconds: float, episodes: int) -> dict[str, Any]:
    """Record two cameras at real pace; measure from the end of each save until the episode is committed."""
    delays, waits, late = [], [], 0
    with encoder_of(root) as process, recorder_of(root, 2) as (recorder, rows):
        before = cost(process.pid)
        for _ in range(episodes):
            with recorder.episode("benchmark") as episode:
                late += pace(episode, rows, round(seconds * FPS))
                leaving = time.perf_counter()
            saved = time.perf_counter()
            wait_for_line(process)
            delays.append(time.perf_counter() - saved)
            waits.append(saved - leaving)
            time.sleep(1)
        spent = cost(process.pid).since(before)
    return {
        "delay_s": statistics.median(delays),
        "wait_s": statistics.median(waits),
        "late": late,
        "cpu_s": spent.cpu_s / (episodes * seconds),
        "peak_bytes": spent.peak_bytes,
    }


def stored(root: Path, seconds: float, cameras: int, preset: str = "") -> dict[str, Any]:
    """Encode an episode that waits."""
    with recorder_of(root, cameras) as (recorder, rows), recorder.episode("benchmark") as episode:
        for _ in range(round(seconds * FPS)):
            episode.add(next(rows))
    with encoder_of(root, *filter(None, [preset])) as process, sampled_peak(process.pid) as peak:
        began = time.perf_counter()
        wait_for_line(process)
        spent: Cost = cost(process.pid)
        return {
            "wall_s": time.perf_counter() - began,
            "peak_bytes": spent.peak_bytes,
            "proportional_bytes": peak[0],
            "cpu_s": spent.cpu_s / seconds,
        }


@contextmanager
def sampled_peak(pid: int) -> Iterator[list[int]]:
    """Measure the largest proportional memory of a process and its descendants: a list of one number."""
    peak, ended = [0], threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_S):
            peak[0] = max(peak[0], proportional_bytes(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


@contextmanager
def recorder_of(root: Path, cameras: int) -> Iterator[tuple[Any, Iterator[dict[str, Any]]]]:
    # The encoder, which is measured, needs neither of them.
    from footage import CLIPS, back_and_forth, find_clip, load_frames

    from lerobot_recorder import EpisodeRecorder

    keys = [f"observation.images.cam{index}" for index in range(cameras)]
    features: dict[str, Any] = {"observation.state": {"dtype": "float32", "shape": (6,), "names": None}}
    names = ["height", "width", "channels"]
    features |= {key: {"dtype": "video", "shape": (480, 640, 3), "names": names} for key in keys}
    frames = load_frames(find_clip(CLIPS[0]), 640, 480)
    images = [back_and_forth(frames, 17 * index) for index in range(cameras)]

    def rows() -> Iterator[dict[str, Any]]:
        while True:
            shown = {key: next(each) for key, each in zip(keys, images, strict=True)}
            yield {"observation.state": np.zeros(6, np.float32), **shown}

    with EpisodeRecorder(root, features, FPS) as recorder:
        yield recorder, rows()


def pace(episode: Any, rows: Iterator[dict[str, Any]], count: int) -> int:
    """Add rows at real pace; return how many were late by a whole period."""
    start, late = time.perf_counter(), 0
    for tick in range(count):
        ahead = start + tick / FPS - time.perf_counter()
        late += ahead < -1 / FPS
        time.sleep(max(0.0, ahead))
        episode.add(next(rows))
    return late


@contextmanager
def encoder_of(root: Path, *preset: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).resolve()), "encoder", str(root), *preset]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",  # workers would import the package of the current directory
    )
    try:
        wait_for_line(process)
        yield process
    finally:
        process.kill()  # its workers end with it
        process.wait()


def wait_for_line(process: subprocess.Popen[str]) -> None:
    if process.stdout is None or not process.stdout.readline():
        raise SystemExit("the encoder has ended")


def encode(root: Path, preset: int | None = None) -> None:
    """Encode until standard input ends; print a line at the start, and one per committed episode."""
    from lerobot_recorder import BatchEncoder
    from lerobot_recorder.video import EncoderSettings

    settings = EncoderSettings(preset=preset)
    encoder = BatchEncoder(root, 1, settings, nice=int(os.environ.get("BENCHMARK_NICE", "19")))
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    printed = -1
    while True:
        time.sleep(POLL_S)
        committed = encoder.status().committed
        count = committed if isinstance(committed, int) else len(committed)
        while printed < count:
            printed += 1
            print(printed, flush=True)


if __name__ == "__main__":
    main()

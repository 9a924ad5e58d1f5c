"""Record episodes with LeRobot at real pace; a program for LeRobot's own Python, which lacks this package.

Usage: python lerobot_script.py PLAN.json FRAMES.npz; prints a JSON object per episode and one in the end.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

WRITER_THREADS_PER_CAMERA = 4
"""As `lerobot-record` has it."""


def main() -> None:
    """Record."""
    logging.disable(logging.WARNING)
    plan = json.loads(Path(sys.argv[1]).read_text())
    columns = dict(np.load(sys.argv[2]))
    cameras = sum("images" in key for key in columns)
    dataset = LeRobotDataset.create(
        "batch/demo",
        plan["fps"],
        plan["features"],
        root=plan["root"],
        image_writer_threads=WRITER_THREADS_PER_CAMERA * cameras,
        batch_encoding_size=plan["batch_size"],
    )
    before = cpu_s()
    try:
        record(dataset, plan, columns)
        say({"cpu_s": cpu_s() - before})
    except Exception as error:
        say({"cpu_s": cpu_s() - before, "error": f"{type(error).__name__}: {error}"})


def record(dataset: LeRobotDataset, plan: dict[str, Any], columns: dict[str, np.ndarray]) -> None:
    """Record all episodes."""
    for number in range(plan["episodes"]):
        late = 0
        for tick, behind_s in paced(plan):
            late += behind_s > 1 / plan["fps"]
            dataset.add_frame({**frame(columns, tick), "task": plan["task"]})
        ended = time.monotonic()
        dataset.save_episode()
        if number == plan["episodes"] - 1:
            dataset.finalize()
        say({"wait_s": time.monotonic() - ended, "late": late})
        time.sleep(plan["reset_time_s"])


def paced(plan: dict[str, Any]) -> Iterator[tuple[int, float]]:
    """Yield each tick of an episode when it is due, with the seconds by which it is late."""
    started = time.monotonic()
    for tick in range(round(plan["episode_time_s"] * plan["fps"])):
        behind_s = time.monotonic() - started - tick / plan["fps"]
        time.sleep(max(0.0, -behind_s))
        yield tick, behind_s


def frame(columns: dict[str, np.ndarray], tick: int) -> dict[str, np.ndarray]:
    """Return the values of a tick, played forwards, then backwards."""
    count = len(next(iter(columns.values())))
    step = tick % (2 * count - 2)
    index = min(step, 2 * count - 2 - step)
    return {key: values[index] for key, values in columns.items()}


def cpu_s() -> float:
    """Return the CPU that this process and the ended ones that it started have used."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def say(what: dict[str, Any]) -> None:
    """Tell the program that started this one."""
    print(json.dumps(what), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

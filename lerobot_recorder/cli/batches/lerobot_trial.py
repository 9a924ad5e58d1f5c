"""The same episodes with LeRobot, run by its own Python."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from lerobot_recorder.cli.batches.pictures import FEATURES, Frame
from lerobot_recorder.cli.batches.trial import TASK, Cost, Plan, Tell
from lerobot_recorder.cli.batches.watch import Watch
from lerobot_recorder.errors import ConfigError

_SCRIPT = Path(__file__).with_name("lerobot_script.py")
_FOREIGN = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
_OFFLINE = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}


class LeRobotTrial:
    """One run of LeRobot over all episodes.

    Args:
        python: a Python that has LeRobot.
        folder: where the dataset and what the program needs may be written.
        plan: the episodes.
        batch_size: LeRobot's `batch_encoding_size`; 1 is its default.
        tell: told of the progress.
    """

    def __init__(self, python: str, folder: Path, plan: Plan, batch_size: int, tell: Tell) -> None:
        self._python = python
        self._folder = folder
        self._root = folder / "dataset"
        self._plan = plan
        self._size = batch_size
        self._tell = tell

    def run(self, frames: list[Frame]) -> Cost:
        """Record, and tell what it cost until it ended; `error` says how where it crashed.

        Raises:
            ConfigError: this Python has no LeRobot.
        """
        # -P: the modules beside the script are not for that Python.
        command = [self._python, "-P", str(_SCRIPT), *self._written(frames)]
        with Watch(self._root / "images") as watch:
            *episodes, ending = self._run(command)
        waits_s = [each["wait_s"] for each in episodes] or [0.0]
        ticks = round(self._plan.episode_time_s * self._plan.fps) * len(waits_s)
        return Cost(
            name=f"LeRobot, batch size {self._size}",
            batch_size=0,
            episodes=len(episodes),
            recorded_s=len(episodes) * self._plan.episode_time_s,
            wait_s=sum(waits_s) / len(waits_s),
            longest_wait_s=max(waits_s),
            encoded_s=sum(waits_s) / len(waits_s),
            encoded_last_s=waits_s[-1],
            peak_bytes=watch.peak_bytes,
            cpu_s=ending["cpu_s"],
            late=sum(each["late"] for each in episodes) / ticks,
            error=ending.get("error", ""),
        )

    def _written(self, frames: list[Frame]) -> list[str]:
        """Write what the program needs, and return its arguments."""
        self._folder.mkdir(parents=True)
        plan, images = self._folder / "plan.json", self._folder / "frames.npz"
        given = {"root": str(self._root), "batch_size": self._size, "features": FEATURES, "task": TASK}
        plan.write_text(json.dumps({**asdict(self._plan), **given}))
        columns: dict[str, Any] = {key: np.stack([each[key] for each in frames]) for key in FEATURES}
        np.savez(images, **columns)
        return [str(plan), str(images)]

    def _run(self, command: list[str]) -> list[dict[str, Any]]:
        """Run the program, and return what it has said."""
        environment = {key: value for key, value in os.environ.items() if key not in _FOREIGN} | _OFFLINE
        with (self._folder / "log").open("w+") as log:
            try:
                process = subprocess.Popen(
                    command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
                )
            except OSError as error:
                raise ConfigError(f"{self._python} cannot be started: {error.strerror}") from error
            try:
                said = list(self._told(_heard(cast("IO[str]", process.stdout))))
            finally:
                process.kill()
                process.wait()
            if not said or "cpu_s" not in said[-1]:
                raise ConfigError(f"{self._python} cannot record with LeRobot: {_last_line(log)}")
        return said

    def _told(self, said: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Tell of each episode as it is done."""
        for number, each in enumerate(said, 1):
            if "wait_s" in each:
                self._tell(f"recorded {number}", number / self._plan.episodes)
            yield each


def _heard(lines: IO[str]) -> Iterator[dict[str, Any]]:
    """Parse what the program says, among what LeRobot prints."""
    return (json.loads(line) for line in lines if line.startswith("{"))


def _last_line(log: IO[str]) -> str:
    log.seek(0)
    return (log.read().strip().splitlines() or ["it said nothing"])[-1]

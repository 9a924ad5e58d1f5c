"""Records episodes of the simulated robot at real pace with one batch size, and measures the cost."""

from __future__ import annotations

import itertools
import os
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.arms import JOINTS, forward
from lerobot_recorder.dataset import spool_path
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.errors import RecorderError
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.simulation import PickAndPlace, Renderer, Tabletop, viewpoint_of

TASK = "Pick up the cube"
_JOIN_S = 0.2
_SAMPLE_S = 0.2
WIDTH, HEIGHT = 640, 480
CAMERAS = ("top", "wrist")
DRAWN_S = 3.0
"""Seconds that are drawn; they are played forwards and backwards."""

_NAMES = [f"{joint}.pos" for joint in JOINTS]
_VECTOR = {"dtype": "float32", "shape": (len(JOINTS),), "names": _NAMES}
_VIDEO = {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}
FEATURES: dict[str, dict[str, Any]] = {
    "observation.state": _VECTOR,
    "action": _VECTOR,
    **{f"observation.images.{name}": _VIDEO for name in CAMERAS},
}

Frame = dict[str, npt.NDArray[Any]]

Progress = Callable[[str, float], None]
"""Called with a text on the progress, and the share of the work that is done."""


def draw(fps: int) -> list[Frame]:
    """Draw the first seconds of picking up a cube, so that drawing is not measured.

    Returns:
        One value per feature of ``FEATURES`` and frame.
    """
    hand, table = PickAndPlace(), Tabletop()
    renderers = {name: Renderer(viewpoint_of(name), WIDTH, HEIGHT) for name in CAMERAS}
    frames = []
    for number in range(round(DRAWN_S * fps)):
        position_rad = hand(number / fps)
        pose = dict(zip(JOINTS, position_rad.tolist(), strict=True))
        links = forward(pose) | {"cube": table.update(pose, number / fps).frame}
        vector = np.asarray(position_rad, np.float32)
        frame: Frame = {"observation.state": vector, "action": vector}
        frame |= {f"observation.images.{name}": each.draw(links) for name, each in renderers.items()}
        frames.append(frame)
    return frames


@dataclass(frozen=True)
class Plan:
    """The episodes, the same for every trial.

    Attributes:
        episodes: number of episodes
        episode_time_s: length of each, in seconds
        reset_time_s: pause between two episodes, in seconds
        fps: frames per second
    """

    episodes: int
    episode_time_s: float
    reset_time_s: float = 0.0
    fps: int = 30

    @property
    def recorded_s(self) -> float:
        """Total length of all episodes, in seconds."""
        return self.episodes * self.episode_time_s


@dataclass(frozen=True)
class Cost:
    """The cost of a trial.

    Attributes:
        name: name of the trial
        batch_size: episodes that must wait before encoding begins
        recorded_s: total length of the episodes, in seconds
        wait_s: mean time from the end of an episode until the next one could begin
        longest_wait_s: longest of these times
        encoded_s: mean time from the end of an episode until it was in the dataset
        encoded_last_s: this time for the last episode: the wait after the recording
        peak_bytes: largest size of the spool
        cpu_s: CPU time of all processes, in user and kernel mode
        late: share of ticks that were late by a whole period or more
    """

    name: str
    batch_size: int
    recorded_s: float
    wait_s: float = 0.0
    longest_wait_s: float = 0.0
    encoded_s: float = 0.0
    encoded_last_s: float = 0.0
    peak_bytes: int = 0
    cpu_s: float = 0.0
    late: float = 0.0


class Trial:
    """One run over all episodes, into its own dataset."""

    def __init__(self, root: Path, plan: Plan, batch_size: int, progress: Progress) -> None:
        self._root = root
        self._plan = plan
        self._size = batch_size
        self._progress = progress
        self._waits_s: list[float] = []
        self._saved_at: dict[str, float] = {}
        self._late = 0

    def run(self, frames: list[Frame]) -> Cost:
        """Record and encode.

        Raises:
            RecorderError: an episode could not be recorded or encoded
        """
        before = cpu_s()
        with (
            EpisodeRecorder(self._root, FEATURES, self._plan.fps) as recorder,
            BatchEncoder(self._root, self._size, encode_on_exit=False) as encoder,
            _Sampler(spool_path(self._root), lambda: _committed(encoder)) as sampler,
        ):
            for number in range(self._plan.episodes):
                self._record(recorder, number, itertools.cycle(frames + frames[-2:0:-1]), encoder)
            self._encode_rest(encoder)
        return self._cost(sampler, cpu_s() - before)

    def _record(
        self, recorder: EpisodeRecorder, number: int, frames: Iterator[Frame], encoder: BatchEncoder
    ) -> None:
        asked = time.monotonic()
        with recorder.episode(TASK) as episode:
            started = time.monotonic()
            for tick in self._ticks(started):
                episode.add(next(frames))
                if tick % self._plan.fps == 0:
                    done = number + tick / self._plan.fps / self._plan.episode_time_s
                    self._report(encoder, done)
            ended = time.monotonic()
        saved = time.monotonic()
        self._waits_s.append(started - asked + saved - ended)
        self._saved_at[episode.episode_id] = saved
        self._report(encoder, number + 1)
        time.sleep(self._plan.reset_time_s)

    def _ticks(self, started: float) -> Iterator[int]:
        for tick in range(round(self._plan.episode_time_s * self._plan.fps)):
            behind_s = time.monotonic() - started - tick / self._plan.fps
            self._late += behind_s > 1 / self._plan.fps
            time.sleep(max(0.0, -behind_s))
            yield tick

    def _report(self, encoder: BatchEncoder, done: float) -> None:
        encoded = encoder.status().committed
        self._progress(f"recorded {int(done)}, encoded {encoded}", (done + encoded) / self._plan.episodes / 2)

    def _encode_rest(self, encoder: BatchEncoder) -> None:
        encoder.finish()
        while not encoder.join(_JOIN_S):
            self._report(encoder, self._plan.episodes)
        self._report(encoder, self._plan.episodes)
        status = encoder.status()
        if status.committed < self._plan.episodes:
            raise RecorderError(f"{self._root}: some episodes could not be encoded: {status.message}")

    def _cost(self, sampler: _Sampler, cpu: float) -> Cost:
        delays_s = [sampler.done_at[name] - saved for name, saved in self._saved_at.items()]
        ticks = round(self._plan.episode_time_s * self._plan.fps) * self._plan.episodes
        return Cost(
            name=f"batch size {self._size}",
            batch_size=self._size,
            recorded_s=self._plan.recorded_s,
            wait_s=sum(self._waits_s) / len(self._waits_s),
            longest_wait_s=max(self._waits_s),
            encoded_s=sum(delays_s) / len(delays_s),
            encoded_last_s=delays_s[-1],
            peak_bytes=sampler.peak_bytes,
            cpu_s=cpu,
            late=self._late / ticks,
        )


def _committed(encoder: BatchEncoder) -> list[str]:
    return [episode.episode_id for episode in encoder.committed]


def cpu_s() -> float:
    """Return the CPU time of this process and of its ended children, in seconds."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class _Sampler:
    """A thread that samples the size of the spool and the committed episodes; used in a ``with`` block.

    Attributes:
        peak_bytes: largest size of the directory
        done_at: time at which each episode was first seen as committed, by ``time.monotonic``
    """

    def __init__(self, directory: Path, committed: Callable[[], Iterable[str]]) -> None:
        self.peak_bytes = 0
        self.done_at: dict[str, float] = {}
        self._directory = directory
        self._committed = committed
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> _Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        self.peak_bytes = max(self.peak_bytes, size_bytes(self._directory))
        for episode_id in self._committed():
            self.done_at.setdefault(episode_id, time.monotonic())


def size_bytes(directory: Path) -> int:
    """Return the total size of the files below a directory, which may change meanwhile."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += Path(folder, name).stat().st_size
            except FileNotFoundError:
                continue
    return total

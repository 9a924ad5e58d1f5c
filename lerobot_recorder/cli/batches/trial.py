"""Records episodes at real pace with one batch size, and measures what that costs."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lerobot_recorder.cli.batches.pictures import FEATURES, Frame, played
from lerobot_recorder.cli.batches.watch import Watch
from lerobot_recorder.dataset import spool_path
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.errors import RecorderError
from lerobot_recorder.recording import EpisodeRecorder

TASK = "Pick up the cube"
_JOIN_S = 0.2

Tell = Callable[[str, float], None]
"""Told what is done now, and the share of all that is done."""


@dataclass(frozen=True)
class Plan:
    """The episodes, the same for every trial.

    Attributes:
        episodes: how many.
        episode_time_s: the length of each, in seconds.
        reset_time_s: the pause between them, in seconds.
        fps: frames per second.
    """

    episodes: int
    episode_time_s: float
    reset_time_s: float = 0.0
    fps: int = 30

    @property
    def recorded_s(self) -> float:
        """Seconds of all episodes."""
        return self.episodes * self.episode_time_s


@dataclass(frozen=True)
class Cost:
    """What a trial cost.

    Attributes:
        name: of the trial.
        batch_size: episodes that must wait before encoding begins; 0 where that means nothing.
        episodes: recorded.
        recorded_s: their seconds.
        wait_s: the mean time that the operator waited from the end of an episode until the next could begin.
        longest_wait_s: the longest.
        encoded_s: the mean time from the end of an episode until it was in the dataset.
        encoded_last_s: the same for the last episode: how long to wait when all is recorded.
        peak_bytes: the most disk that was held by what was not in the dataset yet.
        cpu_s: of all processes, in user and kernel mode.
        late: the share of ticks that came a whole tick late.
        error: what went wrong; empty if nothing did.
    """

    name: str
    batch_size: int
    episodes: int
    recorded_s: float
    wait_s: float = 0.0
    longest_wait_s: float = 0.0
    encoded_s: float = 0.0
    encoded_last_s: float = 0.0
    peak_bytes: int = 0
    cpu_s: float = 0.0
    late: float = 0.0
    error: str = ""


class Trial:
    """One run over all episodes, into a dataset of its own."""

    def __init__(self, root: Path, plan: Plan, batch_size: int, tell: Tell) -> None:
        self._root = root
        self._plan = plan
        self._size = batch_size
        self._tell = tell
        self._waits_s: list[float] = []
        self._saved_at: dict[str, float] = {}
        self._late = 0

    def run(self, frames: list[Frame]) -> Cost:
        """Record and encode.

        Raises:
            RecorderError: an episode could not be recorded or encoded.
        """
        before = cpu_s()
        with (
            EpisodeRecorder(self._root, FEATURES, self._plan.fps) as recorder,
            BatchEncoder(self._root, self._size, encode_on_exit=False) as encoder,
            Watch(spool_path(self._root), lambda: _committed(encoder)) as watch,
        ):
            for number in range(self._plan.episodes):
                self._record(recorder, number, played(frames), encoder)
            self._encode_rest(encoder)
        return self._cost(watch, cpu_s() - before)

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
        encoded = encoder.status().committed_total
        self._tell(f"recorded {int(done)}, encoded {encoded}", (done + encoded) / self._plan.episodes / 2)

    def _encode_rest(self, encoder: BatchEncoder) -> None:
        encoder.finish()
        while not encoder.join(_JOIN_S):
            self._report(encoder, self._plan.episodes)
        self._report(encoder, self._plan.episodes)
        status = encoder.status()
        if status.committed_total < self._plan.episodes:
            raise RecorderError(f"{self._root}: not all episodes could be encoded: {status.message}")

    def _cost(self, watch: Watch, cpu: float) -> Cost:
        delays_s = [watch.done_at[name] - saved for name, saved in self._saved_at.items()]
        ticks = round(self._plan.episode_time_s * self._plan.fps) * self._plan.episodes
        return Cost(
            name=f"batch size {self._size}",
            batch_size=self._size,
            episodes=self._plan.episodes,
            recorded_s=self._plan.recorded_s,
            wait_s=sum(self._waits_s) / len(self._waits_s),
            longest_wait_s=max(self._waits_s),
            encoded_s=sum(delays_s) / len(delays_s),
            encoded_last_s=delays_s[-1],
            peak_bytes=watch.peak_bytes,
            cpu_s=cpu,
            late=self._late / ticks,
        )


def _committed(encoder: BatchEncoder) -> list[str]:
    return [episode.episode_id for episode in encoder.committed]


def cpu_s() -> float:
    """Return the CPU that this process and the ended ones that it started have used."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime

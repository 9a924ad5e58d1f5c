"""The encoder's state: the episodes that wait, the results, and the status that it publishes."""

from __future__ import annotations

import logging
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lerobot_recorder.errors import RecorderError, explained
from lerobot_recorder.excerpt import counted
from lerobot_recorder.spool import Spool, SpooledEpisode
from lerobot_recorder.status import STATUS_VERSION

logger = logging.getLogger(__name__)

LISTED = 10
"""Committed episodes in a status; it is published twice a second, so it must not grow with the dataset."""

EncoderState = Literal["idle", "encoding", "committing", "paused", "ended"]


@dataclass(frozen=True)
class CommittedEpisode:
    """An episode that is now in the dataset.

    Attributes:
        episode_id: its name in the spool.
        episode_index: its number in the dataset.
        frames: number of rows.
        encode_s: seconds from the start of its first camera to the end of its last; 0 if an earlier attempt
            encoded it.
        size_bytes: size of its videos; 0 if an earlier attempt encoded them.
    """

    episode_id: str
    episode_index: int
    frames: int
    encode_s: float = 0.0
    size_bytes: int = 0


@dataclass(frozen=True)
class EncodingProgress:
    """The batch that is being encoded.

    Attributes:
        episodes: episodes in the batch.
        frames_done: video frames encoded so far, of all cameras.
        frames: video frames in the batch.
    """

    episodes: int
    frames_done: int
    frames: int


@dataclass(frozen=True)
class TakeProgress:
    """A take that is encoded while it is recorded.

    Attributes:
        episode_id: its name in the spool.
        frames_done: video frames encoded so far, of all cameras.
        frames: video frames recorded so far, of all cameras.
    """

    episode_id: str
    frames_done: int
    frames: int


@dataclass(frozen=True)
class EncoderStatus:
    """Snapshot of the encoder's state, as published on ``~/status``.

    Attributes:
        version: version of this format.
        state: ``idle``, ``encoding``, ``committing``, ``paused`` or ``ended``.
        batch_size: episodes that must wait before encoding begins.
        waiting: episodes that wait in the spool.
        waiting_s: seconds of recording that wait.
        waiting_bytes: disk space that the waiting episodes use, in bytes.
        eta_s: seconds until everything is encoded at the current speed; null if unknown.
        encoding: the batch that is being encoded; null if there is none.
        take: the take that is encoded while it is recorded; null if there is none.
        episodes: the episodes that this encoder added to the dataset last, at most 10.
        committed: number of episodes that this encoder has added to the dataset.
        failed: episodes that this encoder has moved to ``failed/`` and that are still there.
        retryable: episodes in ``failed/``, including those of earlier runs.
        message: what is wrong; empty if nothing is.
        warning: what the user should know although encoding continues; empty if nothing.
    """

    version: int = STATUS_VERSION
    state: EncoderState = "idle"
    batch_size: int = 1
    waiting: int = 0
    waiting_s: float = 0.0
    waiting_bytes: int = 0
    eta_s: float | None = None
    encoding: EncodingProgress | None = None
    take: TakeProgress | None = None
    episodes: tuple[CommittedEpisode, ...] = ()
    committed: int = 0
    failed: int = 0
    retryable: int = 0
    message: str = ""
    warning: str = ""


@dataclass(frozen=True)
class _Facts:
    """Figures of a waiting episode; they do not change while it waits."""

    duration_s: float
    frames: int
    size_bytes: int


class WaitingEpisodes:
    """The episodes in `ready/` at the last look; each is read once.

    Attributes:
        episodes: oldest first.
    """

    def __init__(self) -> None:
        self.episodes: list[SpooledEpisode] = []
        self._facts: dict[str, _Facts] = {}

    def look(self, spool: Spool) -> list[SpooledEpisode]:
        """List the episodes again, and read the new ones.

        Raises:
            OSError: the spool cannot be listed.
        """
        self.episodes = spool.ready()
        found = {each.episode_id: self._facts.get(each.episode_id) or _read(each) for each in self.episodes}
        self._facts = {episode_id: facts for episode_id, facts in found.items() if facts is not None}
        return self.episodes

    @property
    def duration_s(self) -> float:
        """Their duration in seconds."""
        return sum(each.duration_s for each in self._facts.values())

    @property
    def frames(self) -> int:
        """Video frames to encode, of all cameras."""
        return sum(each.frames for each in self._facts.values())

    @property
    def size_bytes(self) -> int:
        """Their size on disk."""
        return sum(each.size_bytes for each in self._facts.values())


def _read(episode: SpooledEpisode) -> _Facts | None:
    """Read an episode; None if it cannot be read, which is reported when it is encoded."""
    try:
        manifest, size = episode.manifest, episode.size_bytes()
        cameras, length = len(manifest.cameras), operator.index(manifest.length)
        return _Facts(manifest.duration_s, cameras * length, size)
    except (RecorderError, OSError, TypeError, ValueError, ArithmeticError):
        return None


class Report:
    """Collects what the encoder did and what went wrong, and derives the status from it.

    Attributes:
        status: the latest snapshot; another thread may read it at any time.
        committed: all episodes that were added to the dataset, oldest first.
        failed: why episodes were moved to `failed/`, by identifier.
        fault: what prevents encoding; empty if nothing does.
        codec_warning: that the codec changes within the dataset; empty if it does not.
        starvation_warning: that other programs leave no CPU time for encoding; empty if they do.
    """

    def __init__(self, root: Path) -> None:
        self.status = EncoderStatus()
        self.committed: list[CommittedEpisode] = []
        self.failed: dict[str, str] = {}
        self.fault = ""
        self.codec_warning = ""
        self.starvation_warning = ""
        self._root = root
        self._frame_s: float | None = None

    def add_committed(self, episodes: Sequence[CommittedEpisode]) -> None:
        """Add episodes that are now in the dataset, and log them."""
        self.committed.extend(episodes)
        for episode in episodes:
            size = f"{episode.size_bytes / 1e6:.1f} MB of video, encoded in {episode.encode_s:.1f} s"
            logger.info(
                "episode %d is in the dataset: %d frames, %s", episode.episode_index, episode.frames, size
            )

    def fail(self, error: BaseException) -> None:
        """Report what prevents encoding, without touching the disk: it may be the cause."""
        self.fault = explained(error)
        expected = isinstance(error, (RecorderError, OSError))
        logger.error("%s", self.fault, exc_info=None if expected else error)
        self.status = replace(self.status, state="idle", encoding=None, message=self.fault)

    def failed_message(self) -> str:
        """Describe the failed episodes, and what to do; empty if there are none."""
        if not self.failed:
            return ""
        count, last = counted(len(self.failed), "episode"), list(self.failed.values())[-1]
        return (
            f"{count} could not be encoded: {last}. Kept in "
            f"{Spool(self._root).directory('failed')}; to try again: lerobot-recorder encode {self._root} "
            "--retry-failed"
        )

    def warn_of_codec(self, change: str) -> None:
        """Warn once that the next videos have another codec than the dataset; ``change`` describes it.

        After the first of them the dataset has two codecs, so there is no change to describe; the warning
        stays.
        """
        if change and change != self.codec_warning:
            logger.warning("%s", change)
        self.codec_warning = change or self.codec_warning

    def warn_of_starvation(self, share: float | None, nice: int) -> None:
        """Warn if encoding gets too little CPU time; log it once for each time that it happens.

        Args:
            share: share of one core that it gets; None if it gets enough
            nice: priority of the encoding processes
        """
        before, self.starvation_warning = self.starvation_warning, ""
        if share is None:
            return
        remedy = f"end other programs, or lower nice, which is {nice}" if nice else "end other programs"
        self.starvation_warning = (
            f"encoding gets only {share:.0%} of a core, because other programs use this computer: {remedy}"
        )
        if not before:
            logger.warning("%s", self.starvation_warning)

    def measure_speed(self, frame_s: float | None, workers: int) -> None:
        """Note how long a worker took for a video frame, if it is known."""
        if frame_s is not None:
            self._frame_s = frame_s / workers

    def publish(self, current: EncoderStatus, waiting: WaitingEpisodes) -> None:
        """Renew the status.

        Args:
            current: the state and the current batch.
            waiting: the episodes that wait.
        """
        todo = waiting.frames
        for running in (current.encoding, current.take):
            todo += running.frames - running.frames_done if running else 0
        self.status = replace(
            current,
            waiting=len(waiting.episodes),
            waiting_s=waiting.duration_s,
            waiting_bytes=waiting.size_bytes,
            eta_s=todo * self._frame_s if self._frame_s is not None else None,
            episodes=tuple(self.committed[-LISTED:]),
            committed=len(self.committed),
            failed=len(self.failed),
            message=self.fault or self.failed_message(),
            warning="; ".join(filter(None, (self.codec_warning, self.starvation_warning))),
        )

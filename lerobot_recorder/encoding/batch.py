"""One batch: claimed episodes, their cameras on the way through the pool, and the commit."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from lerobot_recorder.dataset import DatasetWriter, EncodedEpisode, EncodedVideo, check_fits
from lerobot_recorder.dataset.episode import columns_of
from lerobot_recorder.dataset.features import Features, with_defaults
from lerobot_recorder.encoding.camera import CameraJob, EncodedCamera, video_path
from lerobot_recorder.encoding.pool import WorkerPool
from lerobot_recorder.errors import DatasetMismatchError, DiskFullError, RecorderError
from lerobot_recorder.spool import Manifest, Spool, SpooledEpisode

logger = logging.getLogger(__name__)

_KEPT = (
    "started_at_ns", "clock", "success", "verdict", "reasons", "notes", "accepted", "ended_by", "ticks",
    "streams",
)  # fmt: skip
"""What the dataset keeps of an episode's manifest besides its rows."""

JobOf = Callable[[Path, str], CameraJob]
"""Makes the job of a camera of the episode in a directory."""


@dataclass(frozen=True)
class CommittedEpisode:
    """An episode that is now in the dataset.

    Attributes:
        episode_id: as in the spool.
        episode_index: as in the dataset.
        frames: rows.
        encode_s: seconds from the first of its cameras' start to the last one's end.
        size_bytes: of its videos.
    """

    episode_id: str
    episode_index: int
    frames: int
    encode_s: float
    size_bytes: int


@dataclass
class _Work:
    """An episode's cameras on their way."""

    episode: SpooledEpisode
    cameras: dict[str, Future[EncodedCamera]] = field(default_factory=dict)
    frames: dict[str, int] = field(default_factory=dict)
    encoded: EncodedEpisode | None = None
    size_bytes: int = 0
    began: float | None = None
    ended: float = 0.0

    def note(self, key: str, frames: int) -> None:
        self.frames[key] = frames
        self.ended = time.monotonic()
        self.began = self.began or self.ended

    @property
    def encode_s(self) -> float:
        return self.ended - self.began if self.began is not None else 0.0


class Batch:
    """Some episodes of the spool, claimed for this process until they are committed, failed or released.

    Attributes:
        failed: why episodes were set aside.
        no_room: why episodes were given back instead, None if none was.
    """

    def __init__(self, spool: Spool, writer: DatasetWriter, pool: WorkerPool, job_of: JobOf) -> None:
        self._spool = spool
        self._writer = writer
        self._pool = pool
        self._job_of = job_of
        self._works: list[_Work] = []
        self.failed: list[str] = []
        self.no_room: DiskFullError | None = None

    def begin(self, episodes: Sequence[SpooledEpisode]) -> None:
        """Claim the episodes that others have not, and set their cameras to work; the first come first.

        Raises:
            OSError: one cannot be claimed; all are given back.
        """
        try:
            for episode in episodes:
                if (claimed := self._spool.claim(episode)) is not None:
                    self._begin(claimed)
        except OSError:
            self.release()
            raise

    def _begin(self, episode: SpooledEpisode) -> None:
        work = _Work(episode)
        try:
            manifest = episode.manifest
            check_fits(self._spool.root, _features(manifest), manifest.fps, manifest.robot_type)
            for key in manifest.cameras:
                job = self._job_of(episode.path, key)
                work.cameras[key] = self._pool.submit(job, partial(work.note, key))
                work.cameras[key].add_done_callback(partial(self._note_end, work, key, manifest.length))
        except RecorderError as error:
            self._fail(work, error)
            return
        self._works.append(work)

    @staticmethod
    def _note_end(work: _Work, key: str, length: int, result: Future[EncodedCamera]) -> None:
        if not result.cancelled() and result.exception() is None:
            work.note(key, length)

    @property
    def episodes(self) -> int:
        """Number of episodes in it."""
        return len(self._works)

    @property
    def frames_done(self) -> int:
        """Video frames encoded so far, of all cameras."""
        return sum(sum(work.frames.values()) for work in self._works)

    @property
    def frames(self) -> int:
        """Video frames to encode, of all cameras."""
        return sum(len(work.cameras) * work.episode.length for work in self._works)

    def wait(self, timeout_s: float) -> bool:
        """Wait until all cameras are done; tell whether they are."""
        pending = [result for work in self._works for result in work.cameras.values()]
        return not wait(pending, timeout_s).not_done

    def release(self) -> None:
        """Give the episodes back; what is encoded of them is kept and not encoded again."""
        for work in self._works:
            self._spool.release(work.episode)
        self._works = []

    def commit(self, forget: Callable[[Sequence[str]], None]) -> list[CommittedEpisode]:
        """Add what could be encoded to the dataset, oldest first, and set aside what could not.

        What there was no room to encode is given back.

        Raises:
            RecorderError: the dataset cannot be written; the episodes are given back.
            OSError: the same.
        """
        try:
            done = [work for work in self._works if self._succeeded(work)]
            sealed = [work for work in done if self._seal(work)]
            self._works = [work for work in sealed if self._is_whole(work)]
            groups = itertools.groupby(self._works, key=lambda work: _kind(work.episode.manifest))
            return [episode for _, group in groups for episode in self._commit(list(group), forget)]
        except BaseException:
            self.release()
            raise

    def _commit(
        self, works: Sequence[_Work], forget: Callable[[Sequence[str]], None]
    ) -> list[CommittedEpisode]:
        manifest = works[0].episode.manifest
        by_id = {work.episode.episode_id: work for work in works}
        try:
            committed = self._writer.commit(
                [work.encoded for work in works if work.encoded is not None],
                features=_features(manifest),
                fps=manifest.fps,
                robot_type=manifest.robot_type,
                forget=forget,
            )
        except DatasetMismatchError as error:
            for work in works:
                self._fail(work, error)
            self._works = [work for work in self._works if work not in works]
            return []
        self._works = [work for work in self._works if work not in works]
        return [_committed(by_id[each.episode_id], each.episode_index) for each in committed]

    def _succeeded(self, work: _Work) -> bool:
        try:
            cameras = [result.result() for result in work.cameras.values()]
            work.size_bytes = sum(camera.path.stat().st_size for camera in cameras)
        except DiskFullError as error:
            self.no_room = error
            self._spool.release(work.episode)
            return False
        except (RecorderError, OSError) as error:
            self._fail(work, error)
            return False
        return True

    def _seal(self, work: _Work) -> bool:
        sealed = self._spool.seal(work.episode)
        if sealed is not None:
            work.episode = sealed
        return sealed is not None

    def _is_whole(self, work: _Work) -> bool:
        """Put the episode together; it can no longer be marked, so its rows are now certain."""
        try:
            work.encoded = _encoded(work)
            columns_of(work.encoded, with_defaults(_features(work.episode.manifest)))
        except RecorderError as error:
            self._fail(work, error)
            return False
        return True

    def _fail(self, work: _Work, error: BaseException) -> None:
        if self._spool.fail(work.episode, str(error)) is None:
            logger.info("episode %s was taken back while it was encoded", work.episode.episode_id)
            return
        logger.error("episode %s cannot be encoded: %s", work.episode.episode_id, error)
        self.failed.append(str(error))


def _features(manifest: Manifest) -> Features:
    return cast("Features", manifest.features)


def _kind(manifest: Manifest) -> tuple[object, ...]:
    """Return what episodes of one commit have in common."""
    return manifest.features, manifest.fps, manifest.robot_type


def _encoded(work: _Work) -> EncodedEpisode:
    episode = work.episode
    cameras = {key: result.result() for key, result in work.cameras.items()}
    return EncodedEpisode(
        episode_id=episode.episode_id,
        task=episode.manifest.task,
        length=episode.length,
        rows=episode.rows(),
        videos={
            key: EncodedVideo(video_path(episode.path, key), camera.frames, camera.info)
            for key, camera in cameras.items()
        },
        image_stats={key: camera.stats for key, camera in cameras.items()},
        recording={name: getattr(episode.manifest, name) for name in _KEPT},
        ages=episode.ages(),
    )


def _committed(work: _Work, episode_index: int) -> CommittedEpisode:
    return CommittedEpisode(
        work.episode.episode_id,
        episode_index,
        work.episode.length,
        work.encode_s,
        work.size_bytes,
    )

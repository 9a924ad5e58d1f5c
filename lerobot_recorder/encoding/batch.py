"""One batch: claimed episodes, their cameras on the way through the pool, and the commit.

An episode leaves a batch in one of three ways: it is in the dataset; it is in `failed/`, because of a fault
of its own that no other attempt changes; or it waits in `ready/` again, because the computer or the dataset
was at fault.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

from lerobot_recorder.dataset import (
    DatasetWriter,
    EncodedEpisode,
    EncodedVideo,
    Features,
    Forget,
    check_fits,
    columns_of,
    is_journaled,
    user_features,
    validate_features,
    with_defaults,
)
from lerobot_recorder.encoding.camera import CameraJob, EncodedCamera, video_path
from lerobot_recorder.encoding.earlier import SeenDataset
from lerobot_recorder.encoding.faults import explained, is_transient
from lerobot_recorder.encoding.pool import WorkerPool
from lerobot_recorder.encoding.status import CommittedEpisode
from lerobot_recorder.errors import DatasetError, DatasetMismatchError, SpoolError
from lerobot_recorder.spool import Manifest, Spool, SpooledEpisode

logger = logging.getLogger(__name__)

_KEPT = (
    "started_at_ns", "clock", "success", "verdict", "reasons", "notes", "accepted", "ended_by", "ticks",
    "streams",
)  # fmt: skip
"""What the dataset keeps of an episode's manifest besides its rows."""

JobOf = Callable[[Path, str], CameraJob]
"""Makes the job of a camera of the episode in a directory."""


@dataclass(eq=False)
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
        committed: the episodes that are in the dataset now.
        frames: video frames to encode, of all cameras.
        failed: why episodes were moved to `failed/`, by identifier.
        waiting: why episodes were given back instead, by identifier.
    """

    def __init__(
        self, spool: Spool, writer: DatasetWriter, pool: WorkerPool, *, job_of: JobOf, seen: SeenDataset
    ) -> None:
        """Prepare.

        Args:
            spool: where the episodes are.
            writer: puts them into the dataset.
            pool: encodes their cameras.
            job_of: makes the jobs for it.
            seen: the dataset as it was at first.
        """
        self._seen = seen
        self._spool = spool
        self._writer = writer
        self._pool = pool
        self._job_of = job_of
        self._works: dict[str, _Work] = {}
        self._pending: set[Future[EncodedCamera]] = set()
        self.frames = 0
        self.committed: list[CommittedEpisode] = []
        self.failed: dict[str, str] = {}
        self.waiting: dict[str, str] = {}

    def begin(self, episodes: Sequence[SpooledEpisode]) -> None:
        """Claim the episodes that others have not, and set their cameras to work; the first come first.

        Raises:
            DatasetError: the dataset cannot be read; release the batch.
            OSError: an episode cannot be claimed; release the batch.
        """
        for episode in episodes:
            if (claimed := self._spool.claim(episode)) is not None:
                self._begin(_Work(claimed))

    def _begin(self, work: _Work) -> None:
        self._works[work.episode.episode_id] = work
        manifest = self._checked_manifest(work)
        if manifest is None:
            return
        try:
            check_fits(self._spool.root, _features(manifest), manifest.fps, manifest.robot_type)
        except DatasetMismatchError as error:
            self._refuse([work], error)
            return
        work.frames = dict.fromkeys(manifest.cameras, 0)
        for key in manifest.cameras:
            job = self._job_of(work.episode.path, key)
            result = self._pool.submit(job, partial(work.note, key))
            result.add_done_callback(partial(self._note_end, work, key, manifest.length))
            work.cameras[key] = result
            self._pending.add(result)
        self.frames += len(manifest.cameras) * manifest.length

    def _checked_manifest(self, work: _Work) -> Manifest | None:
        try:
            return _checked(work.episode.manifest)
        except Exception as error:
            self._put_aside(work, error)
            return None

    @staticmethod
    def _note_end(work: _Work, key: str, length: int, result: Future[EncodedCamera]) -> None:
        if not result.cancelled() and result.exception() is None:
            work.note(key, length)

    @property
    def is_encoded(self) -> bool:
        """Whether no camera is being encoded."""
        return not self._pending

    @property
    def episodes(self) -> int:
        """Number of episodes in it."""
        return len(self._works)

    @property
    def frames_done(self) -> int:
        """Video frames encoded so far, of all cameras."""
        return sum(sum(work.frames.values()) for work in self._works.values())

    def wait(self, timeout_s: float) -> bool:
        """Wait until all cameras are done; return whether they are."""
        self._pending = wait(self._pending, timeout_s).not_done
        return not self._pending

    def release(self) -> None:
        """Give the episodes back; what is encoded of them is kept and not encoded again.

        Those of a commit that was interrupted stay where they are until it is finished.

        Raises:
            OSError: the spool cannot be changed; closing it gives the claims up.
        """
        for episode_id, work in list(self._works.items()):
            self._spool.release(work.episode)
            del self._works[episode_id]

    def commit(self, forget: Forget) -> None:
        """Add what could be encoded to the dataset, oldest first.

        The others are in `failed/`, or given back where the computer was at fault.

        Raises:
            RecorderError: the dataset cannot be written; release the batch.
            OSError: the same.
        """
        done = [work for work in list(self._works.values()) if self._succeeded(work)]
        sealed = [work for work in done if self._seal(work)]
        whole = [work for work in sealed if self._is_whole(work)]
        groups = itertools.groupby(whole, key=lambda work: _kind(work.episode.manifest))
        refused = [each for _, group in groups for each in self._commit_group(list(group), forget)]
        if refused and not self.committed:
            raise refused[0][1]  # by a dataset that takes no episode, for all that is known
        for work, error in refused:
            self._fail(work, error)

    def _commit_group(self, works: Sequence[_Work], forget: Forget) -> list[tuple[_Work, Exception]]:
        """Commit episodes together; where something unexpected prevents that, one by one.

        Returns:
            The episodes that could not be committed, and why.
        """
        try:
            self._put_into_dataset(works, forget)
        except DatasetMismatchError as error:
            self._refuse(works, error)
        except Exception as error:
            if not self._may_be_of_one(works, error):
                raise
            if len(works) == 1:
                return [(works[0], error)]
            logger.warning("committing one episode at a time: %s", explained(error))
            return [each for work in works for each in self._commit_group([work], forget)]
        return []

    def _refuse(self, works: Sequence[_Work], error: DatasetMismatchError) -> None:
        """Fail episodes that do not fit the dataset.

        Raises:
            DatasetError: the dataset is damaged, or not what it was: they may fit later.
        """
        self._seen.confirm()
        for work in works:
            self._fail(work, error)

    def _may_be_of_one(self, works: Sequence[_Work], error: Exception) -> bool:
        """Return whether an episode may be why a commit failed, not the computer or the dataset."""
        if is_transient(error) or isinstance(error, DatasetError):
            return False
        return not any(is_journaled(self._spool.root, work.episode.episode_id) for work in works)

    def _put_into_dataset(self, works: Sequence[_Work], forget: Forget) -> None:
        manifest = works[0].episode.manifest
        by_id = {work.episode.episode_id: work for work in works}
        committed = self._writer.commit(
            [work.encoded for work in works if work.encoded is not None],
            features=_features(manifest),
            fps=manifest.fps,
            robot_type=manifest.robot_type,
            forget=forget,
        )
        for work in works:
            self._drop(work)
        self.committed += [_committed(by_id[each.episode_id], each.episode_index) for each in committed]

    def _succeeded(self, work: _Work) -> bool:
        try:
            cameras = [result.result() for result in work.cameras.values()]
            work.size_bytes = sum(camera.path.stat().st_size for camera in cameras)
        except Exception as error:
            self._put_aside(work, error)
            return False
        return True

    def _seal(self, work: _Work) -> bool:
        sealed = self._spool.seal(work.episode)
        if sealed is None:
            self._drop(work)
            return False
        work.episode = sealed
        return True

    def _is_whole(self, work: _Work) -> bool:
        """Put the episode together; it can no longer be marked, so its rows are now certain."""
        try:
            _checked(work.episode.manifest)
            work.encoded = _encoded(work)
            columns_of(work.encoded, with_defaults(_features(work.episode.manifest)))
        except Exception as error:
            self._put_aside(work, error)
            return False
        return True

    def _put_aside(self, work: _Work, error: Exception) -> None:
        if is_transient(error):
            self._give_back(work, error)
        else:
            self._fail(work, error)

    def _give_back(self, work: _Work, error: Exception) -> None:
        released = self._spool.release(work.episode)
        self._drop(work)
        if not released:
            logger.info("episode %s was taken back while it was encoded", work.episode.episode_id)
            return
        self.waiting[work.episode.episode_id] = explained(error)
        logger.warning("episode %s waits: %s", work.episode.episode_id, explained(error))

    def _drop(self, work: _Work) -> None:
        del self._works[work.episode.episode_id]

    def _fail(self, work: _Work, error: Exception) -> None:
        reason = explained(error)
        failed = self._spool.fail(work.episode, reason)
        self._drop(work)
        if failed is None:
            logger.info("episode %s was taken back while it was encoded", work.episode.episode_id)
            return
        self.failed[work.episode.episode_id] = reason
        logger.error("episode %s cannot be encoded: %s", work.episode.episode_id, reason)


def _features(manifest: Manifest) -> Features:
    return cast("Features", manifest.features)


def _checked(manifest: Manifest) -> Manifest:
    """Refuse an episode that no dataset can take, whoever has written it.

    Raises:
        SpoolError: its length, fps or features are not what they must be.
        ConfigError: a feature cannot be recorded.
    """
    wanted = {"length": int, "fps": int, "features": dict, "robot_type": (str, type(None))}
    for name, kind in wanted.items():
        if not isinstance(value := getattr(manifest, name), cast("type", kind)) or isinstance(value, bool):
            raise SpoolError(f"the episode's {name} is {value!r}, which no dataset can have")
    if manifest.length < 1 or manifest.fps < 1:
        raise SpoolError(f"expected rows at a rate, found {manifest.length} rows at {manifest.fps} Hz")
    validate_features(user_features(_features(manifest)))
    return manifest


def _kind(manifest: Manifest) -> tuple[object, ...]:
    """Return what episodes of one commit have in common."""
    return manifest.features, manifest.fps, manifest.robot_type


def _encoded(work: _Work) -> EncodedEpisode:
    episode = work.episode
    cameras = {key: result.result() for key, result in work.cameras.items()}
    recording = {name: getattr(episode.manifest, name) for name in _KEPT}
    if repairs := _repairs(episode, cameras):
        recording["repairs"] = repairs
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
        recording=recording,
        ages=episode.ages(),
    )


def _repairs(episode: SpooledEpisode, cameras: Mapping[str, EncodedCamera]) -> dict[str, Any]:
    """Return, by camera, why a video was encoded with other settings than were asked for."""
    repairs = {key: camera.repair for key, camera in cameras.items() if camera.repair}
    for key, repair in repairs.items():
        logger.warning(
            "%s of episode %s: %d frames were damaged and encoded again, with %s",
            key, episode.episode_id, len(repair["frames"]), repair["used"],
        )  # fmt: skip
    return repairs


def _committed(work: _Work, episode_index: int) -> CommittedEpisode:
    return CommittedEpisode(
        work.episode.episode_id,
        episode_index,
        work.episode.length,
        work.encode_s,
        work.size_bytes,
    )

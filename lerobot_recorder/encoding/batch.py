"""One batch: claims episodes, encodes their cameras in the pool, and commits them.

An episode leaves a batch in one of three ways: it is in the dataset; it is in `failed/`, because its data is
at fault and another attempt would fail as well; or it waits in `ready/` again, because the computer or the
dataset was at fault.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from lerobot_recorder.dataset import (
    DatasetWriter,
    EncodedEpisode,
    EncodedVideo,
    Features,
    check_fits,
    is_journaled,
    user_features,
    validate_features,
)
from lerobot_recorder.encoding.camera import CameraJob, EncodedCamera
from lerobot_recorder.encoding.earlier import SeenDataset
from lerobot_recorder.encoding.job import Executor
from lerobot_recorder.encoding.running import RunningCamera
from lerobot_recorder.encoding.status import CommittedEpisode
from lerobot_recorder.errors import (
    DatasetError,
    DatasetMismatchError,
    SpoolError,
    explained,
    is_transient,
)
from lerobot_recorder.excerpt import counted
from lerobot_recorder.spool import Manifest, Spool, SpooledEpisode, setup_of
from lerobot_recorder.versions import UNKNOWN, version_of
from lerobot_recorder.video import svt_version

logger = logging.getLogger(__name__)

_KEPT = (
    "started_at_ns", "clock", "success", "verdict", "reasons", "notes", "accepted", "ended_by", "ticks",
    "streams",
)  # fmt: skip
"""Entries of an episode's manifest that the dataset keeps besides its rows."""

JobOf = Callable[[Path, str], CameraJob]
"""Makes the job for one camera of the episode in a directory."""

JobsOf = Callable[[str, str], Collection[Future[Any]]]
"""Returns the jobs that already encode a camera of an episode, from the time when it was recorded."""


@dataclass(eq=False)
class _Work:
    """An episode and the state of its cameras."""

    episode: SpooledEpisode
    cameras: dict[str, RunningCamera] = field(default_factory=dict)
    encoded: EncodedEpisode | None = None
    size_bytes: int = 0

    @property
    def encode_s(self) -> float:
        began = [camera.began for camera in self.cameras.values() if camera.began is not None]
        return max(camera.ended for camera in self.cameras.values()) - min(began) if began else 0.0


class Batch:
    """Episodes of the spool, claimed by this process until they are committed, failed or released.

    Attributes:
        committed: the episodes that are in the dataset now.
        frames: video frames to encode, of all cameras.
        failed: why episodes were moved to `failed/`, by identifier.
        waiting: why episodes were given back to `ready/`, by identifier.
    """

    def __init__(
        self,
        spool: Spool,
        writer: DatasetWriter,
        pool: Executor,
        *,
        job_of: JobOf,
        jobs_of: JobsOf = lambda _episode_id, _key: (),
        seen: SeenDataset,
    ) -> None:
        """Make an empty batch.

        Args:
            spool: where the episodes are.
            writer: adds them to the dataset.
            pool: encodes their cameras.
            job_of: makes the jobs for the pool.
            jobs_of: finds the jobs that began while an episode was recorded; by default there are none.
            seen: the dataset as the encoder first saw it.
        """
        self._seen = seen
        self._spool = spool
        self._writer = writer
        self._pool = pool
        self._job_of = job_of
        self._jobs_of = jobs_of
        self._works: dict[str, _Work] = {}
        self._running: list[RunningCamera] = []
        self.frames = 0
        self.committed: list[CommittedEpisode] = []
        self.failed: dict[str, str] = {}
        self.waiting: dict[str, Exception] = {}

    def begin(self, episodes: Sequence[SpooledEpisode]) -> None:
        """Claim the episodes that no other process has claimed, and queue their cameras in this order.

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
        if manifest is None or not self._fits(work, manifest):
            return
        for key in manifest.cameras:
            before = self._jobs_of(work.episode.episode_id, key)
            work.cameras[key] = RunningCamera(self._job_of(work.episode.path, key), self._pool, before)
        self._running += [camera for camera in work.cameras.values() if not camera.advance()]
        self.frames += len(manifest.cameras) * manifest.length

    def _checked_manifest(self, work: _Work) -> Manifest | None:
        try:
            manifest = _checked(work.episode.manifest)
            for key, camera in manifest.cameras.items():
                if not camera.is_depth:
                    settings = self._job_of(work.episode.path, key).settings
                    settings.require_size(camera.width, camera.height)
            return manifest
        except Exception as error:
            self._put_aside(work, error)
            return None

    def _fits(self, work: _Work, manifest: Manifest) -> bool:
        """Compare an episode with the dataset before its cameras are encoded; fail it if it does not fit."""
        try:
            check_fits(self._spool.root, _features(manifest), manifest.fps, manifest.robot_type)
        except DatasetMismatchError as error:
            self._refuse([work], error)
            return False
        return True

    @property
    def is_encoded(self) -> bool:
        """Whether no camera is being encoded."""
        return not self._running

    @property
    def episodes(self) -> int:
        """Number of episodes in the batch that the operator has not taken back."""
        held = {path.name for state in ("claimed", "committing") for path in self._spool.paths(state)}
        return len(self._works.keys() & held)

    @property
    def frames_done(self) -> int:
        """Video frames encoded so far, of all cameras."""
        return sum(camera.frames for camera in self._cameras)

    @property
    def frame_s(self) -> float | None:
        """Seconds that a worker took for a video frame; None if it is unknown."""
        frames = sum(camera.busy_frames for camera in self._cameras)
        return sum(camera.busy_s for camera in self._cameras) / frames if frames else None

    @property
    def _cameras(self) -> Iterator[RunningCamera]:
        return (camera for work in list(self._works.values()) for camera in work.cameras.values())

    def wait(self, timeout_s: float) -> bool:
        """Encode until all cameras are encoded, or the time is over; return whether they are."""
        deadline = time.monotonic() + timeout_s
        while self._running and (remaining_s := deadline - time.monotonic()) > 0:
            jobs = [job for camera in self._running for job in camera.waits_for]
            wait(jobs, remaining_s, FIRST_COMPLETED)
            self._running = [camera for camera in self._running if not camera.advance()]
        return not self._running

    def release(self) -> None:
        """Give the episodes back; their finished videos are kept and not encoded again.

        Episodes of an interrupted commit stay where they are until it is finished.

        Raises:
            OSError: the spool cannot be changed; closing it releases the claims.
        """
        for episode_id, work in list(self._works.items()):
            self._spool.release(work.episode)
            del self._works[episode_id]

    def commit(self) -> None:
        """Add the encoded episodes to the dataset, oldest first.

        The others are moved to `failed/`, or given back if the computer was at fault.

        Raises:
            RecorderError: the dataset cannot be written; release the batch.
            OSError: the same.
        """
        done = [work for work in list(self._works.values()) if self._succeeded(work)]
        sealed = [work for work in done if self._seal(work)]
        whole = [work for work in sealed if self._is_whole(work)]
        groups = itertools.groupby(whole, key=lambda work: _kind(work.episode.manifest))
        refused = [each for _, group in groups for each in self._commit_group(list(group))]
        if refused and not self.committed:
            raise refused[0][1]  # probably the dataset is at fault: it took no episode at all
        for work, error in refused:
            self._fail(work, error)

    def _commit_group(self, works: Sequence[_Work]) -> list[tuple[_Work, Exception]]:
        """Commit episodes together, or one by one if something unexpected prevents that.

        Returns:
            The episodes that could not be committed, and why.
        """
        try:
            self._put_into_dataset(works)
        except DatasetMismatchError as error:
            self._refuse(works, error)
        except Exception as error:
            if not self._may_be_of_one(works, error):
                raise
            if len(works) == 1:
                return [(works[0], error)]
            logger.warning("committing one episode at a time: %s", explained(error))
            return [each for work in works for each in self._commit_group([work])]
        return []

    def _refuse(self, works: Sequence[_Work], error: DatasetMismatchError) -> None:
        """Fail episodes that do not fit the dataset.

        Raises:
            DatasetError: the dataset is damaged or was changed; they may fit later.
        """
        self._seen.confirm()
        for work in works:
            self._fail(work, error)

    def _may_be_of_one(self, works: Sequence[_Work], error: Exception) -> bool:
        """Return whether a commit may have failed because of an episode, not the computer or dataset."""
        if is_transient(error) or isinstance(error, DatasetError):
            return False
        return not any(is_journaled(self._spool.root, work.episode.episode_id) for work in works)

    def _put_into_dataset(self, works: Sequence[_Work]) -> None:
        manifest = works[0].episode.manifest
        by_id = {work.episode.episode_id: work for work in works}
        committed = self._writer.commit(
            [work.encoded for work in works if work.encoded is not None],
            features=_features(manifest),
            fps=manifest.fps,
            robot_type=manifest.robot_type,
        )
        for work in works:
            self._drop(work)
        self.committed += [_committed(by_id[each.episode_id], each.episode_index) for each in committed]

    def _succeeded(self, work: _Work) -> bool:
        try:
            cameras = [camera.result() for camera in work.cameras.values()]
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
        """Read the sealed episode: it can no longer be marked, so its rows are final."""
        try:
            _checked(work.episode.manifest)
            work.encoded = _encoded(work)
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
            logger.debug("episode %s was taken back while it was encoded", work.episode.episode_id)
            return
        self.waiting[work.episode.episode_id] = error
        logger.warning("episode %s waits: %s", work.episode.episode_id, explained(error))

    def _drop(self, work: _Work) -> None:
        del self._works[work.episode.episode_id]

    def _fail(self, work: _Work, error: Exception) -> None:
        reason = explained(error)
        failed = self._spool.fail(work.episode, reason)
        self._drop(work)
        if failed is None:
            logger.debug("episode %s was taken back while it was encoded", work.episode.episode_id)
            return
        self.failed[work.episode.episode_id] = reason
        logger.error("episode %s cannot be encoded: %s", work.episode.episode_id, reason)


def _features(manifest: Manifest) -> Features:
    return cast("Features", manifest.features)


def _checked(manifest: Manifest) -> Manifest:
    """Check that a dataset can take the episode, whatever program wrote it.

    Raises:
        SpoolError: its length, fps or features are invalid.
        ConfigError: a feature cannot be recorded.
    """
    wanted = {"length": int, "fps": int, "features": dict, "robot_type": (str, type(None))}
    for name, kind in wanted.items():
        if not isinstance(value := getattr(manifest, name), cast("type", kind)) or isinstance(value, bool):
            raise SpoolError(f"the episode has an invalid {name}: {value!r}")
    if manifest.length < 1 or manifest.fps < 1:
        raise SpoolError(f"expected rows and a frame rate, found {manifest.length} rows at {manifest.fps} Hz")
    validate_features(user_features(_features(manifest)))
    return manifest


def _kind(manifest: Manifest) -> tuple[object, ...]:
    """Return the properties that all episodes of a commit share."""
    return manifest.features, manifest.fps, manifest.robot_type


def _encoded(work: _Work) -> EncodedEpisode:
    episode = work.episode
    cameras = {key: camera.result() for key, camera in work.cameras.items()}
    recording = {name: getattr(episode.manifest, name) for name in _KEPT}
    if episode.manifest.source:
        recording["source"] = episode.manifest.source
    recording["encoded_with"] = _versions()
    if repairs := _repairs(episode, cameras):
        recording["repairs"] = repairs
    return EncodedEpisode(
        episode_id=episode.episode_id,
        task=episode.manifest.task,
        length=episode.length,
        features=_features(episode.manifest),
        rows=episode.rows(),
        videos={
            key: EncodedVideo(camera.path, camera.frames, camera.info) for key, camera in cameras.items()
        },
        image_stats={key: camera.stats for key, camera in cameras.items()},
        recording=recording,
        ages=episode.ages(),
        setup=_setup(episode),
    )


@cache
def _versions() -> dict[str, str]:
    """Return the versions of what encodes videos."""
    svt = svt_version()
    return {
        **{name: version_of(name) for name in ("lerobot_recorder", "av")},
        "svt_av1": ".".join(map(str, svt)) if svt else UNKNOWN,
    }


def _setup(episode: SpooledEpisode) -> dict[str, str]:
    files = setup_of(episode)
    if episode.manifest.setup and not files:
        logger.warning("episode %s: its set-up is missing in the spool", episode.episode_id)
    return files


def _repairs(episode: SpooledEpisode, cameras: Mapping[str, EncodedCamera]) -> dict[str, Any]:
    """Return, by camera, why a video was encoded with other settings than the requested ones."""
    repairs = {key: camera.repair for key, camera in cameras.items() if camera.repair}
    for key, repair in repairs.items():
        logger.warning(
            "%s of episode %s: encoded again because of %s, with %s",
            key, episode.episode_id, counted(len(repair["frames"]), "damaged frame"), repair["used"],
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

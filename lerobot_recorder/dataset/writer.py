"""Commits episodes to a dataset: it is valid at every instant, and no episode is lost or duplicated."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lerobot_recorder import locks
from lerobot_recorder.dataset import journal, recordings
from lerobot_recorder.dataset.edits import History
from lerobot_recorder.dataset.episode import EncodedEpisode, EpisodePlace
from lerobot_recorder.dataset.existing import dataset_errors, find_committed, read_existing
from lerobot_recorder.dataset.features import (
    FeatureDict,
    differences,
    unsupported,
    user_features,
    validate_features,
    with_defaults,
)
from lerobot_recorder.dataset.info import DatasetInfo, load_info
from lerobot_recorder.dataset.journal import WHOLE_DATASET, Forget, Journal
from lerobot_recorder.dataset.layout import commit_path
from lerobot_recorder.dataset.placement import VideoFiles
from lerobot_recorder.dataset.staging import Staging
from lerobot_recorder.durable import is_full, make_private_directory, nearest_existing
from lerobot_recorder.errors import DatasetError, DatasetMismatchError, RecorderError
from lerobot_recorder.excerpt import counted

_COMMIT_WAIT_S = 30.0
"""How long to wait for another process that commits; it may be joining videos of some hundred MB."""

SO_ARMS = {"so_follower", "so100_follower", "so101_follower"}
"""LeRobot's names for the follower of an SO-100 or SO-101."""

logger = logging.getLogger(__name__)


class DatasetWriter:
    """Appends episodes to the dataset at ``root``, which need not exist yet.

    Args:
        root: the dataset's directory; its spool is beside it.
        videos: joins video files.
        forget: removes spooled episodes that are in the dataset.
        chunks_size: files per chunk directory; None keeps the dataset's, 1000 for a new one.
        data_files_size_in_mb: size in MiB at which a data file is full; None keeps the dataset's, 100 for a
            new one.
        video_files_size_in_mb: the same for a video file, 200 for a new dataset.
    """

    def __init__(
        self,
        root: Path,
        videos: VideoFiles,
        *,
        forget: Forget = lambda _episode_ids: None,
        chunks_size: int | None = None,
        data_files_size_in_mb: float | None = None,
        video_files_size_in_mb: float | None = None,
    ) -> None:
        self.root = Path(root).absolute()
        self._videos = videos
        self._forget = forget
        sizes = {
            "chunks_size": chunks_size,
            "data_files_size_in_mb": data_files_size_in_mb,
            "video_files_size_in_mb": video_files_size_in_mb,
        }
        self._sizes: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}

    def recover(self) -> list[EpisodePlace]:
        """Finish an interrupted commit, if there is one.

        Returns:
            The places of the episodes that it has added.

        Raises:
            DatasetError: the dataset was changed since, or the journal cannot be read.
        """
        if not commit_path(self.root).exists():
            return []
        with self._locked():
            return self._recover()

    def commit(
        self,
        episodes: Sequence[EncodedEpisode],
        *,
        features: Mapping[str, FeatureDict],
        fps: int,
        robot_type: str | None = None,
    ) -> list[EpisodePlace]:
        """Add episodes to the dataset: all or none, even if the process dies.

        An interrupted commit is finished first; its episodes are not added again.

        Args:
            episodes: in their order in the dataset.
            features: the user's features.
            fps: rows and frames per second.
            robot_type: the robot, None if unknown.

        Returns:
            The place of each episode.

        Raises:
            DatasetMismatchError: the episodes do not fit the dataset.
            DatasetError: the dataset cannot be read or written.
        """
        with self._locked():
            finished = {each.episode_id: each for each in self._recover()}
            waiting = [each for each in episodes if each.episode_id not in finished]
            if waiting:
                info = self._info(features, fps, robot_type)
                finished |= self._committed_before(waiting, info)
            committed = [finished[each.episode_id] for each in episodes if each.episode_id in finished]
            waiting = [each for each in waiting if each.episode_id not in finished]
            return committed + (self._commit(waiting, info) if waiting else [])

    @contextlib.contextmanager
    def exclusive(self, activity: str = "edit") -> Iterator[None]:
        """Keep other processes from changing the dataset; an interrupted commit or edit is finished first.

        Args:
            activity: what is done meanwhile, for messages.

        Raises:
            DatasetError: another process keeps the dataset for too long, or the unfinished commit is damaged.
        """
        with self._locked(activity):
            self._recover()
            yield

    def _commit(self, episodes: Sequence[EncodedEpisode], info: DatasetInfo) -> list[EpisodePlace]:
        staging = Staging(read_existing(self.root, info), journal.start_staging(self.root), self._videos)
        committed = staging.stage(episodes)
        paths = staging.paths if load_info(self.root) else [WHOLE_DATASET]
        entry = Journal(tuple(committed), tuple(paths))
        journal.write_journal(self.root, entry)
        self._finish(entry)
        return committed

    def _finish(self, entry: Journal) -> None:
        History(self.root).expect(journal.staged_path(self.root), entry.paths)
        journal.finish(self.root, entry, self._forget)

    def _committed_before(
        self, episodes: Sequence[EncodedEpisode], info: DatasetInfo
    ) -> dict[str, EpisodePlace]:
        """Find episodes that are in the dataset although the spool still has them; remove them from it."""
        found = find_committed(self.root, info, {each.episode_id: each.length for each in episodes})
        if found:
            logger.warning("%s: already has %s; not added again", self.root, ", ".join(found))
            self._forget(list(found))
        return found

    def _recover(self) -> list[EpisodePlace]:
        History(self.root).recover()
        entry = journal.read_journal(self.root)
        if entry is None:
            journal.drop_staged(self.root)
            return []
        self._finish(entry)
        logger.info(
            "finished an interrupted commit of %s to %s", counted(len(entry.episodes), "episode"), self.root
        )
        return list(entry.episodes)

    def _info(self, features: Mapping[str, FeatureDict], fps: int, robot_type: str | None) -> DatasetInfo:
        check_fits(self.root, features, fps, robot_type)
        info = load_info(self.root)
        if info is None:
            validate_features(user_features(features))
            info = DatasetInfo(fps=fps, features=with_defaults(features), robot_type=robot_type)
        return dataclasses.replace(info, **self._sizes)

    @contextlib.contextmanager
    def _locked(self, activity: str = "commit") -> Iterator[None]:
        """Keep other processes from committing; the lock is released when its process dies."""
        with _commit_errors(self.root, activity):
            make_private_directory(commit_path(self.root))
            with locks.held(commit_path(self.root) / "lock", _COMMIT_WAIT_S):
                yield


@contextlib.contextmanager
def _commit_errors(root: Path, activity: str) -> Iterator[None]:
    try:
        yield
    except (RecorderError, OSError) as error:
        if is_full(error):
            raise DatasetError(
                f"{root}: no space left for the {activity}; free some space. No episode is lost"
            ) from error
        if isinstance(error, RecorderError):
            raise
        raise DatasetError(f"{root}: the {activity} stopped: {error}; no episode is lost") from error


# Checks before anything is recorded


def check_fits(
    root: Path, features: Mapping[str, FeatureDict], fps: int, robot_type: str | None = None
) -> None:
    """Check that episodes fit the dataset at ``root``, if it exists.

    Args:
        root: the dataset's directory.
        features: the user's features.
        fps: rows and frames per second.
        robot_type: the robot; None fits every dataset.

    Raises:
        DatasetMismatchError: an existing dataset differs; the message names each difference.
        DatasetError: the directory holds something else.
    """
    with dataset_errors(Path(root)):
        info = load_info(Path(root))
        if info is None:
            return
        found = unsupported(info.features) or differences(info.features, features)
    if info.fps != fps:
        found.append(f"fps is {info.fps} in the dataset, {fps} now")
    if robot_type is not None and info.robot_type != robot_type:
        found.append(_other_robot(info.robot_type, robot_type))
    if found:
        raise DatasetMismatchError(
            f"{root}: cannot be appended to: {'; '.join(found)}. Change this, or record to another root"
        )


def _other_robot(existing: str | None, wanted: str) -> str:
    """Describe the difference, and what to compare first, as the units of joints may differ, too."""
    hint = f"if it is the same robot, set robot_type to {existing or ''!r}"
    if {existing, wanted} <= SO_ARMS:
        hint += (
            " after comparing the units: under the older names LeRobot recorded joints from -100 to 100 "
            "unless use_degrees was set, as so_follower it records degrees"
        )
    return f"robot_type is {existing!r} in the dataset, {wanted!r} now ({hint})"


def check_appendable(root: Path) -> None:
    """Check, without changing anything, that a commit can add episodes to the dataset at ``root``.

    It reads what a commit reads: the descriptions and the last files. It does not check them while another
    process commits, or if a commit is unfinished. `check_fits` compares the dataset with the recording.

    Args:
        root: the dataset's directory; it need not exist yet.

    Raises:
        DatasetError: it cannot be appended to; the message names the file and what to do.
    """
    root = Path(root).absolute()
    with dataset_errors(root):
        journal.check_filesystem(root)
        _check_writable(root)
        with _between_commits(root) as quiet:
            if quiet and journal.read_journal(root) is None:
                _check_content(root)


def _check_content(root: Path) -> None:
    info = load_info(root)
    if info is None:
        return
    if faults := unsupported(info.features):
        raise DatasetMismatchError(
            f"{root}: cannot be appended to: {'; '.join(faults)}. Record to another root"
        )
    existing = read_existing(root, info)
    ages = existing.layout.ages_file(recordings.ages_index(info.total_episodes))
    if ages.is_file():
        recordings.count_ages(ages)


def _check_writable(root: Path) -> None:
    for path in (root, root / "meta", root / "data", root / "videos"):
        target = nearest_existing(path)
        if not target.is_dir():
            raise DatasetError(f"{target}: expected a directory, found a file; choose another root")
        if not os.access(target, os.W_OK | os.X_OK):
            raise DatasetError(
                f"{target}: no permission to write there, so no episode can be added to {root}; "
                "change its owner or mode, or choose another root"
            )


@contextlib.contextmanager
def _between_commits(root: Path) -> Iterator[bool]:
    """Keep commits from starting; yield whether none is running."""
    lock = commit_path(root) / "lock"
    if not lock.exists():
        yield True
        return
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True

"""Commits episodes to a dataset: it is whole at every instant, and no episode is lost or doubled."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lerobot_recorder import locks
from lerobot_recorder.dataset import journal
from lerobot_recorder.dataset.episode import CommittedEpisode, EncodedEpisode, EncodedVideo
from lerobot_recorder.dataset.existing import explained, find_committed, read_existing
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
from lerobot_recorder.durable import is_full, make_private_directory
from lerobot_recorder.errors import DatasetError, DatasetMismatchError, RecorderError

__all__ = ["CommittedEpisode", "DatasetWriter", "EncodedEpisode", "EncodedVideo", "VideoFiles", "check_fits"]

_COMMIT_WAIT_S = 30.0
"""How long another committer is waited for; it may be joining videos of some hundred MB."""

SO_ARMS = {"so_follower", "so100_follower", "so101_follower"}
"""What LeRobot has called the follower of an SO-100 or SO-101."""

_log = logging.getLogger(__name__)


class DatasetWriter:
    """Appends episodes to the dataset at ``root``, which need not exist yet.

    Args:
        root: The dataset's directory; its spool is beside it.
        videos: Joins video files.
        chunks_size: Files per chunk directory; None keeps the dataset's, 1000 for a new one.
        data_files_size_in_mb: A data file takes no more episodes from this size on, in MiB; None keeps the
            dataset's, 100 for a new one.
        video_files_size_in_mb: The same for a video file, 200 for a new dataset.
    """

    def __init__(
        self,
        root: Path,
        videos: VideoFiles,
        *,
        chunks_size: int | None = None,
        data_files_size_in_mb: float | None = None,
        video_files_size_in_mb: float | None = None,
    ) -> None:
        self.root = Path(root).absolute()
        self._videos = videos
        sizes = {
            "chunks_size": chunks_size,
            "data_files_size_in_mb": data_files_size_in_mb,
            "video_files_size_in_mb": video_files_size_in_mb,
        }
        self._sizes: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}

    def recover(self, forget: Forget) -> list[CommittedEpisode]:
        """Finish a commit that was interrupted, if there is one.

        Args:
            forget: Removes spooled episodes that are in the dataset.

        Returns:
            Where the episodes are that it has put into the dataset.

        Raises:
            DatasetError: The dataset was changed since, or the journal cannot be read.
        """
        if not commit_path(self.root).exists():
            return []
        with self._locked():
            return self._recover(forget)

    def commit(
        self,
        episodes: Sequence[EncodedEpisode],
        *,
        features: Mapping[str, FeatureDict],
        fps: int,
        robot_type: str | None = None,
        forget: Forget,
    ) -> list[CommittedEpisode]:
        """Put episodes into the dataset, all or none, whatever happens meanwhile.

        A commit that was interrupted is finished first; its episodes are not put in again.

        Args:
            episodes: In the order that they get in the dataset.
            features: The user's features.
            fps: Rows and frames per second.
            robot_type: The robot, None if unknown.
            forget: Removes spooled episodes that are in the dataset.

        Returns:
            Where each episode is.

        Raises:
            DatasetMismatchError: The dataset does not fit what was recorded.
            DatasetError: An episode or the dataset is not as it must be.
        """
        with self._locked():
            finished = {each.episode_id: each for each in self._recover(forget)}
            waiting = [each for each in episodes if each.episode_id not in finished]
            if waiting:
                info = self._info(features, fps, robot_type)
                finished |= self._committed_before(waiting, info, forget)
            committed = [finished[each.episode_id] for each in episodes if each.episode_id in finished]
            waiting = [each for each in waiting if each.episode_id not in finished]
            return committed + (self._commit(waiting, info, forget) if waiting else [])

    def _commit(
        self, episodes: Sequence[EncodedEpisode], info: DatasetInfo, forget: Forget
    ) -> list[CommittedEpisode]:
        staging = Staging(read_existing(self.root, info), journal.start_staging(self.root), self._videos)
        committed = staging.stage(episodes)
        paths = staging.paths if load_info(self.root) else [WHOLE_DATASET]
        entry = Journal(tuple(committed), tuple(paths))
        journal.write_journal(self.root, entry)
        journal.finish(self.root, entry, forget)
        total = committed[-1].episode_index + 1
        _log.info("committed %d episodes to %s, %d in all", len(committed), self.root, total)
        return committed

    def _committed_before(
        self, episodes: Sequence[EncodedEpisode], info: DatasetInfo, forget: Forget
    ) -> dict[str, CommittedEpisode]:
        """Find episodes that are in the dataset although the spool still has them; it forgets them now."""
        found = find_committed(self.root, info, {each.episode_id: each.length for each in episodes})
        if found:
            _log.warning("%s: already has %s; not added again", self.root, ", ".join(found))
            forget(list(found))
        return found

    def _recover(self, forget: Forget) -> list[CommittedEpisode]:
        entry = journal.read_journal(self.root)
        if entry is None:
            journal.drop_staged(self.root)
            return []
        journal.finish(self.root, entry, forget)
        _log.info("finished an interrupted commit of %d episodes to %s", len(entry.episodes), self.root)
        return list(entry.episodes)

    def _info(self, features: Mapping[str, FeatureDict], fps: int, robot_type: str | None) -> DatasetInfo:
        check_fits(self.root, features, fps, robot_type)
        info = load_info(self.root)
        if info is None:
            validate_features(user_features(features))
            info = DatasetInfo(fps=fps, features=with_defaults(features), robot_type=robot_type)
        return dataclasses.replace(info, **self._sizes)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other committers out; the lock of a process that dies is free."""
        with _commit_errors(self.root):
            make_private_directory(commit_path(self.root))
            with locks.held(commit_path(self.root) / "lock", _COMMIT_WAIT_S):
                yield


@contextlib.contextmanager
def _commit_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except (RecorderError, OSError) as error:
        if is_full(error):
            raise DatasetError(
                f"{root}: no room is left for the commit. Free some space; no episode is lost."
            ) from error
        if isinstance(error, RecorderError):
            raise
        raise DatasetError(f"{root}: the commit stopped: {error}. No episode is lost.") from error


def check_fits(
    root: Path, features: Mapping[str, FeatureDict], fps: int, robot_type: str | None = None
) -> None:
    """Check that episodes can be put into the dataset at ``root``, existing or new.

    Args:
        root: The dataset's directory.
        features: The user's features.
        fps: Rows and frames per second.
        robot_type: The robot; None fits every dataset.

    Raises:
        DatasetMismatchError: An existing dataset differs; the message names each difference.
        DatasetError: The directory holds something else.
    """
    with explained(Path(root)):
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
            f"{root}: cannot be appended to: {'; '.join(found)}. Change this, or record to another root."
        )


def _other_robot(existing: str | None, wanted: str) -> str:
    """Name the parameter to set, and what to compare before, as the unit of joints may differ, too."""
    hint = f"if it is the same robot, set robot_type to {existing or ''!r}"
    if {existing, wanted} <= SO_ARMS:
        hint += (
            " after comparing the units: under the older names LeRobot recorded joints from -100 to 100 "
            "unless use_degrees was set, as so_follower it records degrees"
        )
    return f"robot_type is {existing!r} in the dataset, {wanted!r} now ({hint})"

"""Where pieces of videos are kept until their episode is in the dataset.

They can be made again from the images at any time, so they are neither synced nor locked. They lie beside the
state directories because the recorder owns a take until it is saved.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from lerobot_recorder.spool.directory import SpoolDirectory
from lerobot_recorder.spool.episode import SEGMENTS_FOLDER

_KEPT_IN = ("recording", "ready", "claimed", "committing", "failed")
"""States of episodes whose segments are kept, in the order in which an episode passes through them."""


class SegmentFolders(SpoolDirectory):
    """The folders with the segments of each episode."""

    def drop_segments(self, episode_ids: Sequence[str]) -> None:
        """Remove the segments of episodes."""
        for episode_id in episode_ids:
            shutil.rmtree(self.directory(SEGMENTS_FOLDER) / episode_id, ignore_errors=True)

    def drop_useless_segments(self) -> None:
        """Remove segments of episodes that were discarded, rejected, or are in the dataset."""
        if useless := self._useless_segments():
            with self.locked():
                useless = self._useless_segments()
            self.drop_segments(useless)

    def _useless_segments(self) -> list[str]:
        return [path.name for path in self.paths(SEGMENTS_FOLDER) if not self._may_be_encoded(path.name)]

    def _may_be_encoded(self, episode_id: str) -> bool:
        return any((self.directory(state) / episode_id).is_dir() for state in _KEPT_IN)

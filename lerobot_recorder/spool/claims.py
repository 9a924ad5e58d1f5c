"""What an encoder does with episodes: claim, give back, seal, fail, and forget those in the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lerobot_recorder.durable import move_directory, replace_file
from lerobot_recorder.locks import FileLock
from lerobot_recorder.spool.directory import CLAIM_FILE
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.listing import ERROR_FILE
from lerobot_recorder.spool.segments import SegmentFolders


class EncoderMoves(SegmentFolders):
    """Moves of episodes that this process has claimed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._claims: dict[str, FileLock] = {}

    def close(self) -> None:
        """Give up this object's claims; the next ``recover`` moves the episodes back to ``ready/``."""
        for episode_id in list(self._claims):
            self._unlock_claim(episode_id)

    def claim(self, episode: SpooledEpisode) -> SpooledEpisode | None:
        """Take a ready episode for this process.

        Returns:
            The episode at its new place, or None if another process was faster.

        Raises:
            OSError: the claim cannot be written; the episode still waits.
        """
        waiting = self.directory("ready") / episode.episode_id
        target = self.directory("claimed") / episode.episode_id
        with self.locked():
            if not waiting.is_dir():
                return None
            # Another object may still lock the old claim file, so use a new file.
            (waiting / CLAIM_FILE).unlink(missing_ok=True)
            claim = FileLock(waiting / CLAIM_FILE)
            try:
                move_directory(waiting, target)
            except OSError:
                claim.release()
                raise
            self._unlock_claim(episode.episode_id)
            self._claims[episode.episode_id] = claim
        return SpooledEpisode(target)

    def release(self, episode: SpooledEpisode) -> bool:
        """Give a claimed episode back to ``ready/``; do nothing if it was taken back in the meantime.

        An episode of an unfinished commit stays in ``committing/``, where it is neither deleted nor encoded.

        Returns:
            Whether it waits in ``ready/`` again.
        """
        with self.locked():
            held = self._held(episode.episode_id)
            released = held is not None and not self.is_certain(held)
            if held is not None and released:
                (held / CLAIM_FILE).unlink(missing_ok=True)
                self.move(held, "ready")
            self._unlock_claim(episode.episode_id)
            return released

    def seal(self, episode: SpooledEpisode) -> SpooledEpisode | None:
        """Take the last step before the commit: the operator can no longer take the episode back.

        Read the manifest of the returned episode: it may have been marked or relabelled since the claim.

        Returns:
            The episode at its new place, or None if the operator took it back: do not commit it.
        """
        target = self.directory("committing") / episode.episode_id
        with self.locked():
            held = self._held(episode.episode_id)
            if held is None:
                self._unlock_claim(episode.episode_id)
                return None
            move_directory(held, target)
        return SpooledEpisode(target)

    def fail(self, episode: SpooledEpisode, error: str) -> SpooledEpisode | None:
        """Set a claimed episode aside in ``failed/`` with the reason.

        Returns:
            The episode at its new place, or None if it was taken back in the meantime.
        """
        target = self.directory("failed") / episode.episode_id
        with self.locked():
            held = self._held(episode.episode_id)
            self._unlock_claim(episode.episode_id)
            if held is None:
                return None
            (held / CLAIM_FILE).unlink(missing_ok=True)
            replace_file(held / ERROR_FILE, f"{error}\n".encode())
            move_directory(held, target)
        return SpooledEpisode(target)

    def forget(self, episode_ids: Sequence[str]) -> None:
        """Remove episodes that are in the dataset, in any state; they stay removed after a power cut."""
        with self.locked():
            moved = [self.to_erasing(path) for each in episode_ids for path in self.places(each)]
            for episode_id in episode_ids:
                self._unlock_claim(episode_id)
        for path in moved:
            self.finish_erasing(path)
        self.drop_segments(episode_ids)

    def _held(self, episode_id: str) -> Path | None:
        """Find an episode that this object has claimed; None if it was taken back."""
        claim = self._claims.get(episode_id)
        for state in ("claimed", "committing"):
            path = self.directory(state) / episode_id
            if claim is not None and claim.is_on(path / CLAIM_FILE):
                return path
        return None

    def _unlock_claim(self, episode_id: str) -> None:
        claim = self._claims.pop(episode_id, None)
        if claim is not None:
            claim.release()

"""What an operator does with episodes and takes: accept, retry, delete, bring back, mark."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from lerobot_recorder.durable import replace_file
from lerobot_recorder.errors import EpisodeDeletedError, SpoolError
from lerobot_recorder.spool import discarded
from lerobot_recorder.spool.directory import CLAIM_FILE, SpoolDirectory
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.listing import ERROR_FILE
from lerobot_recorder.spool.manifest import MANIFEST_FILE, Manifest, read_manifest, to_json

_DELETED_FROM = ("ready", "claimed", "rejected")
_STATES = {
    "recording": "is being recorded",
    "ready": "waits for the encoder",
    "claimed": "is being encoded",
    "committing": "is being added to the dataset",
    "rejected": "is rejected",
    "failed": "could not be encoded",
}
_MARKED_IN = ("ready", "claimed", "rejected", "failed")


class OperatorMoves(SpoolDirectory):
    """Moves on an operator's command."""

    def accept(self, episode_id: str | None = None) -> SpooledEpisode:
        """Move a rejected take to ``ready/`` despite its verdict.

        Args:
            episode_id: the take; by default the last one

        Raises:
            SpoolError: there is no such take, or it cannot be moved.
        """
        with self.moving():
            episode = self._pick(episode_id, ("rejected",), "no rejected take to accept")
            manifest = _changed(episode.path, accepted=True)
            return SpooledEpisode(self.move(episode.path, "ready").path, manifest)

    def retry(self, episode_id: str | None = None) -> SpooledEpisode:
        """Hand a failed episode to the encoder again.

        Args:
            episode_id: the episode; by default the last one

        Raises:
            SpoolError: there is no such episode, or it cannot be moved.
        """
        with self.moving():
            episode = self._pick(episode_id, ("failed",), "no failed episode to try again")
            moved = self.move(episode.path, "ready")
            (moved.path / ERROR_FILE).unlink(missing_ok=True)
            return moved

    def delete_last(self, episode_id: str | None = None) -> str:
        """Take back the last saved episode that is not in the dataset yet.

        It stays in ``discarded/`` while there is room, so that ``undo_delete`` can bring it back.

        Args:
            episode_id: take back this one, also from ``rejected/``

        Returns:
            The identifier of the removed episode.

        Raises:
            SpoolError: there is none, it is already in the dataset, or it cannot be moved.
        """
        with self.moving():
            states = _DELETED_FROM if episode_id else ("ready", "claimed")
            episode = self._pick(episode_id, states, "no episode that could be taken back")
            self._discard(episode.path)
        discarded.tidy(self)
        return episode.episode_id

    def discard(self, take: Path, manifest: Manifest) -> None:
        """Move a take that was never saved to ``discarded/``, where the newest few stay.

        Args:
            take: its directory in ``recording/``
            manifest: used if the take is brought back. It is written after the move: in ``recording/`` it
                would make the take a saved one.

        Raises:
            SpoolError: it cannot be moved.
        """
        with self.moving():
            moved = self._discard(take)
            with contextlib.suppress(OSError):  # without a manifest it cannot be brought back
                (moved / MANIFEST_FILE).write_bytes(to_json(manifest))
        discarded.tidy(self)

    def undo_delete(self, episode_id: str | None = None) -> SpooledEpisode:
        """Bring back the last deleted episode or discarded take.

        An episode returns to its former state; a take goes where saving it would have put it.

        Args:
            episode_id: the episode; by default the last one removed

        Raises:
            SpoolError: there is none, it is damaged, it is in the dataset, or it cannot be moved.
        """
        with self.moving():
            return discarded.bring_back(self, episode_id)

    def last_removed(self) -> str:
        """Return the identifier that sorts the last removal that ``undo_delete`` can take back, or empty."""
        return max((each.order for each in discarded.listed(self) if each.can_return), default="")

    def make_room(self, free_bytes: int) -> bool:
        """Erase discarded episodes, the oldest first, until this much space is free on the file system.

        Returns:
            Whether anything was erased.

        Raises:
            SpoolError: the free space cannot be read.
        """
        return discarded.make_room(self, free_bytes)

    def mark_success(self, success: bool, episode_id: str | None = None) -> str:
        """Note in a spooled episode's manifest whether it shows a success.

        Args:
            success: the operator's mark
            episode_id: the episode; by default the last one

        Returns:
            The identifier of the marked episode.

        Raises:
            SpoolError: there is none, it is already in the dataset, or it cannot be written.
        """
        with self.moving():
            episode = self._pick(episode_id, _MARKED_IN, "no episode that could be marked")
            _changed(episode.path, success=success)
        return episode.episode_id

    def set_task(self, task: str, episode_id: str) -> None:
        """Give a spooled episode another task.

        Args:
            task: the sentence that describes what it shows
            episode_id: the episode

        Raises:
            SpoolError: it is not in the spool, it is being added to the dataset, or it cannot be written.
        """
        with self.moving():
            episode = self._pick(episode_id, _MARKED_IN, "no episode that could be relabelled")
            _changed(episode.path, task=task)

    def _pick(self, episode_id: str | None, states: tuple[str, ...], nothing: str) -> SpooledEpisode:
        candidates = self.episodes(*states)
        if episode_id is None:
            if not candidates:
                raise SpoolError(f"there is {nothing}")
            return candidates[-1]
        for episode in candidates:
            if episode.episode_id == episode_id:
                return episode
        raise self._elsewhere(episode_id, nothing)

    def _elsewhere(self, episode_id: str, nothing: str) -> SpoolError:
        found = self.find(episode_id)
        if found is None:
            return SpoolError(
                "the episode is not in the spool: it is in the dataset already, or was discarded"
            )
        if found.state == "discarded":
            return EpisodeDeletedError("the episode is deleted")
        return SpoolError(f"there is {nothing}: the episode {_STATES[found.state]}")

    def _discard(self, path: Path) -> Path:
        discarded.note_origin(path, path.parent.name, self.next_id())
        self.set_copy_aside(self.directory("discarded") / path.name)
        moved = self.move(path, "discarded")
        # The encoder that had it must not hold it up when it is brought back.
        (moved.path / CLAIM_FILE).unlink(missing_ok=True)
        return moved.path


def _changed(path: Path, **changes: bool | str) -> Manifest:
    """Change fields of an episode's manifest on disk, and return it."""
    manifest = replace(read_manifest(path), **changes)  # type: ignore[arg-type]
    replace_file(path / MANIFEST_FILE, to_json(manifest))
    return manifest

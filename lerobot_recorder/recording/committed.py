"""What the recorder asks of the episodes that are in the dataset already."""

from __future__ import annotations

from typing import Protocol


class CommittedEpisodes(Protocol):
    """Edits episodes of the dataset; each result is an episode's identifier and its number in the dataset.

    The methods touch the disk, and wait for a commit that is running.
    """

    def delete(self, episode_id: str, order: str) -> tuple[str, int]:
        """Remove an episode from the dataset.

        Args:
            episode_id: the episode
            order: an identifier, which sorts this among the other removals

        Raises:
            DatasetError: the dataset does not have it, or cannot be edited.
        """

    def last_deleted(self) -> str:
        """Return the ``order`` of the last removal that can be taken back; empty if there is none."""

    def undo_delete(self) -> tuple[str, int]:
        """Take the last removal back.

        Raises:
            DatasetError: there is none, or the dataset was edited since.
        """

    def mark_success(self, episode_id: str, success: bool) -> tuple[str, int]:
        """Mark an episode of the dataset.

        Raises:
            DatasetError: the dataset does not have it, or cannot be edited.
        """

"""The operator's commands for episodes that are in the dataset already."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lerobot_recorder.dataset import Edit
from lerobot_recorder.editing.editor import DatasetEditor
from lerobot_recorder.editing.selection import Selection
from lerobot_recorder.errors import DatasetError


class EditedEpisode(NamedTuple):
    """An episode that was edited.

    Attributes:
        episode_id: its identifier in the spool.
        number: its number in the dataset.
    """

    episode_id: str
    number: int


class RecorderEdits:
    """Edits the dataset at ``root`` for a recorder, which knows episodes by their identifiers.

    It implements ``recording.CommittedEpisodes``.
    """

    def __init__(self, root: Path) -> None:
        self._editor = DatasetEditor(root)

    def delete(self, episode_id: str, order: str) -> EditedEpisode:
        """Remove an episode.

        Args:
            episode_id: its identifier in the spool.
            order: identifier that sorts this among removals from the spool.

        Raises:
            DatasetError: the dataset does not have it, or cannot be edited.
        """
        changes = self._editor.delete_recorded(episode_id, order)
        return EditedEpisode(episode_id, changes[0].episode)

    def last_deleted(self) -> str:
        """Return the ``order`` of the last removal that can be undone; empty if there is none."""
        last = self._last()
        return last.order if last else ""

    def undo_delete(self) -> EditedEpisode:
        """Take the last removal back.

        Raises:
            DatasetError: there is none, or the dataset was edited since.
        """
        last = self._last()
        if last is None:
            raise DatasetError(f"{self._editor.root}: no episode was deleted from the dataset")
        if self._editor.edits()[-1] != last:
            raise DatasetError(
                "the episode was deleted from the dataset, which was edited again since; "
                f"lerobot-recorder edit undo {self._editor.root} takes edits back one by one"
            )
        self._editor.undo()
        numbers = self._editor.numbers_of([last.episode_id])
        return EditedEpisode(last.episode_id, numbers.get(last.episode_id, 0))

    def mark_success(self, episode_id: str, success: bool) -> EditedEpisode:
        """Mark an episode as a success or a failure.

        Raises:
            DatasetError: the dataset does not have it, or cannot be edited.
        """
        self._editor.set_success(Selection(episode_ids=(episode_id,)), success)
        return EditedEpisode(episode_id, self._editor.numbers_of([episode_id]).get(episode_id, 0))

    def _last(self) -> Edit | None:
        return next((edit for edit in reversed(self._editor.edits()) if edit.order), None)

"""Edits that the page asks for: of the dataset, and of episodes that wait in the spool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lerobot_recorder.answers import Answer
from lerobot_recorder.editing import Change, DatasetEditor, Selection
from lerobot_recorder.errors import ConfigError, DatasetError
from lerobot_recorder.recording import require_text
from lerobot_recorder.spool import Spool


class Edits:
    """Edits the episodes of one dataset; all methods touch the disk, some for seconds."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def apply(self, request: Mapping[str, Any]) -> Answer:
        """Do what a request from the page asks for.

        Args:
            request: ``edit`` names the edit. ``ref`` is the episode's number, or its identifier in the spool;
                ``id`` is that identifier for an episode of the dataset, too, if it is known: after another
                edit, the number may be that of another episode.

        Returns:
            What was done.

        Raises:
            ConfigError: the request cannot be understood.
            DatasetError: the dataset cannot be edited like this.
            SpoolError: the spool cannot be edited like this.
        """
        edit, ref = _text(request, "edit"), request.get("ref", "")
        if edit == "undo":
            return Answer(True, f"undone: {DatasetEditor(self._root).undo().what}")
        if not isinstance(ref, str) or not ref:
            raise ConfigError(f"ref: expected an episode, found {ref!r}")
        if not ref.isdecimal() and (number := self._number_by_now(ref)) is not None:
            ref, request = str(number), {**request, "id": ref}
        return self._in_dataset(edit, ref, request) if ref.isdecimal() else self._in_spool(edit, ref, request)

    def _number_by_now(self, episode_id: str) -> int | None:
        """Return the number of an episode that has waited, if it is in the dataset by now."""
        if Spool(self._root).find(episode_id) is not None:
            return None
        with suppress(DatasetError):
            return DatasetEditor(self._root).numbers_of([episode_id]).get(episode_id)
        return None

    def _in_dataset(self, edit: str, ref: str, request: Mapping[str, Any]) -> Answer:
        editor, number = DatasetEditor(self._root), int(ref)
        known = _text(request, "id") if request.get("id") else ""
        chosen = Selection(numbers=(number,), episode_ids=(known,) if known else None)
        if edit == "delete":
            return _said(editor.delete(chosen), f"deleted episode {number}")
        if edit == "task":
            return _said(editor.set_task(chosen, _task(request)), f"episode {number} has a new task")
        if edit == "success":
            mark = _flag(request, "success")
            return _said(editor.set_success(chosen, mark), f"episode {number} is a {_outcome(mark)}")
        if edit == "trim":
            if known and editor.numbers_of([known]).get(known) != number:
                raise ConfigError(f"episode {number} is another one by now: look at it again")
            changes = editor.trim(number, _seconds(request, "start_s"), _seconds(request, "stop_s"))
            return _said(changes, f"trimmed episode {number}")
        raise ConfigError(f"edit: expected delete, task, success, trim or undo, found {edit!r}")

    def _in_spool(self, edit: str, ref: str, request: Mapping[str, Any]) -> Answer:
        spool = Spool(self._root)
        if edit == "delete":
            spool.delete_last(ref)
            return Answer(True, "deleted the episode", "undo_delete")
        if edit == "accept":
            spool.accept(ref)
            return Answer(True, "accepted the take")
        if edit == "retry":
            spool.retry(ref)
            return Answer(True, "trying the episode again")
        if edit == "success":
            mark = _flag(request, "success")
            spool.mark_success(mark, ref)
            return Answer(True, f"the episode is a {_outcome(mark)}")
        if edit == "task":
            spool.set_task(_task(request), ref)
            return Answer(True, "the episode has a new task")
        raise ConfigError(f"{edit}: possible as soon as the episode is encoded and in the dataset")


def _said(changes: Sequence[Change], what: str) -> Answer:
    return Answer(True, what if changes else "nothing has changed")


def _outcome(success: bool) -> str:
    return "success" if success else "failure"


def _text(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected a text, found {value!r}")
    return value


def _task(request: Mapping[str, Any]) -> str:
    task = _text(request, "task")
    require_text("task", task)
    if not task.strip():
        raise ConfigError("task: expected a sentence, found an empty one")
    return task


def _flag(request: Mapping[str, Any], name: str) -> bool:
    value = request.get(name)
    if not isinstance(value, bool):
        raise ConfigError(f"{name}: expected true or false, found {value!r}")
    return value


def _seconds(request: Mapping[str, Any], name: str) -> float:
    value = request.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise ConfigError(f"{name}: expected seconds, found {value!r}")
    return float(value)

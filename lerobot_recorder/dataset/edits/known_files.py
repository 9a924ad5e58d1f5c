"""The files of a dataset as an edit and later commits have left them: shows what other programs changed.

``files.json`` beside the description of an edit lists for each file the states that it may have: its size and
time of change. There are two while a commit or an undo is done, so an interruption does no harm: the next
commit or undo replaces both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from lerobot_recorder.dataset.edits.source import file_states
from lerobot_recorder.durable import replace_file

_State = tuple[int, int] | None
"""Size and time of the last change of a file; None if there is none. Inodes differ in a copy."""

_CACHE = ".cache/"
"""Where downloads from the Hub keep notes of their own; no part of the dataset."""


class KnownFiles:
    """The states that the files of a dataset may have.

    Args:
        path: where they are kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def set(self, root: Path) -> None:
        """Note the files of a dataset as they are."""
        self._write({name: [state] for name, state in _states(root).items()})

    def expect(self, root: Path, staged: Path, paths: Iterable[str]) -> None:
        """Note that a commit is about to replace files; those that another program has changed stay noted.

        Args:
            root: the dataset.
            staged: directory with the new files, laid out as in the dataset.
            paths: the files, relative to both.
        """
        known = self._read()
        if known is None:
            return
        for name in paths:
            before = _state(root / name)
            if (after := _state(staged / name)) and before in known.get(name, [None]):
                known[name] = [before, after]
        self._write(known)

    def expect_all(self, before: Path, after: Path) -> None:
        """Note that a dataset may take the place of another; files that differed before stay noted."""
        known = self._read()
        if known is None:
            return
        old, new = _states(before), _states(after)
        for name in {*known, *old, *new}:
            if old.get(name) in known.get(name, [None]):
                known[name] = [old.get(name), new.get(name)]
        self._write(known)

    def differences(self, root: Path) -> list[str]:
        """List the files that another program has changed, added or removed; none if they are not known."""
        known, found = self._read(), _states(root)
        if known is None:
            return []
        return sorted(name for name in {*known, *found} if found.get(name) not in known.get(name, [None]))

    def _read(self) -> dict[str, list[_State]] | None:
        """Return the states; None for edits of versions that kept none."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return {
            name: [None if state is None else (state[0], state[1]) for state in states]
            for name, states in content.items()
        }

    def _write(self, known: Mapping[str, Iterable[_State]]) -> None:
        replace_file(self._path, json.dumps({name: list(states) for name, states in known.items()}).encode())


def _states(root: Path) -> dict[str, _State]:
    found = file_states(root).items()
    return {name: (size, time_ns) for name, (_, size, time_ns) in found if not name.startswith(_CACHE)}


def _state(path: Path) -> _State:
    if not path.is_file():
        return None
    state = path.stat()
    return (state.st_size, state.st_mtime_ns)

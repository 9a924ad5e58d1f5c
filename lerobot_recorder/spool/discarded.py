"""Deleted episodes and discarded takes: kept while there is room, so that they can be brought back."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lerobot_recorder.dataset import is_journaled, recorded_ids
from lerobot_recorder.durable import replace_file, sync_tree
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool.directory import SpoolDirectory
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.identifiers import is_episode_id, is_named_after_episode
from lerobot_recorder.spool.manifest import DISCARDED_FILE, Manifest

KEPT_TAKES = 3
"""Number of discarded takes that stay; the newest ones."""

KEPT_FREE_BYTES = 10 * 1000**3
"""With less free space than this, or than a tenth of the file system, only the last one removed stays."""

NEVER_SAVED = "recording"
"""The origin of a take that was discarded instead of saved."""


@dataclass(frozen=True, order=True)
class Discarded:
    """An episode or take in ``discarded/``; the last one removed sorts last.

    Attributes:
        order: sorts by the time of removal; an identifier, or empty if it is unknown
        path: its directory
        origin: the state it was in; empty if it is unknown
    """

    order: str
    path: Path
    origin: str

    @property
    def can_return(self) -> bool:
        """Whether its former state is known; False for second copies and for those of earlier versions."""
        return bool(self.origin) and is_episode_id(self.path.name)


def note_origin(path: Path, origin: str, order: str) -> None:
    """Note in an episode's directory where it comes from, before it moves to ``discarded/``.

    Raises:
        OSError: the note cannot be written.
    """
    replace_file(path / DISCARDED_FILE, json.dumps({"from": origin, "order": order}).encode())


def read_discarded(path: Path) -> Discarded:
    """Read the note of an episode in ``discarded/``."""
    try:
        content = json.loads((path / DISCARDED_FILE).read_bytes())
        return Discarded(str(content["order"]), path, str(content["from"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Discarded("", path, "")


def listed(spool: SpoolDirectory) -> list[Discarded]:
    """List the episodes and takes in ``discarded/``, the last one removed last; skip other directories."""
    paths = [path for path in spool.paths("discarded") if is_named_after_episode(path.name)]
    return sorted(map(read_discarded, paths))


def bring_back(spool: SpoolDirectory, episode_id: str | None) -> SpooledEpisode:
    """See ``Spool.undo_delete``; call it with the lock held."""
    wanted = [each for each in listed(spool) if each.can_return and episode_id in (None, each.path.name)]
    if not wanted:
        raise SpoolError("there is nothing to bring back")
    last = wanted[-1]
    _require_gone(spool, last.path)
    episode = SpooledEpisode(last.path)
    manifest = episode.manifest
    state = "ready" if last.origin == "claimed" else last.origin
    if last.origin == NEVER_SAVED:
        episode.rows()
        sync_tree(last.path)
        state = destination(manifest)
    moved = spool.move(last.path, state)
    (moved.path / DISCARDED_FILE).unlink(missing_ok=True)
    return SpooledEpisode(moved.path, manifest)


def _require_gone(spool: SpoolDirectory, path: Path) -> None:
    """Check that an episode in ``discarded/`` is nowhere else.

    Raises:
        SpoolError: another copy exists, or the dataset has it already.
    """
    if path.name in recorded_ids(spool.root) or is_journaled(spool.root, path.name):
        raise SpoolError("the episode is in the dataset already")
    if elsewhere := [place for place in spool.places(path.name) if place != path]:
        raise SpoolError(f"the episode is in {elsewhere[0].parent.name}/ already")


def destination(manifest: Manifest) -> str:
    """Return the state that an ended episode belongs in."""
    return "ready" if manifest.verdict == "good" or manifest.accepted else "rejected"


def make_room(spool: SpoolDirectory, free_bytes: int) -> bool:
    """See ``Spool.make_room``."""
    erased = False
    while spool.free_bytes() < free_bytes and (found := listed(spool)):
        if not _erase(spool, found[0]):
            break
        erased = True
    return erased


def tidy(spool: SpoolDirectory) -> None:
    """Erase what is no longer kept; leave errors of the disk to those who need it."""
    with contextlib.suppress(SpoolError, OSError):
        for each in _superfluous(listed(spool), room_is_short=_room_is_short(spool.path)):
            _erase(spool, each)


def _superfluous(found: list[Discarded], *, room_is_short: bool) -> Iterator[Discarded]:
    """Select all takes but the newest; if space is short, all but the last one removed."""
    takes = [each for each in found if each.origin == NEVER_SAVED]
    for each in found[:-1]:
        if room_is_short or each in takes[:-KEPT_TAKES]:
            yield each


def _room_is_short(path: Path) -> bool:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize < min(KEPT_FREE_BYTES, found.f_blocks * found.f_frsize // 10)


def _erase(spool: SpoolDirectory, each: Discarded) -> bool:
    """Erase one; return whether it was still there."""
    with spool.locked():
        moved = spool.to_erasing(each.path) if each.path.is_dir() else None
    if moved is not None:
        spool.finish_erasing(moved)
    return moved is not None

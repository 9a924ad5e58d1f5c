"""Puts in order what dead processes and power cuts have left in a spool."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lerobot_recorder import locks
from lerobot_recorder.dataset import counted_ids, is_journaled
from lerobot_recorder.durable import replace_file
from lerobot_recorder.errors import LockError, RecorderError, SpoolError
from lerobot_recorder.spool.discarded import destination, tidy
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.layout import (
    CLAIM_FILE,
    ERASING,
    ERROR_FILE,
    is_episode_id,
    is_named_after_episode,
    is_only_of_writer,
    is_take,
)
from lerobot_recorder.spool.manifest import MANIFEST_FILE, read_manifest
from lerobot_recorder.spool.records import ROWS_FILE
from lerobot_recorder.spool.recovery import is_passing, recover_take

if TYPE_CHECKING:
    from lerobot_recorder.spool.directory import Spool

_PRECEDENCE = ("ready", "claimed", "committing", "rejected", "failed", "recording", "discarded")
"""Of two copies of an episode the one further left stays; no move that made two was acknowledged."""

logger = logging.getLogger(__name__)


def put_in_order(spool: Spool, *, cut_short: bool) -> list[SpooledEpisode]:
    """See `Spool.recover`."""
    _resolve_copies(spool)
    _leave_out_recorded(spool)
    _recover_claims(spool)
    for path in spool.paths(ERASING):
        if is_named_after_episode(path.name):
            spool.finish_erasing(path)
    found = [path for path in spool.paths("recording") if cut_short or (path / MANIFEST_FILE).exists()]
    recovered = [_recover_recording(spool, path) for path in found if is_take(path)]
    tidy(spool)
    return [episode for episode in recovered if episode is not None and episode.state == "rejected"]


@contextlib.contextmanager
def _one_by_one(path: Path) -> Iterator[None]:
    """Log what hinders one directory, so that the others are put in order all the same."""
    try:
        yield
    except LockError:
        raise
    except (SpoolError, OSError) as error:
        logger.error("%s stays as it is, as it cannot be put in order now: %s", path, error)


# Copies


def _resolve_copies(spool: Spool) -> None:
    """Keep one of each episode.

    Where directories are not written in the order of their changes (FAT, exFAT, network file systems), a
    power cut in the middle of a move can leave an episode in both directories.
    """
    places: dict[str, list[Path]] = {}
    for state in _PRECEDENCE:
        for path in spool.paths(state):
            places.setdefault(path.name, []).append(path)
    for name, copies in places.items():
        if len(copies) > 1 and is_episode_id(name):
            with _one_by_one(copies[0]):
                _keep_one(spool, copies)


def _keep_one(spool: Spool, copies: list[Path]) -> None:
    with spool.locked(), contextlib.ExitStack() as held:
        copies = [path for path in copies if path.is_dir()]
        claims = [path / CLAIM_FILE for path in copies if (path / CLAIM_FILE).exists()]
        abandoned = [held.enter_context(locks.held_unless_taken(claim)) for claim in claims]
        if len(copies) < 2 or not all(abandoned) or any(map(spool.is_certain, copies)):
            return
        kept = next((path for path in copies if _is_readable(path)), copies[0])
        for path in copies:
            if path != kept:
                spool.set_copy_aside(path)
        logger.warning("episode %s was there %d times; %s stays", kept.name, len(copies), kept)


def _is_readable(path: Path) -> bool:
    try:
        read_manifest(path)
    except SpoolError:
        return False
    return True


def _leave_out_recorded(spool: Spool) -> None:
    """Set aside what is in the dataset already, as where a power cut has undone its removal from here."""
    waiting = [path for state in _PRECEDENCE[:3] for path in spool.paths(state)]
    for path in waiting and _recorded(spool, waiting):
        with _one_by_one(path), spool.locked(), locks.held_unless_taken(path / CLAIM_FILE) as abandoned:
            if abandoned and not is_journaled(spool.root, path.name):
                spool.set_copy_aside(path)
                logger.warning("episode %s is in the dataset already and is not added again", path.name)


def _recorded(spool: Spool, waiting: list[Path]) -> list[Path]:
    try:
        recorded = counted_ids(spool.root)
    except (RecorderError, OSError):  # of which the encoder will say more
        return []
    return [path for path in waiting if path.name in recorded]


# Claims


def _recover_claims(spool: Spool) -> None:
    for path in spool.paths("claimed") + spool.paths("committing"):
        with _one_by_one(path), spool.locked(), locks.held_unless_taken(path / CLAIM_FILE) as abandoned:
            if abandoned and not spool.is_certain(path):
                (path / CLAIM_FILE).unlink()
                spool.move(path, "ready")
                logger.info("episode %s goes back to ready: its encoder is gone", path.name)


# Takes


def _recover_recording(spool: Spool, path: Path) -> SpooledEpisode | None:
    with _one_by_one(path), _abandoned_take(spool, path) as abandoned:
        return _place(spool, path) if abandoned else None
    return None


@contextlib.contextmanager
def _abandoned_take(spool: Spool, path: Path) -> Iterator[bool]:
    """Tell whether the take's writer is gone, without disturbing one that is about to lock it."""
    with contextlib.ExitStack() as stack:
        with spool.locked():
            abandoned = stack.enter_context(locks.held_unless_taken(path / ROWS_FILE))
        yield abandoned


def _place(spool: Spool, path: Path) -> SpooledEpisode | None:
    try:
        manifest = recover_take(path)
    except (SpoolError, OSError) as error:
        if is_passing(error):
            raise
        logger.error("the interrupted take %s cannot be read: %s", path.name, error)
        replace_file(path / ERROR_FILE, f"{error}\n".encode())
        return spool.move(path, "failed")
    if manifest is not None:
        return spool.move(path, destination(manifest))
    if is_only_of_writer(path):
        logger.warning("the interrupted take %s ended before its first row and is removed", path.name)
        spool.erase(path)
    else:
        logger.warning("%s is left alone: it has no row, but other files", path)
    return None

"""Cleans up what dead processes and power cuts left behind in a spool."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from lerobot_recorder import locks
from lerobot_recorder.dataset import counted_ids, is_journaled
from lerobot_recorder.durable import move_directory, partial_file, replace_file, sync
from lerobot_recorder.errors import LockError, RecorderError, SpoolError
from lerobot_recorder.spool.directory import CLAIM_FILE, ERASING, PREPARED, SpoolDirectory
from lerobot_recorder.spool.discarded import destination, tidy
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.identifiers import another_name, is_episode_id, is_named_after_episode
from lerobot_recorder.spool.listing import ERROR_FILE, STATES
from lerobot_recorder.spool.manifest import MANIFEST_FILE, read_header, read_manifest
from lerobot_recorder.spool.records import ROWS_FILE
from lerobot_recorder.spool.recovery import (
    has_only_writer_files,
    is_passing,
    is_prepared,
    is_take,
    is_unfinished_import,
    recover_take,
)

_PRECEDENCE = ("ready", "claimed", "committing", "rejected", "failed", "recording", "discarded")
"""If an episode is in two states, the first one here wins; the move that made two was never acknowledged."""

logger = logging.getLogger(__name__)


def put_in_order(spool: SpoolDirectory, *, cut_short: bool) -> list[SpooledEpisode]:
    """See ``Spool.recover``."""
    _recover_prepared(spool)
    _complete_manifests(spool)
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
    """Log an error with one directory, so that the others are still cleaned up."""
    try:
        yield
    except LockError:
        raise
    except (SpoolError, OSError) as error:
        logger.error("cannot clean up %s now, it is left as it is: %s", path, error)


# Starts and saves that were interrupted


def _recover_prepared(spool: SpoolDirectory) -> None:
    """Remove files that no take has used, and put takes in place whose move a power cut undid."""
    for path in spool.paths(PREPARED):
        with _one_by_one(path), contextlib.suppress(FileNotFoundError), spool.locked():
            if is_prepared(path):
                _recover_files(spool, path)


def _recover_files(spool: SpoolDirectory, path: Path) -> None:
    with locks.held_unless_taken(path / ROWS_FILE) as abandoned:
        if abandoned and (path / ROWS_FILE).stat().st_size:
            _move_begun(spool, path)
        elif abandoned:
            shutil.rmtree(path)


def _move_begun(spool: SpoolDirectory, path: Path) -> None:
    episode_id = read_header(path).episode_id
    if spool.places(episode_id):
        move_directory(path, spool.directory("discarded") / another_name(episode_id))
    else:
        move_directory(path, spool.directory("recording") / episode_id)


def _complete_manifests(spool: SpoolDirectory) -> None:
    """Name the manifests that a power cut left under their other name, although the episode had moved.

    They are complete, and so is everything else: an episode moves only after that. In ``recording/``,
    ``recover_take`` checks whether it is so.
    """
    for path in (path for state in STATES if state != "recording" for path in spool.paths(state)):
        manifest = path / MANIFEST_FILE
        if is_episode_id(path.name) and not manifest.exists() and partial_file(manifest).exists():
            with _one_by_one(path), spool.locked():
                partial_file(manifest).replace(manifest)
                sync(path)


# Copies


def _resolve_copies(spool: SpoolDirectory) -> None:
    """Keep one copy of each episode.

    Some file systems (FAT, exFAT, network file systems) do not write directories in the order of their
    changes. There, a power cut during a move can leave an episode in both directories.
    """
    places: dict[str, list[Path]] = {}
    for state in _PRECEDENCE:
        for path in spool.paths(state):
            places.setdefault(path.name, []).append(path)
    for name, copies in places.items():
        if len(copies) > 1 and is_episode_id(name):
            with _one_by_one(copies[0]):
                _keep_one(spool, copies)


def _keep_one(spool: SpoolDirectory, copies: list[Path]) -> None:
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
        logger.warning("found %d copies of episode %s, keeping %s", len(copies), kept.name, kept)


def _is_readable(path: Path) -> bool:
    try:
        read_manifest(path)
    except SpoolError:
        return False
    return True


def _leave_out_recorded(spool: SpoolDirectory) -> None:
    """Set aside episodes that are in the dataset already: a power cut can undo their removal."""
    waiting = [path for state in _PRECEDENCE[:3] for path in spool.paths(state)]
    for path in waiting and _recorded(spool, waiting):
        with _one_by_one(path), spool.locked(), locks.held_unless_taken(path / CLAIM_FILE) as abandoned:
            if abandoned and not is_journaled(spool.root, path.name):
                spool.set_copy_aside(path)
                logger.warning("episode %s is in the dataset already and is not added again", path.name)


def _recorded(spool: SpoolDirectory, waiting: list[Path]) -> list[Path]:
    try:
        recorded = counted_ids(spool.root)
    except (RecorderError, OSError):  # the encoder reports it
        return []
    return [path for path in waiting if path.name in recorded]


# Claims


def _recover_claims(spool: SpoolDirectory) -> None:
    for path in spool.paths("claimed") + spool.paths("committing"):
        with _one_by_one(path), spool.locked(), locks.held_unless_taken(path / CLAIM_FILE) as abandoned:
            if abandoned and not spool.is_certain(path):
                (path / CLAIM_FILE).unlink()
                spool.move(path, "ready")
                logger.info("episode %s goes back to ready: its encoder is gone", path.name)


# Takes


def _recover_recording(spool: SpoolDirectory, path: Path) -> SpooledEpisode | None:
    with _one_by_one(path), _abandoned_take(spool, path) as abandoned:
        return _place(spool, path) if abandoned else None
    return None


@contextlib.contextmanager
def _abandoned_take(spool: SpoolDirectory, path: Path) -> Iterator[bool]:
    """Yield whether the take's writer is gone, without disturbing a writer that is about to lock the take."""
    with contextlib.ExitStack() as stack:
        with spool.locked():
            abandoned = stack.enter_context(locks.held_unless_taken(path / ROWS_FILE))
        yield abandoned


def _place(spool: SpoolDirectory, path: Path) -> SpooledEpisode | None:
    if is_unfinished_import(path):
        logger.info("the interrupted import %s is removed: importing the bag again repeats it", path.name)
        spool.erase(path)
        return None
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
    if has_only_writer_files(path):
        logger.warning("the interrupted take %s ended before its first row and is removed", path.name)
        spool.erase(path)
    else:
        logger.warning("%s is left alone: it has no row, but files that no recorder wrote", path)
    return None

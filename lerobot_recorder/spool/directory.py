"""The spool of one dataset: its states, and every move of an episode between them."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from lerobot_recorder import locks
from lerobot_recorder.dataset import is_journaled, recorded_ids, spool_path
from lerobot_recorder.durable import make_private_directory, move_directory, replace_file
from lerobot_recorder.errors import LockError, SpoolError
from lerobot_recorder.locks import FileLock
from lerobot_recorder.spool.discarded import bring_back, make_room, note_origin, tidy
from lerobot_recorder.spool.disk_errors import disk_errors
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.layout import (
    CLAIM_FILE,
    ERASING,
    ERROR_FILE,
    LAST_ID_FILE,
    LOCK_FILE,
    STATES,
    another_name,
    new_episode_id,
    newest_of,
)
from lerobot_recorder.spool.manifest import MANIFEST_FILE, Manifest, read_manifest, to_json
from lerobot_recorder.spool.restart import put_in_order

_TAKEN_BACK_FROM = ("ready", "claimed", "rejected")
_MARKED_IN = ("ready", "claimed", "rejected", "failed")

logger = logging.getLogger(__name__)


class Spool:
    """The spool beside a dataset.

    Any number of processes may use it at once. Moves are renames under a lock that no process keeps
    when it dies; a claim is a lock likewise. All calls touch the disk.

    Attributes:
        root: the dataset's directory.
        path: the spool's directory, `<root>.spool`.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.path = spool_path(self.root)
        self._claims: dict[str, FileLock] = {}
        self._last_id = ""
        self._orders: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up this object's claims; the next `recover` moves the episodes back to `ready/`."""
        for episode_id in list(self._claims):
            self._unlock_claim(episode_id)

    def directory(self, state: str) -> Path:
        """Name the directory of a state."""
        return self.path / state

    def create(self) -> None:
        """Create the directories that are missing; only their owner may enter them.

        Raises:
            OSError: they cannot be created.
        """
        make_private_directory(self.path)
        for state in (*STATES, ERASING):
            make_private_directory(self.directory(state))

    def require(self) -> None:
        """Create the spool where it is missing.

        Raises:
            SpoolError: no spool can be there, or this user may not write it.
        """
        try:
            self.create()
            with self.locked():
                return
        except LockError:
            raise
        except OSError as error:
            raise SpoolError(
                f"{self.path} cannot be written: {error.strerror} ({error.filename}); choose another root"
            ) from error

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock that every move takes; a dead process does not keep it.

        Raises:
            LockError: another process keeps it for too long.
        """
        make_private_directory(self.path)
        return locks.held(self.path / LOCK_FILE)

    def lock_recorder(self, name: str = "") -> FileLock:
        """Keep other recorders of a name from recording everything a second time.

        Args:
            name: of the recorder, as `/left/recorder`; those of other names may record at the same time.

        Raises:
            LockError: another recorder of that name has the lock.
            SpoolError: the lock cannot be taken.
        """
        path = self.path / f"recorder{name.replace('/', '.')}.lock"
        with disk_errors(self.path):
            try:
                return FileLock(path, wait_s=0)
            except LockError as error:
                raise LockError(
                    f"{self.root}: another recorder is recording into this dataset ({error}). To record with "
                    "both, give one another name: a namespace for a node, name= in Python"
                ) from error

    def new_episode_id(self) -> str:
        """Make an identifier that is greater than all before, also where the clock was set back.

        Raises:
            SpoolError: the spool cannot be read or written.
        """
        with self._moving():
            return self._next_id()

    def _next_id(self) -> str:
        self._last_id = new_episode_id(after=newest_of(self._known_ids()))
        # Beside the names in the spool, it remembers those that have left it.
        with contextlib.suppress(OSError):
            (self.path / LAST_ID_FILE).write_text(self._last_id)
        return self._last_id

    def _known_ids(self) -> set[str]:
        known = {self._last_id, *self._noted_id(), *self._names()}
        if not self._last_id:
            with contextlib.suppress(OSError):
                known |= recorded_ids(self.root)
        return known

    def _names(self) -> Iterator[str]:
        for state in STATES:
            with contextlib.suppress(FileNotFoundError), os.scandir(self.directory(state)) as entries:
                yield from (entry.name for entry in entries)

    def _noted_id(self) -> list[str]:
        try:
            return [(self.path / LAST_ID_FILE).read_text(errors="replace").strip()]
        except OSError:
            return []

    # Looking

    def ready(self) -> list[SpooledEpisode]:
        """List the episodes that wait for an encoder, in the order in which they ended."""
        return self._list("ready")

    def claimed(self) -> list[SpooledEpisode]:
        """List the episodes that an encoder has, in the order in which they ended."""
        return self._list("claimed", "committing")

    def waiting(self) -> list[SpooledEpisode]:
        """List the episodes that are not in the dataset yet, in the order in which they ended."""
        return self._list("ready", "claimed", "committing")

    def rejected(self) -> list[SpooledEpisode]:
        """List the bad and interrupted takes, in the order in which they ended."""
        return self._list("rejected")

    def failed(self) -> list[SpooledEpisode]:
        """List the episodes that an encoder could not use, in the order in which they ended."""
        return self._list("failed")

    def find(self, episode_id: str) -> SpooledEpisode | None:
        """Find an episode in whatever state it is; None where the spool does not have it."""
        return next(map(SpooledEpisode, self.places(episode_id)), None)

    def error(self, episode: SpooledEpisode) -> str:
        """Read why an episode failed; empty where nothing is known."""
        try:
            return (episode.path / ERROR_FILE).read_text().strip()
        except OSError:
            return ""

    def free_bytes(self) -> int:
        """Return the room left on the spool's filesystem for this user.

        Raises:
            SpoolError: it cannot be asked.
        """
        existing = self.path
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        try:
            found = os.statvfs(existing)
        except OSError as error:
            raise SpoolError(f"the room left on {existing} cannot be read: {error.strerror}") from error
        return found.f_bavail * found.f_frsize

    def size_bytes(self, state: str) -> int:
        """Add up what the episodes of a state hold on disk."""
        total = 0
        for episode in self._list(state):
            with contextlib.suppress(FileNotFoundError):
                total += episode.size_bytes()
        return total

    # The encoder's moves

    def claim(self, episode: SpooledEpisode) -> SpooledEpisode | None:
        """Take a ready episode for this process.

        Returns:
            The episode at its new place, or None where another process was faster.

        Raises:
            OSError: its claim cannot be written; it waits as before.
        """
        waiting = self.directory("ready") / episode.episode_id
        target = self.directory("claimed") / episode.episode_id
        with self.locked():
            if not waiting.is_dir():
                return None
            # A claim that was given up with the episode may still be locked; this one is a new file.
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
        """Give a claimed episode back to `ready/`; nothing happens where it was taken back meanwhile.

        An episode of an unfinished commit stays in `committing/`, where nobody deletes or encodes it.

        Returns:
            Whether it waits in `ready/` again.
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

        Read `manifest.success` from what is returned, as it may have been marked since the claim.

        Returns:
            The episode at its new place, or None where the operator took it back: it must not be committed.
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
        """Set a claimed episode aside in `failed/` with the reason.

        Returns:
            The episode at its new place, or None where it was taken back meanwhile.
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
        """Remove episodes that are in the dataset, wherever they are; no power cut brings them back."""
        with self.locked():
            moved = [self.to_erasing(path) for each in episode_ids for path in self.places(each)]
            for episode_id in episode_ids:
                self._unlock_claim(episode_id)
        for path in moved:
            self.finish_erasing(path)

    def remove(self, episode: SpooledEpisode) -> None:
        """Remove an episode that is in the dataset."""
        self.forget([episode.episode_id])

    # The operator's moves

    def accept(self, episode_id: str | None = None) -> SpooledEpisode:
        """Move a rejected take to `ready/`, in spite of its verdict.

        Args:
            episode_id: which; the last one by default.

        Raises:
            SpoolError: there is no such take, or it cannot be moved.
        """
        with self._moving():
            episode = self._pick(episode_id, ("rejected",), "no rejected take to accept")
            manifest = replace(read_manifest(episode.path), accepted=True)
            self._rewrite(episode.path, manifest)
            return SpooledEpisode(self.move(episode.path, "ready").path, manifest)

    def retry(self, episode_id: str | None = None) -> SpooledEpisode:
        """Hand a failed episode to the encoder again.

        Args:
            episode_id: which; the last one by default.

        Raises:
            SpoolError: there is no such episode, or it cannot be moved.
        """
        with self._moving():
            episode = self._pick(episode_id, ("failed",), "no failed episode to try again")
            moved = self.move(episode.path, "ready")
            (moved.path / ERROR_FILE).unlink(missing_ok=True)
            return moved

    def delete_last(self, episode_id: str | None = None) -> str:
        """Take back the last episode that was saved, as long as it is not in the dataset.

        It stays in `discarded/` while there is room, so that `undo_delete` can bring it back.

        Args:
            episode_id: take back this one, also from `rejected/`.

        Returns:
            The identifier of the removed episode.

        Raises:
            SpoolError: there is none, it is already in the dataset, or it cannot be moved.
        """
        with self._moving():
            states = _TAKEN_BACK_FROM if episode_id else ("ready", "claimed")
            episode = self._pick(episode_id, states, "no episode that could be taken back")
            self._discard(episode.path)
        tidy(self)
        return episode.episode_id

    def discard(self, take: Path, manifest: Manifest) -> None:
        """Move a take that was never saved to `discarded/`, where the newest few stay.

        Args:
            take: its directory in `recording/`.
            manifest: what holds if it is brought back; in `recording/` it would make the take a saved one.

        Raises:
            SpoolError: it cannot be moved.
        """
        with self._moving():
            moved = self._discard(take)
            with contextlib.suppress(OSError):  # without a manifest it cannot be brought back
                (moved / MANIFEST_FILE).write_bytes(to_json(manifest))
        tidy(self)

    def undo_delete(self, episode_id: str | None = None) -> SpooledEpisode:
        """Bring back what was removed last: a deleted episode, or a take that was discarded.

        An episode returns to the state that it was in; a take to where saving it would have put it.

        Args:
            episode_id: which; the last one by default.

        Raises:
            SpoolError: there is none, it is damaged, or it is in the dataset; or it cannot be moved.
        """
        with self._moving():
            return bring_back(self, episode_id)

    def make_room(self, free_bytes: int) -> bool:
        """Erase what was discarded, the oldest first, until so much is free on the file system.

        Returns:
            Whether anything was erased.

        Raises:
            SpoolError: the room cannot be read.
        """
        return make_room(self, free_bytes)

    def mark_success(self, success: bool, episode_id: str | None = None) -> str:
        """Note in a spooled episode's manifest whether it shows a success.

        Args:
            success: the operator's mark.
            episode_id: which; the last one by default.

        Returns:
            The identifier of the marked episode.

        Raises:
            SpoolError: there is none, it is already in the dataset, or it cannot be written.
        """
        with self._moving():
            episode = self._pick(episode_id, _MARKED_IN, "no episode that could be marked")
            self._rewrite(episode.path, replace(read_manifest(episode.path), success=success))
        return episode.episode_id

    # After a crash

    def recover(self, *, cut_short: bool = True) -> list[SpooledEpisode]:
        """Put in order what dead processes left behind; what a live one holds is left alone.

        A commit that was cut short must be finished first, or its episodes would be encoded again.
        A claimed episode goes back to `ready/`; an interrupted take is cut to its last whole row and
        offered in `rejected/`, one that had been saved completely goes where it was going. Of an episode that
        a power cut has left in two states one copy stays. Half-done removals are finished.

        Args:
            cut_short: whether to look for takes that were cut short, too. An encoder leaves these to whoever
                records next, and can tell of them.

        Returns:
            The takes that are now in `rejected/`.

        Raises:
            LockError: another process keeps a lock for too long.
        """
        return put_in_order(self, cut_short=cut_short) if self.path.is_dir() else []

    # Moving

    def _list(self, *states: str) -> list[SpooledEpisode]:
        found = [(order, path) for state in states for order, path in self._ordered(state)]
        return [SpooledEpisode(path) for _, path in sorted(found, key=lambda each: (each[0], each[1].name))]

    def _ordered(self, state: str) -> list[tuple[str, Path]]:
        """Find the episodes of a state and what sorts them, which is read only once of each."""
        paths, known = self.paths(state), self._orders.get(state, {})
        orders = {path.name: known.get(path.name) or _order(path) for path in paths}
        self._orders[state] = orders
        return [(orders[path.name], path) for path in paths]

    def paths(self, state: str) -> list[Path]:
        """List the directories in a state, whatever they hold, sorted by their names."""
        directory = self.directory(state)
        try:
            with os.scandir(directory) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [directory / name for name in names]

    def is_certain(self, held: Path) -> bool:
        """Tell whether a commit that was interrupted will put the episode into the dataset."""
        return held.parent.name == "committing" and is_journaled(self.root, held.name)

    def _held(self, episode_id: str) -> Path | None:
        """Find an episode that this object has claimed; None where it was taken back, whoever has it now."""
        claim = self._claims.get(episode_id)
        for state in ("claimed", "committing"):
            path = self.directory(state) / episode_id
            if claim is not None and claim.is_on(path / CLAIM_FILE):
                return path
        return None

    def _pick(self, episode_id: str | None, states: tuple[str, ...], nothing: str) -> SpooledEpisode:
        candidates = self._list(*states)
        if episode_id is None:
            if not candidates:
                raise SpoolError(f"there is {nothing} in {self.path}")
            return candidates[-1]
        for episode in candidates:
            if episode.episode_id == episode_id:
                return episode
        raise SpoolError(self._whereabouts(episode_id, nothing))

    def _whereabouts(self, episode_id: str, nothing: str) -> str:
        found = self.find(episode_id)
        if found is None:
            return f"episode {episode_id} is not in the spool: it is in the dataset already, or was discarded"
        if found.state == "discarded":
            return f"episode {episode_id} is deleted; undo_delete brings it back"
        if found.state == "committing":
            return f"episode {episode_id} is being added to the dataset"
        return f"there is {nothing}: episode {episode_id} is in {found.path.parent}"

    @contextlib.contextmanager
    def _moving(self) -> Iterator[None]:
        with disk_errors(self.path), self.locked():
            yield

    def move(self, path: Path, state: str) -> SpooledEpisode:
        """Move an episode's directory to another state; for the holder of the lock.

        Raises:
            OSError: it cannot be moved.
        """
        target = self.directory(state) / path.name
        make_private_directory(target.parent)
        move_directory(path, target)
        return SpooledEpisode(target)

    def _discard(self, path: Path) -> Path:
        note_origin(path, path.parent.name, self._next_id())
        self.set_copy_aside(self.directory("discarded") / path.name)
        moved = self.move(path, "discarded")
        # The encoder that had it must not be able to hold it up when it is brought back.
        (moved.path / CLAIM_FILE).unlink(missing_ok=True)
        return moved.path

    def set_copy_aside(self, path: Path) -> None:
        """Move a superfluous copy of an episode to `discarded/`, for good; nothing happens without one.

        Raises:
            OSError: it cannot be moved.
        """
        if path.is_dir():
            move_directory(path, self.directory("discarded") / another_name(path.name))

    def erase(self, path: Path) -> None:
        """Remove an episode's directory in two steps, so that no half of it is ever taken for an episode."""
        with self.locked():
            moved = self.to_erasing(path)
        self.finish_erasing(moved)

    def to_erasing(self, path: Path) -> Path:
        """Take the first step of erasing; for the holder of the lock.

        Raises:
            OSError: the directory cannot be moved.
        """
        target = self.directory(ERASING) / another_name(path.name)
        make_private_directory(target.parent)
        move_directory(path, target)
        return target

    @staticmethod
    def finish_erasing(path: Path) -> None:
        """Remove a directory in `erasing/`, as far as possible; the next `recover` removes the rest."""
        shutil.rmtree(path, ignore_errors=True)

    def places(self, episode_id: str) -> list[Path]:
        """List the directories of an episode, of which a power cut may have left two."""
        places = [self.directory(state) / episode_id for state in STATES]
        return [path for path in places if path.is_dir()]

    def _rewrite(self, path: Path, manifest: Manifest) -> None:
        replace_file(path / MANIFEST_FILE, to_json(manifest))

    def _unlock_claim(self, episode_id: str) -> None:
        claim = self._claims.pop(episode_id, None)
        if claim is not None:
            claim.release()


def _order(path: Path) -> str:
    """Return what sorts an episode by its end; one that cannot be read is never the last."""
    try:
        return read_manifest(path).order
    except SpoolError:
        return ""

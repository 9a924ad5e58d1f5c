"""Which episodes a spool holds, in which state."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from lerobot_recorder.dataset import counted_ids, is_journaled, load_info, spool_path
from lerobot_recorder.durable import nearest_existing
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool.episode import SpooledEpisode
from lerobot_recorder.spool.manifest import read_manifest

STATES = ("recording", "ready", "claimed", "committing", "rejected", "failed", "discarded")
ERROR_FILE = "error.txt"


class SpoolListing:
    """The episodes of a spool, one directory per state; this part changes nothing.

    Attributes:
        root: the dataset's directory
        path: the spool's directory, ``<root>.spool``
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.path = spool_path(self.root)
        self._orders: dict[str, dict[str, str]] = {}

    def directory(self, state: str) -> Path:
        """Return the directory of a state."""
        return self.path / state

    def ready(self) -> list[SpooledEpisode]:
        """List the episodes that wait for an encoder, in the order in which they ended."""
        return self.episodes("ready")

    def claimed(self) -> list[SpooledEpisode]:
        """List the episodes that an encoder has, in the order in which they ended."""
        return self.episodes("claimed", "committing")

    def waiting(self) -> list[SpooledEpisode]:
        """List the episodes that are not in the dataset yet, in the order in which they ended."""
        return self.episodes("ready", "claimed", "committing")

    def next_index(self, waiting: Iterable[SpooledEpisode]) -> int:
        """Return the number in the dataset that an episode after the waiting ones gets.

        Raises:
            DatasetError: the dataset cannot be read.
        """
        ids = {episode.episode_id for episode in waiting}
        info = load_info(self.root)
        if info is None:
            return len(ids)
        return info.total_episodes + len(ids - counted_ids(self.root) if ids else ids)

    def rejected(self) -> list[SpooledEpisode]:
        """List the bad and interrupted takes, in the order in which they ended."""
        return self.episodes("rejected")

    def failed(self) -> list[SpooledEpisode]:
        """List the episodes that an encoder could not use, in the order in which they ended."""
        return self.episodes("failed")

    def find(self, episode_id: str) -> SpooledEpisode | None:
        """Find an episode in any state; None if the spool does not have it."""
        return next(map(SpooledEpisode, self.places(episode_id)), None)

    def error(self, episode: SpooledEpisode) -> str:
        """Read why an episode failed; empty if there is no reason on disk."""
        try:
            return (episode.path / ERROR_FILE).read_text().strip()
        except OSError:
            return ""

    def episodes(self, *states: str) -> list[SpooledEpisode]:
        """List the episodes of some states, in the order in which they ended."""
        found = [(order, path) for state in states for order, path in self._ordered(state)]
        return [SpooledEpisode(path) for _, path in sorted(found, key=lambda each: (each[0], each[1].name))]

    def _ordered(self, state: str) -> list[tuple[str, Path]]:
        """Find the episodes of a state with their sort keys, which are read once per episode."""
        paths, known = self.paths(state), self._orders.get(state, {})
        orders = {path.name: known.get(path.name) or _order(path) for path in paths}
        self._orders[state] = orders
        return [(orders[path.name], path) for path in paths]

    def paths(self, state: str) -> list[Path]:
        """List all directories in a state, sorted by name."""
        directory = self.directory(state)
        try:
            with os.scandir(directory) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [directory / name for name in names]

    def places(self, episode_id: str) -> list[Path]:
        """List the directories of an episode; a power cut may have left two."""
        places = [self.directory(state) / episode_id for state in STATES]
        return [path for path in places if path.is_dir()]

    def is_certain(self, path: Path) -> bool:
        """Return whether the journal of an interrupted commit will put this episode into the dataset."""
        return path.parent.name == "committing" and is_journaled(self.root, path.name)

    def free_bytes(self) -> int:
        """Return the free space on the spool's file system for this user.

        Raises:
            SpoolError: it cannot be read.
        """
        existing = nearest_existing(self.path)
        try:
            found = os.statvfs(existing)
        except OSError as error:
            raise SpoolError(f"cannot read the free space on {existing}: {error.strerror}") from error
        return found.f_bavail * found.f_frsize


def _order(path: Path) -> str:
    """Return the sort key of an episode; one that cannot be read is never the last."""
    try:
        return read_manifest(path).order
    except SpoolError:
        return ""

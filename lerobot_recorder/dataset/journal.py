"""The redo log of a commit: what is prepared beside the dataset, and the renames that put it in.

::

    <root>.spool/commit/
      lock           held by the process that commits
      journal.json   from here on the commit will be finished, by whoever finds it
      staged/        the new files, at the paths that they will have in the dataset

A commit without a journal has not happened: what is staged is dropped. With a journal it has happened, and
every step after it can be repeated: renames that are done are skipped.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lerobot_recorder.dataset.episode import CommittedEpisode
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.layout import commit_path
from lerobot_recorder.durable import make_directory, replace_file, sync, sync_tree
from lerobot_recorder.errors import DatasetError

WHOLE_DATASET = "."
"""The path under which a new dataset is put in place, by one rename of its directory."""

Forget = Callable[[Sequence[str]], None]
"""Removes spooled episodes that are in the dataset; those that are gone already are no error."""


@dataclass(frozen=True)
class Journal:
    """A commit that is to be finished.

    Attributes:
        episodes: What it puts into the dataset, at least one episode.
        paths: What is to be renamed, in this order: paths below ``staged/`` and below the root alike.
    """

    episodes: tuple[CommittedEpisode, ...]
    paths: tuple[str, ...]

    @property
    def episode_ids(self) -> list[str]:
        """The names of the episodes in the spool."""
        return [episode.episode_id for episode in self.episodes]


def journal_path(root: Path) -> Path:
    """Return where the journal of an unfinished commit is."""
    return commit_path(root) / "journal.json"


def staged_path(root: Path) -> Path:
    """Return the directory in which the new files of a commit are prepared."""
    return commit_path(root) / "staged"


def start_staging(root: Path) -> Path:
    """Make an empty directory for new files, dropping what a commit that did not happen has left.

    Raises:
        DatasetError: Files cannot be renamed from there into the dataset.
    """
    staged = staged_path(root)
    drop_staged(root)
    make_directory(staged)
    check_filesystem(root)
    return staged


def check_filesystem(root: Path) -> None:
    """Refuse a dataset that files beside it cannot be renamed into.

    Raises:
        DatasetError: it is on another filesystem.
    """
    beside = commit_path(root)
    if nearest_existing(root.resolve()).stat().st_dev != nearest_existing(beside).stat().st_dev:
        raise DatasetError(
            f"{root}: is on another filesystem than {beside}, files cannot be renamed from there. "
            f"Use a root whose parent directory is on the same filesystem, as {root.resolve()} itself."
        )


def nearest_existing(path: Path) -> Path:
    """Return a path, or the nearest directory above it that exists."""
    while not path.exists():
        path = path.parent
    return path


def drop_staged(root: Path) -> None:
    """Remove what is staged."""
    if staged_path(root).exists():
        shutil.rmtree(staged_path(root))


def write_journal(root: Path, journal: Journal) -> None:
    """Make the commit certain: write through what is staged, then the journal."""
    sync_tree(staged_path(root))
    replace_file(journal_path(root), json.dumps(dataclasses.asdict(journal), indent=1).encode())


def read_journal(root: Path) -> Journal | None:
    """Read the journal of an unfinished commit; None where there is none.

    Raises:
        DatasetError: It cannot be understood.
    """
    path = journal_path(root)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        episodes = tuple(CommittedEpisode(**episode) for episode in content["episodes"])
        return _checked(Journal(episodes, tuple(content["paths"])))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise DatasetError(f"{path}: not the journal of a commit: {error!r}. {_way_out(path)}") from error


def _checked(journal: Journal) -> Journal:
    """Refuse what no commit has written, such as a path that leads out of the dataset.

    Raises:
        ValueError: an entry is missing or not as expected.
    """
    if not journal.episodes or not journal.paths:
        raise ValueError("expected at least one episode and one path")
    for episode in journal.episodes:
        if not all(isinstance(each, int) for each in (episode.episode_index, episode.length)):
            raise ValueError(f"expected numbers of episodes and rows, found {episode}")
    for path in map(PurePosixPath, journal.paths):
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"expected paths in the dataset, found {path}")
    return journal


def is_journaled(root: Path, episode_id: str) -> bool:
    """Tell whether an unfinished commit will put this episode into the dataset.

    Such an episode must stay where it is: whoever encodes it again, or deletes it, would later find it in the
    dataset. A journal that cannot be read may name any episode.
    """
    try:
        journal = read_journal(root)
    except (DatasetError, OSError):
        return True
    return journal is not None and episode_id in journal.episode_ids


def finish(root: Path, journal: Journal, forget: Forget) -> None:
    """Do what is left of a commit, from any point at which it was stopped.

    Raises:
        DatasetError: The dataset is no longer the one that the commit was made for.
    """
    pending = [path for path in journal.paths if (staged_path(root) / path).exists()]
    if pending:
        _check_unchanged(root, journal, pending)
    for path in journal.paths:
        _put_in_place(root, path)
    forget(journal.episode_ids)
    journal_path(root).unlink()
    sync(commit_path(root))
    drop_staged(root)


def _check_unchanged(root: Path, journal: Journal, pending: Sequence[str]) -> None:
    """Make sure that nobody else has changed the dataset since; ``info.json`` comes last and tells."""
    info = load_info(root)
    found = info.total_episodes if info else 0
    is_done = journal.paths[-1] not in pending
    expected = journal.episodes[-1].episode_index + 1 if is_done else journal.episodes[0].episode_index
    if found != expected:
        raise DatasetError(
            f"{root}: the unfinished commit expects {expected} episodes in it, found {found}: "
            f"it was changed since. {_way_out(journal_path(root))}"
        )


def _put_in_place(root: Path, path: str) -> None:
    source, target = staged_path(root) / path, root.resolve() / path
    if source.exists():
        make_directory(target.parent)
        source.rename(target)
        sync(target.parent)
    elif not target.exists():
        raise DatasetError(
            f"{target}: neither in the dataset nor in {staged_path(root)}. {_way_out(journal_path(root))}"
        )


def _way_out(path: Path) -> str:
    return (
        f"Remove {path} to give that commit up; episodes that are still in the spool will be encoded again."
    )

"""The redo log of a commit: new files are staged beside the dataset, then renamed into it.

::

    <root>.spool/commit/
      lock           held by the process that commits
      journal.json   once it exists, the commit will be finished by any process that finds it
      staged/        the new files, at their paths in the dataset

Without a journal the commit has not happened, and staged files are dropped. With a journal it has happened,
and every later step can be repeated: renames that are done are skipped.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lerobot_recorder.dataset.episode import EpisodePlace
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.layout import INFO_PATH, commit_path
from lerobot_recorder.durable import make_directory, nearest_existing, replace_file, sync, sync_tree
from lerobot_recorder.errors import DatasetError

WHOLE_DATASET = "."
"""The path of a new dataset in a journal: its whole directory is renamed at once."""

Forget = Callable[[Sequence[str]], None]
"""Removes spooled episodes that are in the dataset, by identifier; missing ones are no error."""


@dataclass(frozen=True)
class Journal:
    """A commit to finish.

    Attributes:
        episodes: the episodes that it adds to the dataset, at least one.
        paths: the files to rename, in this order; relative to ``staged/`` and to the dataset.
    """

    episodes: tuple[EpisodePlace, ...]
    paths: tuple[str, ...]

    @property
    def episode_ids(self) -> list[str]:
        """The identifiers of the episodes."""
        return [episode.episode_id for episode in self.episodes]


def journal_path(root: Path) -> Path:
    """Return the path of the journal."""
    return commit_path(root) / "journal.json"


def staged_path(root: Path) -> Path:
    """Return the directory of the staged files."""
    return commit_path(root) / "staged"


def start_staging(root: Path) -> Path:
    """Create an empty directory for new files; drop the files of a commit that did not happen.

    Raises:
        DatasetError: files cannot be renamed from there into the dataset.
    """
    staged = staged_path(root)
    drop_staged(root)
    make_directory(staged)
    check_filesystem(root)
    return staged


def check_filesystem(root: Path) -> None:
    """Check that files beside the dataset can be renamed into it.

    Raises:
        DatasetError: the dataset is on another filesystem.
    """
    beside = commit_path(root)
    if nearest_existing(root.resolve()).stat().st_dev != nearest_existing(beside).stat().st_dev:
        raise DatasetError(
            f"{root}: is on another filesystem than {beside}, so files cannot be renamed from there; "
            f"use a root whose parent directory is on the same filesystem, such as {root.resolve()} itself"
        )


def drop_staged(root: Path) -> None:
    """Remove the staged files."""
    if staged_path(root).exists():
        shutil.rmtree(staged_path(root))


def write_journal(root: Path, journal: Journal) -> None:
    """Make the commit certain: sync the staged files, then write the journal."""
    sync_tree(staged_path(root))
    replace_file(journal_path(root), json.dumps(dataclasses.asdict(journal), indent=1).encode())


def read_journal(root: Path) -> Journal | None:
    """Read the journal of an unfinished commit; None if there is none.

    Raises:
        DatasetError: it is damaged.
    """
    path = journal_path(root)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        episodes = tuple(EpisodePlace(**episode) for episode in content["episodes"])
        return _checked(Journal(episodes, tuple(content["paths"])))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise DatasetError(f"{path}: not the journal of a commit: {error!r}. {_way_out(path)}") from error


def _checked(journal: Journal) -> Journal:
    """Refuse a journal that no commit wrote, for example with a path that leads out of the dataset.

    Raises:
        ValueError: an entry is missing or invalid.
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


def has_unfinished_commit(root: Path) -> bool:
    """Return whether a commit was interrupted; the next one finishes it."""
    return journal_path(root).exists()


def is_journaled(root: Path, episode_id: str) -> bool:
    """Return whether an unfinished commit will add this episode to the dataset.

    Such an episode must not be encoded again or deleted. A journal that cannot be read may name any episode.
    """
    try:
        journal = read_journal(root)
    except (DatasetError, OSError):
        return True
    return journal is not None and episode_id in journal.episode_ids


def finish(root: Path, journal: Journal, forget: Forget) -> None:
    """Do the remaining steps of a commit, wherever it was interrupted.

    Args:
        root: the dataset's directory.
        journal: the commit.
        forget: removes spooled episodes that are in the dataset.

    Raises:
        DatasetError: the dataset was changed since the commit was prepared.
    """
    pending = [path for path in journal.paths if (staged_path(root) / path).exists()]
    is_done = journal.paths[-1] not in pending or _has_staged_info(root)
    if pending:
        _check_unchanged(root, journal, is_done=is_done)
    for path in journal.paths:
        _put_in_place(root, path, is_done=is_done)
    forget(journal.episode_ids)
    journal_path(root).unlink()
    sync(commit_path(root))
    drop_staged(root)


def _has_staged_info(root: Path) -> bool:
    """Return whether the dataset has the new ``info.json`` although the staged one is still there.

    Some file systems (FAT, exFAT, network ones) may bring the old name of a renamed file back after a power
    cut.
    """
    staged, present = staged_path(root) / INFO_PATH, root / INFO_PATH
    return staged.is_file() and present.is_file() and staged.read_bytes() == present.read_bytes()


def _check_unchanged(root: Path, journal: Journal, *, is_done: bool) -> None:
    """Check that the dataset was not changed since; ``info.json``, which is renamed last, shows it."""
    info = load_info(root)
    found = info.total_episodes if info else 0
    expected = journal.episodes[-1].episode_index + 1 if is_done else journal.episodes[0].episode_index
    if found != expected:
        raise DatasetError(
            f"{root}: the unfinished commit expects {expected} episodes, found {found}: the dataset was "
            f"changed since. {_way_out(journal_path(root))}"
        )


def _put_in_place(root: Path, path: str, *, is_done: bool) -> None:
    source, target = staged_path(root) / path, root.resolve() / path
    if is_done and target.exists():
        return
    if source.exists():
        make_directory(target.parent)
        source.rename(target)
        sync(target.parent)
    elif not target.exists():
        raise DatasetError(
            f"{target}: neither in the dataset nor in {staged_path(root)}. {_way_out(journal_path(root))}"
        )


def _way_out(path: Path) -> str:
    return f"Remove {path} to give up that commit; episodes that are still in the spool are encoded again"

"""Finds out whether a dataset can be appended to, before anything is recorded for it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from lerobot_recorder.dataset import journal, recordings
from lerobot_recorder.dataset.existing import explained, read_existing
from lerobot_recorder.dataset.features import unsupported
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.layout import commit_path
from lerobot_recorder.errors import DatasetError, DatasetMismatchError


def check_appendable(root: Path) -> None:
    """Check, without changing anything, that a commit could add episodes to the dataset at ``root``.

    It reads what a commit reads: the descriptions and the last files. Where another process commits at this
    moment, or a commit waits to be finished, these are left to the commit. `check_fits` compares the dataset
    with what will be recorded.

    Args:
        root: the dataset's directory; it need not exist yet.

    Raises:
        DatasetError: it cannot be appended to; the message names the file and the way out.
    """
    root = Path(root).absolute()
    with explained(root):
        journal.check_filesystem(root)
        _check_writable(root)
        with _between_commits(root) as quiet:
            if quiet and journal.read_journal(root) is None:
                _check_content(root)


def _check_content(root: Path) -> None:
    info = load_info(root)
    if info is None:
        return
    if faults := unsupported(info.features):
        raise DatasetMismatchError(
            f"{root}: cannot be appended to: {'; '.join(faults)}. Record to another root."
        )
    existing = read_existing(root, info)
    ages = existing.layout.ages_file(recordings.ages_index(info.total_episodes))
    if ages.is_file():
        recordings.count_ages(ages)


def _check_writable(root: Path) -> None:
    for path in (root, root / "meta", root / "data", root / "videos"):
        target = journal.nearest_existing(path)
        if not os.access(target, os.W_OK | os.X_OK):
            raise DatasetError(
                f"{target}: no permission to write there, so no episode can be added to {root}. "
                "Change its owner or mode, or choose another root."
            )


@contextlib.contextmanager
def _between_commits(root: Path) -> Iterator[bool]:
    """Keep commits from starting; yields whether none is running."""
    lock = commit_path(root) / "lock"
    if not lock.exists():
        yield True
        return
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True

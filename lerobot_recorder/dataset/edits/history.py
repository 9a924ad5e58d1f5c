"""Puts an edited dataset in the place of the old one, and keeps the old one for undo.

::

    <root>.spool/edits/<number>/
      edit.json    what was done; written before the exchange
      files.json   the files as the edit, and commits since, have left them; see `known_files`
      new/         the edited dataset, until it is exchanged with the one at ``root``
      old/         after the exchange: the dataset before the edit

The exchange is one ``renameat2``, so readers find the old or the new dataset at every instant. An edited
dataset names its edit in ``meta/recordings/edit.json``, which shows whether the exchange has happened.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lerobot_recorder.dataset.edits.known_files import KnownFiles
from lerobot_recorder.dataset.layout import spool_path
from lerobot_recorder.durable import make_private_directory, partial_file, replace_file, sync, sync_tree
from lerobot_recorder.errors import DatasetError

logger = logging.getLogger(__name__)

_TOKEN = "meta/recordings/edit.json"
_EXCHANGE = 2
"""``RENAME_EXCHANGE`` of Linux."""
_HERE = -100
"""``AT_FDCWD``: paths are relative to the working directory."""
_WITHOUT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""The file system, or the system, cannot exchange two directories."""


@dataclass(frozen=True)
class Edit:
    """An edit of a dataset.

    Attributes:
        number: counts up from 1.
        what: what was done, in words.
        episodes: episodes before the edit.
        episodes_after: episodes after it.
        token: names the edit in the edited dataset.
        at: when it was done, ISO 8601.
        episode_id: the episode that a recorder's operator has deleted by it; empty otherwise.
        order: an identifier that sorts it among what the operator has deleted from the spool.
    """

    number: int
    what: str
    episodes: int
    episodes_after: int
    token: str
    at: str
    episode_id: str = ""
    order: str = ""


class History:
    """The edits of the dataset at ``root`` that can be undone.

    All methods need the lock of the dataset's commits.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).resolve()
        self._directory = spool_path(self.root) / "edits"

    def recover(self) -> None:
        """Finish or drop an edit, or an undo, that was interrupted.

        Raises:
            OSError: a directory cannot be renamed or removed.
        """
        for number in self._numbers():
            self._recover(self._directory / str(number))

    def _recover(self, directory: Path) -> None:
        _finish_slow_exchange(self.root, directory)
        edit, new, old = _read(directory / "edit.json"), directory / "new", directory / "old"
        is_done = edit is not None and _token(self.root) == edit.get("token")
        if (directory / "undo.json").exists():
            if not is_done:
                self._remove(directory)
                return
            (directory / "undo.json").unlink()
        shutil.rmtree(directory / "restored", ignore_errors=True)
        for name in ("undo.json", "files.json"):
            partial_file(directory / name).unlink(missing_ok=True)
        if old.is_dir() and (directory / "edit.json").exists():
            return
        if is_done and new.is_dir():
            new.rename(old)
            sync(directory)
        else:
            self._remove(directory)

    def edits(self) -> list[Edit]:
        """List the edits that can be undone, oldest first."""
        found = (_read(self._directory / str(number) / "edit.json") for number in self._numbers())
        return [Edit(**edit) for edit in found if edit is not None]

    def begin(self) -> Path:
        """Return the directory, which does not exist yet, for an edited dataset."""
        make_private_directory(self._directory)
        directory = self._directory / str(max(self._numbers(), default=0) + 1)
        make_private_directory(directory)
        return directory / "new"

    def apply(
        self,
        new: Path,
        what: str,
        episodes: tuple[int, int],
        at: str,
        *,
        episode_id: str = "",
        order: str = "",
    ) -> Edit:
        """Put an edited dataset in the place of the one at ``root``.

        Args:
            new: from `begin`, complete.
            what: what was done, in words.
            episodes: the numbers of episodes before and after.
            at: when it was done, ISO 8601.
            episode_id: see `Edit`.
            order: see `Edit`.

        Raises:
            DatasetError: ``root`` cannot be renamed.
        """
        directory = new.parent
        edit = Edit(int(directory.name), what, *episodes, secrets.token_hex(8), at, episode_id, order)
        (new / _TOKEN).parent.mkdir(parents=True, exist_ok=True)
        (new / _TOKEN).write_text(json.dumps({"token": edit.token}), encoding="utf-8")
        _keep_permissions(self.root, new)
        sync_tree(new)
        self._known_files(edit).set(new)
        replace_file(directory / "edit.json", json.dumps(asdict(edit), indent=1).encode())
        _exchange(self.root, new)
        new.rename(directory / "old")
        sync(directory)
        return edit

    def old(self, edit: Edit) -> Path:
        """Return the directory of the dataset before an edit."""
        return self._directory / str(edit.number) / "old"

    def restored(self, edit: Edit) -> Path:
        """Return the directory, which does not exist yet, for the dataset that `undo` puts in place."""
        return self._directory / str(edit.number) / "restored"

    def undo(self, edit: Edit, restored: Path) -> None:
        """Put a dataset without the last edit in the place of the one at ``root``.

        Args:
            edit: the last edit.
            restored: `old` or `restored`.

        Raises:
            DatasetError: ``root`` cannot be renamed.
        """
        directory = self._directory / str(edit.number)
        _keep_permissions(self.root, restored)
        sync_tree(restored)
        if earlier := [each for each in self.edits() if each.number < edit.number]:
            self._known_files(earlier[-1]).expect_all(self.old(edit), restored)
        replace_file(directory / "undo.json", b"{}")
        _exchange(self.root, restored)
        self._remove(directory)

    def is_current(self, edit: Edit) -> bool:
        """Return whether the dataset is the one that an edit has left; it may have grown since."""
        return _token(self.root) == edit.token

    def foreign_changes(self, edit: Edit) -> list[str]:
        """List the files that another program has changed since an edit, relative to ``root``."""
        return self._known_files(edit).differences(self.root)

    def expect(self, staged: Path, paths: Iterable[str]) -> None:
        """Note that a commit is about to replace files of the dataset.

        Args:
            staged: directory with the new files, laid out as in the dataset.
            paths: the files, relative to both.
        """
        if edits := self.edits():
            self._known_files(edits[-1]).expect(self.root, staged, paths)

    def version(self) -> str:
        """Return a text that changes with each edit and each undo, and not with commits."""
        return _token(self.root) or ""

    def _known_files(self, edit: Edit) -> KnownFiles:
        return KnownFiles(self._directory / str(edit.number) / "files.json")

    def forget(self, edit: Edit) -> None:
        """Remove what is kept for the undo of an edit."""
        self._remove(self._directory / str(edit.number))

    def size(self, edit: Edit) -> int:
        """Return the bytes on disk that only the undo of an edit needs."""
        files = (path.stat() for path in self.old(edit).rglob("*") if path.is_file())
        return sum(each.st_size for each in files if each.st_nlink == 1)

    def _numbers(self) -> list[int]:
        if not self._directory.is_dir():
            return []
        return sorted(int(path.name) for path in self._directory.iterdir() if path.name.isdecimal())

    def _remove(self, directory: Path) -> None:
        """Remove the directory of an edit; only complete ones keep their number."""
        (directory / "edit.json").unlink(missing_ok=True)
        shutil.rmtree(directory)
        sync(self._directory)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _token(root: Path) -> str | None:
    """Return the name of the last edit of the dataset at ``root``; None if there was none."""
    return (_read(root / _TOKEN) or {}).get("token")


def _keep_permissions(root: Path, new: Path) -> None:
    """Give a new dataset the owners and permissions of the one that it replaces.

    A new file or directory gets those of the nearest directory that both have.
    """
    for path in (new, *new.rglob("*")):
        former = root / path.relative_to(new)
        if former.exists() and former.samefile(path):
            continue
        known = former if former.exists() else former.parent if former.parent.exists() else root
        state, mode = known.stat(), known.stat().st_mode & 0o7777
        with contextlib.suppress(OSError):  # only root may give files to others
            os.chown(path, state.st_uid, state.st_gid)
        path.chmod(mode if known.is_dir() == path.is_dir() else mode & 0o666)


# The exchange


def _exchange(root: Path, new: Path) -> None:
    """Exchange two directories.

    Raises:
        DatasetError: they cannot be renamed.
    """
    try:
        for _ in _exchanging(root, new):
            pass
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise DatasetError(
                f"{root}: is a mount point, so it cannot be replaced; nothing was changed"
            ) from error
        raise DatasetError(f"{root}: cannot be replaced: {error.strerror}; nothing was changed") from error
    sync(root.parent)
    sync(new.parent)


def _exchanging(root: Path, new: Path) -> Iterator[None]:
    if _rename_exchange(root, new):
        return
    leaving = new.with_name("leaving")
    root.rename(leaving)
    yield
    new.rename(root)
    yield
    leaving.rename(new)


def _rename_exchange(first: Path, second: Path) -> bool:
    """Exchange two directories at once; return False where that does not exist.

    Raises:
        OSError: they cannot be exchanged.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        return False
    sys.audit("os.rename", str(first), str(second), -1, -1)
    if library.renameat2(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _WITHOUT:
        return False
    raise OSError(number, os.strerror(number), str(first))


def _finish_slow_exchange(root: Path, directory: Path) -> None:
    """Finish an exchange that was interrupted, where it takes several renames."""
    leaving = directory / "leaving"
    if not leaving.is_dir():
        return
    is_undo = (directory / "undo.json").exists()
    names = ("restored", "old") if is_undo else ("new",)
    if not root.exists():
        next(path for path in (*(directory / name for name in names), leaving) if path.is_dir()).rename(root)
        sync(root.parent)
    if leaving.is_dir() and not is_undo:
        leaving.rename(directory / "new")
        sync(directory)

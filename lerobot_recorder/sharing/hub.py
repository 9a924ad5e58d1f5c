"""Uploads a dataset to the Hugging Face Hub, so that LeRobot finds all of it or none.

Large files go first, and an interrupted upload goes on where it was: the Hub knows the contents that it has.
Then one commit makes all of them visible at once, and the tag of the format's version, which LeRobot asks
for, moves to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lerobot_recorder.dataset import (
    CountedDataset,
    check,
    check_repo_id,
    default_root,
    file_states,
    open_dataset,
    spool_path,
)
from lerobot_recorder.errors import ConfigError, DatasetError, HubError, RecorderError, causes
from lerobot_recorder.excerpt import counted, excerpt
from lerobot_recorder.sharing.card import card
from lerobot_recorder.video import probe

Progress = Callable[[int, int], None]

FOLDERS = ("data/", "meta/", "videos/")
"""What is uploaded; the rest of the directory is the user's."""

_CARD = "README.md"
_KIND = {"repo_type": "dataset"}
_WAITING = ("ready", "claimed", "committing")
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_GROUP_BYTES, _GROUP_FILES = 256 * 1024**2, 32


@dataclass(frozen=True)
class Pushed:
    """What was uploaded.

    Attributes:
        url: address of the dataset.
        commit: identifier of the commit.
        files: number of files in it.
        size_bytes: their size.
    """

    url: str
    commit: str
    files: int
    size_bytes: int


def repo_id_of(root: Path) -> str:
    """Return the name of a dataset that is where LeRobot looks for it.

    Raises:
        ConfigError: it is somewhere else.
    """
    root = root.resolve()
    name = "/".join(root.parts[-2:])
    if default_root(name).resolve() != root:
        raise ConfigError(
            f"{root}: this is not where LeRobot looks for a dataset; give its name, --repo-id user/name"
        )
    return name


def check_ready(root: Path, progress: Progress = lambda _done, _total: None) -> None:
    """Check that a dataset has no faults, and that no episode waits for it.

    Args:
        root: the dataset's directory.
        progress: called with the bytes read and all bytes.

    Raises:
        DatasetError: it has, or one does.
    """
    spool = spool_path(root)
    if waiting := sum(_entries(spool / state) for state in _WAITING):
        raise DatasetError(
            f"{root}: {counted(waiting, 'episode', 'wait')} in {spool}; encode first with `lerobot-recorder "
            f"encode {root}`, or upload without with --force"
        )
    faults = list(check(root, probe, progress=progress))
    if faults:
        raise DatasetError(
            f"{root}: {counted(len(faults), 'fault')}, the first: {faults[0]} Run `lerobot-recorder check "
            f"{root}` to see all, or upload as it is with --force"
        )


def _entries(directory: Path) -> int:
    return sum(path.is_dir() for path in directory.iterdir()) if directory.is_dir() else 0


def push(
    root: Path | str,
    repo_id: str,
    licence: str,
    *,
    private: bool = False,
    tags: Sequence[str] = (),
    force: bool = False,
    progress: Progress = lambda _done, _total: None,
    endpoint: str | None = None,
    token: str | None = None,
) -> Pushed:
    """Upload the dataset at ``root``; files of the Hub that it does not have any more are removed.

    Args:
        root: the dataset's directory.
        repo_id: its name on the Hub, ``user/name``; it is created if it does not exist.
        licence: the identifier of its licence, such as ``apache-2.0``.
        private: whether a new one is visible to its owner only.
        tags: of the card, besides those that it has.
        force: whether to upload it in spite of faults or waiting episodes.
        progress: called with the bytes uploaded and all bytes.
        endpoint: address of the Hub; by default the one that ``huggingface_hub`` uses.
        token: access token; by default the one that ``hf auth login`` has saved.

    Raises:
        ConfigError: ``huggingface_hub`` is not installed, or a name is invalid.
        DatasetError: the dataset is not ready, or was changed during the upload.
        HubError: the Hub cannot be reached, or refuses a request.
    """
    root = Path(root)
    check_names(repo_id, licence)
    check_tags(tags)
    dataset = open_dataset(root)
    if not force:
        check_ready(root)
    return _Upload(root, dataset, repo_id, _api(endpoint, token)).run(licence, private, tags, progress)


def check_names(repo_id: str, licence: str) -> None:
    """Check the name of a dataset on the Hub, and that of a licence.

    Raises:
        ConfigError: one of them is invalid.
    """
    check_repo_id(repo_id)
    if "/" not in repo_id:
        raise ConfigError(f"repo_id: expected user/name, such as me/pick_cube, found {repo_id!r}")
    if not _LICENCE.fullmatch(licence):
        raise ConfigError(
            f"license: expected an identifier of the Hub, such as apache-2.0 or cc-by-4.0, found {licence!r}"
        )


def check_tags(tags: Sequence[str]) -> None:
    """Check the tags of a dataset on the Hub.

    Raises:
        ConfigError: one of them is invalid.
    """
    for tag in tags:
        if not tag.strip() or not tag.isprintable():
            raise ConfigError(f"tag: expected a word, such as so101, found {tag!r}")


def _api(endpoint: str | None, token: str | None) -> Any:
    if find_spec("huggingface_hub") is None or int(version("huggingface_hub").split(".")[0]) < 1:
        raise ConfigError("the upload needs huggingface_hub: pip install 'huggingface_hub>=1,<2'")
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()  # ours counts all files
    return HfApi(endpoint=endpoint, token=token, library_name="lerobot_recorder")


class _Upload:
    def __init__(self, root: Path, dataset: CountedDataset, repo_id: str, api: Any) -> None:
        self._root, self._dataset, self._repo_id, self._api = root, dataset, repo_id, api
        self._states = {name: state for name, state in file_states(root).items() if name.startswith(FOLDERS)}

    def run(self, licence: str, private: bool, tags: Sequence[str], progress: Progress) -> Pushed:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        with _hub_errors(self._repo_id):
            self._api.create_repo(self._repo_id, private=private or None, exist_ok=True, **_KIND)
            remote = set(self._api.list_repo_files(self._repo_id, **_KIND))
            content = card(self._dataset, self._repo_id.split("/")[1], licence, self._card(remote), tags)
            additions = [CommitOperationAdd(name, str(self._root / name)) for name in self._states]
            self._upload(additions, progress)
            self._check_unchanged()
            gone = sorted(name for name in remote if name.startswith(FOLDERS) and name not in self._states)
            readme = CommitOperationAdd(_CARD, content.encode())
            commit = self._api.create_commit(
                self._repo_id,
                [*additions, readme, *map(CommitOperationDelete, gone)],
                commit_message=f"Upload {counted(self._dataset.info.total_episodes, 'episode')}",
                **_KIND,
            )
            self._tag(commit.oid)
        size = sum(size for _, size, _ in self._states.values())
        url = f"{self._api.endpoint}/datasets/{self._repo_id}"
        return Pushed(url, str(commit.oid), len(self._states) + 1, size)

    def _card(self, remote: set[str]) -> str:
        """Return the card on the Hub, or the one beside the dataset; empty if there is none."""
        local = self._root / _CARD
        if _CARD not in remote:
            return local.read_text(encoding="utf-8") if local.is_file() else ""
        with TemporaryDirectory() as folder:
            path = self._api.hf_hub_download(self._repo_id, _CARD, local_dir=folder, **_KIND)
            return Path(path).read_text(encoding="utf-8")

    def _upload(self, additions: Sequence[Any], progress: Progress) -> None:
        sizes = [size for _, size, _ in self._states.values()]
        done, total = 0, sum(sizes)
        for group in _groups(sizes):
            self._api.preupload_lfs_files(self._repo_id, [additions[number] for number in group], **_KIND)
            done += sum(sizes[number] for number in group)
            progress(done, total)

    def _check_unchanged(self) -> None:
        now = {name: state for name, state in file_states(self._root).items() if name.startswith(FOLDERS)}
        if now != self._states:
            raise DatasetError(
                f"{self._root}: the dataset was changed during the upload, and nothing was published; push "
                "again when nothing records into it"
            )

    def _tag(self, commit: str) -> None:
        """Move the tag with the format's version to a commit."""
        from huggingface_hub.errors import RevisionNotFoundError

        tag = self._dataset.info.codebase_version
        tags = {
            each.name: each.target_commit for each in self._api.list_repo_refs(self._repo_id, **_KIND).tags
        }
        if tags.get(tag) == commit:
            return
        if tag in tags:
            with suppress(RevisionNotFoundError):
                self._api.delete_tag(self._repo_id, tag=tag, **_KIND)
        self._api.create_tag(self._repo_id, tag=tag, revision=commit, exist_ok=True, **_KIND)


def _groups(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Yield the numbers of consecutive files that are uploaded together."""
    group: list[int] = []
    for number, size in enumerate(sizes):
        if group and (len(group) == _GROUP_FILES or sum(sizes[each] for each in group) + size > _GROUP_BYTES):
            yield group
            group = []
        group.append(number)
    if group:
        yield group


@contextmanager
def _hub_errors(repo_id: str) -> Iterator[None]:
    """Turn errors of the Hub into one sentence with the way out.

    Raises:
        HubError: the Hub cannot be reached, or refuses a request.
    """
    from httpx import HTTPError
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except RecorderError:
        raise
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        answer = next((each for each in causes(error) if isinstance(each, HfHubHTTPError)), None)
        if answer is None:
            raise HubError(f"{repo_id}: the upload failed: {excerpt(error)}; {_AGAIN}") from error
        if answer.response.status_code in (401, 403):
            raise HubError(
                f"{repo_id}: the Hub refuses the upload; log in with `hf auth login` and a token that may "
                "write to it"
            ) from error
        reason = answer.server_message or f"status {answer.response.status_code}"
        raise HubError(f"{repo_id}: the Hub refuses the upload: {excerpt(reason)}; {_AGAIN}") from error


_AGAIN = "run the same command again, what is uploaded stays"

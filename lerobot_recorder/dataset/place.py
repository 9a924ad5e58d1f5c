"""The name of a dataset, and its directory on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.layout import default_root, spool_path
from lerobot_recorder.errors import ConfigError, DatasetError
from lerobot_recorder.settings import setting

_LONGEST_NAME = 96
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")


@dataclass(frozen=True)
class DatasetPlace:
    """Name and directory of a dataset."""

    repo_id: str = setting("", "Name of the dataset, user/name")
    root: str = setting(
        "",
        "Directory of the dataset; empty: where LeRobot looks for repo_id, in ~/.cache/huggingface/lerobot",
    )

    @property
    def directory(self) -> Path:
        """The absolute path of the directory.

        Raises:
            ConfigError: neither `root` nor `repo_id` is given, or `repo_id` is not a name of a dataset
            DatasetError: the directory holds something that is not a dataset
        """
        root = self.path
        load_info(root)
        return root

    @property
    def path(self) -> Path:
        """The absolute path of the directory, which may hold anything.

        Raises:
            ConfigError: neither `root` nor `repo_id` is given, or `repo_id` is not a name of a dataset
        """
        if not self.root and not self.repo_id:
            raise ConfigError("give repo_id (user/name) or root (a directory) to choose the dataset")
        if self.repo_id:
            check_repo_id(self.repo_id)
        return Path(self.root).expanduser().absolute() if self.root else default_root(self.repo_id)


def dataset_name(place: DatasetPlace) -> str:
    """Return the name for commands: the repo id if it leads to the directory, else the directory."""
    root = place.directory
    is_found = bool(place.repo_id) and default_root(place.repo_id).absolute() == root
    return place.repo_id if is_found else str(root)


def find_dataset(name: Path | str) -> Path:
    """Return the directory of a dataset that is named by its path or by its repo id.

    A directory on this path comes first. A dataset whose episodes all wait in its spool counts, too.

    Raises:
        DatasetError: there is no such dataset.
    """
    path = Path(name).expanduser()
    places = [path]
    if "/" in str(name) and not _name_fault(str(name)):
        places.append(default_root(str(name)))
    for place in places:
        if place.is_dir() or spool_path(place).is_dir():
            return place
    if path.is_file():
        hint = "; `lerobot-recorder import` reads bags" if path.suffix in (".mcap", ".db3") else ""
        raise DatasetError(f"{name}: expected a dataset, as a directory or user/name; found a file{hint}")
    searched = " and no ".join(str(place.absolute()) for place in places)
    raise DatasetError(f"{name}: expected a dataset, as a directory or user/name; found no {searched}")


def check_repo_id(repo_id: str) -> None:
    """Check that the Hugging Face Hub would accept the name of a dataset.

    Raises:
        ConfigError: the Hub would refuse the name.
    """
    if why := _name_fault(repo_id):
        raise ConfigError(f"repo_id: expected user/name, such as me/pick_cube, found {repo_id!r}: {why}")


def _name_fault(repo_id: str) -> str:
    parts = repo_id.split("/")
    if "://" in repo_id:
        return "it is a URL; use its last two parts"
    if len(parts) > 2:
        return "it has more than one /; to name a directory, set root"
    if not all(_NAME.fullmatch(part) for part in parts):
        return "user and name consist of letters, digits, and between them -, _ and ."
    if "--" in repo_id or ".." in repo_id:
        return "it must not contain -- or .."
    if repo_id.endswith(".git"):
        return "it must not end in .git"
    return f"its name has more than {_LONGEST_NAME} characters" if len(parts[-1]) > _LONGEST_NAME else ""

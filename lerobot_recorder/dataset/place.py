"""Where a dataset is on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.layout import default_root
from lerobot_recorder.dataset.repo_id import check_repo_id
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.settings import setting


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
        if not self.root and not self.repo_id:
            raise ConfigError("give repo_id (user/name) or root (a directory) to choose the dataset")
        if self.repo_id:
            check_repo_id(self.repo_id)
        root = Path(self.root).expanduser().absolute() if self.root else default_root(self.repo_id)
        load_info(root)
        return root

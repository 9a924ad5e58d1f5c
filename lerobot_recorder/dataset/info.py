"""``meta/info.json``: what the dataset is and how much there is of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lerobot_recorder.dataset.features import Features, shape_of
from lerobot_recorder.dataset.layout import DATA_PATH, VIDEO_PATH, DatasetLayout
from lerobot_recorder.errors import ConfigError, DatasetError

CODEBASE_VERSION = "v3.0"


@dataclass(frozen=True)
class DatasetInfo:
    """The contents of ``meta/info.json``.

    Attributes:
        fps: Frames per second.
        features: All features, the default ones included.
        robot_type: The robot, None if unknown.
        total_episodes: Episodes in the dataset.
        total_frames: Rows in the dataset.
        total_tasks: Different tasks in the dataset.
        chunks_size: Files per chunk directory.
        data_files_size_in_mb: A data file takes no more episodes from this size on, in MiB.
        video_files_size_in_mb: The same for a video file.
        data_path: Template of the data files' paths.
        video_path: Template of the video files' paths.
        splits: Named ranges of episodes.
        codebase_version: The version of the format.
        extra: Entries that only others know; they are kept.
    """

    fps: int
    features: Features
    robot_type: str | None = None
    total_episodes: int = 0
    total_frames: int = 0
    total_tasks: int = 0
    chunks_size: int = 1000
    data_files_size_in_mb: float = 100
    video_files_size_in_mb: float = 200
    data_path: str = DATA_PATH
    video_path: str | None = VIDEO_PATH
    splits: Mapping[str, str] = field(default_factory=dict)
    codebase_version: str = CODEBASE_VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the settings that all file handling rests on."""
        for name in ("fps", "chunks_size", "data_files_size_in_mb", "video_files_size_in_mb"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
                raise ConfigError(f"{name}: expected a positive number, found {value!r}.")

    def grown(self, episodes: int, frames: int, tasks: int) -> DatasetInfo:
        """Return the info after so many more episodes and frames, with so many tasks in all."""
        total = self.total_episodes + episodes
        return dataclasses.replace(
            self,
            total_episodes=total,
            total_frames=self.total_frames + frames,
            total_tasks=tasks,
            splits={**self.splits, "train": f"0:{total}"},
        )

    def layout(self, root: Path) -> DatasetLayout:
        """Return the layout of a dataset with this info at ``root``."""
        return DatasetLayout(root, self.data_path, self.video_path or VIDEO_PATH)


def to_json(info: DatasetInfo) -> str:
    """Write the info as LeRobot does."""
    features = {key: {**ft, "shape": list(shape_of(ft))} for key, ft in info.features.items()}
    content = {
        "codebase_version": info.codebase_version,
        "fps": info.fps,
        "features": features,
        "total_episodes": info.total_episodes,
        "total_frames": info.total_frames,
        "total_tasks": info.total_tasks,
        "chunks_size": info.chunks_size,
        "data_files_size_in_mb": info.data_files_size_in_mb,
        "video_files_size_in_mb": info.video_files_size_in_mb,
        "data_path": info.data_path,
        "video_path": info.video_path,
        "robot_type": info.robot_type,
        "splits": dict(info.splits),
        **info.extra,
    }
    return json.dumps(content, indent=4, ensure_ascii=False)


def from_json(text: str) -> DatasetInfo:
    """Read an info; entries that are not known are kept in ``extra``.

    Raises:
        ValueError: The text is no JSON object, or an entry is missing or impossible.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object, found {type(content).__name__}")
    missing = [name for name in ("codebase_version", "fps", "features") if name not in content]
    if missing:
        raise ValueError(f"no {', '.join(missing)} in it")
    known = {item.name for item in dataclasses.fields(DatasetInfo)} - {"extra"}
    extra = {name: value for name, value in content.items() if name not in known}
    content["features"] = cast("Features", content["features"])
    return DatasetInfo(**{name: content[name] for name in known & set(content)}, extra=extra)


def load_info(root: Path) -> DatasetInfo | None:
    """Read the info of the dataset at ``root``; None where there is nothing yet.

    Raises:
        DatasetError: There is something, but not a dataset of format v3.0.
    """
    root = Path(root)
    path = DatasetLayout(root).info
    if not path.is_file():
        _refuse_other_content(root)
        return None
    try:
        info = from_json(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError) as error:
        raise DatasetError(f"{path}: not an info.json of format {CODEBASE_VERSION}: {error}.") from error
    if info.codebase_version != CODEBASE_VERSION:
        raise DatasetError(
            f"{root}: expected a dataset of format {CODEBASE_VERSION}, found {info.codebase_version}. "
            "Convert it with LeRobot's converter, or record to another root."
        )
    return info


def _refuse_other_content(root: Path) -> None:
    if root.is_symlink() or root.exists():
        if not root.is_dir():
            raise DatasetError(f"{root}: expected a directory, found a file. Choose another root.")
        content = sorted(path.name for path in root.iterdir())
        if content:
            shown = ", ".join(content[:3]) + (", ..." if len(content) > 3 else "")
            raise DatasetError(
                f"{root}: expected a dataset or an empty directory, found {shown} and no meta/info.json. "
                "Choose another root, or move these away."
            )

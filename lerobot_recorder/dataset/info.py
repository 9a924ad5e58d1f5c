"""``meta/info.json``: the description of a dataset and its totals."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lerobot_recorder.dataset.features import DEFAULT_FEATURES, VECTOR_DTYPES, Features, shape_of, video_keys
from lerobot_recorder.dataset.layout import DATA_PATH, VIDEO_PATH, DatasetLayout, check_template
from lerobot_recorder.errors import ConfigError, DatasetError

CODEBASE_VERSION = "v3.0"

_ORDER = (
    *("codebase_version", "fps", "features", "total_episodes", "total_frames", "total_tasks", "chunks_size"),
    *("data_files_size_in_mb", "video_files_size_in_mb", "data_path", "video_path", "robot_type", "splits"),
)
"""LeRobot's order of the entries."""


@dataclass(frozen=True)
class DatasetInfo:
    """The contents of ``meta/info.json``.

    Attributes:
        fps: frames per second.
        features: all features, including the default ones.
        robot_type: the robot, None if unknown.
        total_episodes: episodes in the dataset.
        total_frames: rows in the dataset.
        total_tasks: different tasks in the dataset.
        chunks_size: files per chunk directory.
        data_files_size_in_mb: size in MiB at which a data file is full.
        video_files_size_in_mb: the same for a video file.
        data_path: template of the data files' paths.
        video_path: template of the video files' paths.
        splits: named ranges of episodes.
        codebase_version: version of the format.
        extra: entries of other programs; they are kept.
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
        """Check the settings that file handling relies on."""
        for name in ("fps", "chunks_size", "data_files_size_in_mb", "video_files_size_in_mb"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise ConfigError(f"{name}: expected a positive number, found {value!r}")

    def grown(self, episodes: int, frames: int, tasks: int) -> DatasetInfo:
        """Return the info after adding episodes and frames; ``tasks``: their new total."""
        total = self.total_episodes + episodes
        return dataclasses.replace(
            self,
            total_episodes=total,
            total_frames=self.total_frames + frames,
            total_tasks=tasks,
            splits=grown_splits(self.splits, self.total_episodes, total),
        )

    def layout(self, root: Path) -> DatasetLayout:
        """Return the layout of a dataset with this info at ``root``."""
        return DatasetLayout(root, self.data_path, self.video_path or VIDEO_PATH)


def grown_splits(splits: Mapping[str, str], before: int, total: int) -> dict[str, str]:
    """Return the splits after the dataset has grown.

    LeRobot writes ``{"train": "0:<episodes>"}`` and reads no splits. Splits with other names are kept, and
    none of their episodes gets into ``train``: it grows only if it ends with the last episode. If another
    split does, no range can hold the old and the new episodes, so the new ones are in no split.
    """
    if not set(splits) - {"train"}:
        return {"train": f"0:{total}"}
    start, _, stop = splits.get("train", "").partition(":")
    return {**splits, "train": f"{start}:{total}"} if stop == str(before) else dict(splits)


def to_json(info: DatasetInfo) -> str:
    """Write the info as LeRobot does."""
    features = {key: {**ft, "shape": list(shape_of(ft))} for key, ft in info.features.items()}
    content = {name: getattr(info, name) for name in _ORDER}
    content |= {"features": features, "splits": dict(info.splits), **info.extra}
    return json.dumps(content, indent=4, ensure_ascii=False)


def from_json(text: str) -> DatasetInfo:
    """Parse an info; unknown entries are kept in ``extra``.

    Accepts what LeRobot 0.6.1 loads: whole numbers written as 30.0, ``splits`` that are null.

    Raises:
        ValueError: the text is not a JSON object, or an entry is missing or invalid.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object, found {type(content).__name__}")
    missing = [name for name in ("codebase_version", "fps", "features") if name not in content]
    if missing:
        raise ValueError(f"missing {', '.join(missing)}")
    known = {item.name for item in dataclasses.fields(DatasetInfo)} - {"extra"}
    entries = {name: _entry(name, content[name]) for name in known & set(content)}
    extra = {name: value for name, value in content.items() if name not in known}
    return DatasetInfo(**entries, extra=extra)


def _entry(name: str, value: Any) -> Any:
    """Check an entry of ``info.json``, and convert it to its usual form.

    Raises:
        ValueError: it has another type.
    """
    if name == "features":
        return _features(value)
    if name == "splits":
        return _splits(value)
    if name in ("codebase_version", "data_path"):
        return _expected(name, value, isinstance(value, str), "a text")
    if name in ("robot_type", "video_path"):
        return _expected(name, value, value is None or isinstance(value, str), "a text or null")
    if name.startswith("total_"):
        return _expected(name, _whole(value), _is_whole(_whole(value), 0), "a whole number from 0 up")
    return _whole(value)


def _expected(name: str, value: Any, is_fine: bool, expected: str) -> Any:
    if not is_fine:
        raise ValueError(f"{name}: expected {expected}, found {value!r}")
    return value


def _whole(value: Any) -> Any:
    """Return a whole number as an integer, also if it is written as a float."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_whole(value: Any, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _splits(value: Any) -> dict[str, str]:
    splits = _expected("splits", value, value is None or isinstance(value, dict), "an object or null") or {}
    return {
        name: str(_expected(f"splits.{name}", each, isinstance(each, str), "a text"))
        for name, each in splits.items()
    }


def _features(value: Any) -> Features:
    _expected("features", value, isinstance(value, dict) and bool(value), "an object of features")
    for key, feature in value.items():
        _check_feature(key, feature)
    for key in DEFAULT_FEATURES:
        feature = _expected(
            f"features.{key}", value.get(key), key in value, "a feature that every dataset has"
        )
        is_number = feature["dtype"] in VECTOR_DTYPES and shape_of(feature) == (1,)
        _expected(f"features.{key}", feature, is_number, "a number")
    return cast("Features", value)


def _check_feature(key: str, feature: Any) -> None:
    name = f"features.{key}"
    _expected(name, feature, isinstance(feature, dict), "an object")
    _expected(f"{name}.dtype", feature.get("dtype"), isinstance(feature.get("dtype"), str), "a text")
    shape = feature.get("shape")
    sizes = [_whole(size) for size in shape] if isinstance(shape, list) else []
    are_sizes = bool(sizes) and all(_is_whole(size, 1) for size in sizes)
    _expected(f"{name}.shape", shape, are_sizes, "a list of whole numbers from 1 up")
    info = feature.get("info")
    _expected(f"{name}.info", info, info is None or isinstance(info, dict), "an object or null")


def load_info(root: Path) -> DatasetInfo | None:
    """Read the info of the dataset at ``root``; None if there is nothing yet.

    Raises:
        DatasetError: the directory holds something other than a dataset of format v3.0.
    """
    root = Path(root)
    path = DatasetLayout(root).info
    try:
        if not path.is_file():
            _refuse_other_content(root)
            return None
        info = from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{error.filename or path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _unusable(path, error) from error
    if info.codebase_version.removeprefix("v") != CODEBASE_VERSION.removeprefix("v"):
        raise DatasetError(
            f"{root}: expected a dataset of format {CODEBASE_VERSION}, found {info.codebase_version}; "
            "convert it with LeRobot's converter, or record to another root"
        )
    try:
        _check_templates(info)
    except ValueError as error:
        raise _unusable(path, error) from error
    return info


def _unusable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"{path}: not an info.json of format {CODEBASE_VERSION}: {error}; "
        "repair it, or copy or download the dataset again"
    )


def _check_templates(info: DatasetInfo) -> None:
    """Refuse paths that lead out of the dataset, and videos without a path, which LeRobot cannot load."""
    check_template("data_path", info.data_path)
    if keys := video_keys(info.features):
        if info.video_path is None:
            raise ValueError("video_path: expected a path template, found null, although there are videos")
        check_template("video_path", info.video_path, keys)


def _refuse_other_content(root: Path) -> None:
    if root.is_symlink() or root.exists():
        if not root.is_dir():
            raise DatasetError(f"{root}: expected a directory, found a file; choose another root")
        content = sorted(path.name for path in root.iterdir())
        if content:
            shown = ", ".join(content[:3]) + (", ..." if len(content) > 3 else "")
            if {"data", "meta"} & set(content):
                raise DatasetError(
                    f"{root}: a dataset without meta/info.json, found {shown}; `lerobot-recorder repair "
                    f"{root}` can write it anew from the other files"
                )
            if any(name == "metadata.yaml" or name.endswith((".mcap", ".db3")) for name in content):
                raise DatasetError(
                    f"{root}: expected a dataset, found a bag: {shown}; `lerobot-recorder import` makes a "
                    "dataset of it, with a parameter file from `lerobot-recorder discover`"
                )
            raise DatasetError(
                f"{root}: expected a dataset or an empty directory, found {shown} and no meta/info.json; "
                "choose another root, or move these away"
            )

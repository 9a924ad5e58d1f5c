"""The paths of a dataset and of its spool."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
CHUNK_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES_PATH = f"meta/episodes/{CHUNK_FILE}.parquet"
RECORDINGS_PATH = f"meta/recordings/{CHUNK_FILE}.jsonl"
AGES_PATH = f"meta/recordings/ages/{CHUNK_FILE}.parquet"
DATA_PATH = f"data/{CHUNK_FILE}.parquet"
VIDEO_PATH = f"videos/{{video_key}}/{CHUNK_FILE}.mp4"

_CHUNK_FILE_PATTERN = re.compile(r"chunk-(\d{3,})/file-(\d{3,})\.\w+$")


@dataclass(frozen=True, order=True)
class FileIndex:
    """The numbers of a chunk and of a file in it."""

    chunk: int = 0
    file: int = 0

    def next(self, chunks_size: int) -> FileIndex:
        """Return the next index; a chunk holds ``chunks_size`` files."""
        if self.file + 1 >= chunks_size:
            return FileIndex(self.chunk + 1, 0)
        return FileIndex(self.chunk, self.file + 1)

    @classmethod
    def of(cls, path: Path) -> FileIndex | None:
        """Parse the index from a path, None if the path has none."""
        match = _CHUNK_FILE_PATTERN.search(path.as_posix())
        return cls(int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True)
class DatasetLayout:
    """The paths of the dataset at ``root``.

    Attributes:
        root: the dataset's directory.
        data_template: paths of its data files, from ``info.json``.
        video_template: paths of its videos, from ``info.json``.
    """

    root: Path
    data_template: str = DATA_PATH
    video_template: str = VIDEO_PATH

    def at(self, root: Path) -> DatasetLayout:
        """Return the same layout under another directory."""
        return DatasetLayout(root, self.data_template, self.video_template)

    @property
    def info(self) -> Path:
        """Description of the dataset: features, fps, totals."""
        return self.root / INFO_PATH

    @property
    def stats(self) -> Path:
        """Statistics over the whole dataset."""
        return self.root / STATS_PATH

    @property
    def tasks(self) -> Path:
        """The tasks and their indices."""
        return self.root / TASKS_PATH

    def episodes_file(self, index: FileIndex) -> Path:
        """Return the path of a file of episode rows."""
        return self.root / EPISODES_PATH.format(chunk_index=index.chunk, file_index=index.file)

    def recordings_file(self, index: FileIndex) -> Path:
        """Return the path of a file of provenance; LeRobot ignores it."""
        return self.root / RECORDINGS_PATH.format(chunk_index=index.chunk, file_index=index.file)

    def ages_file(self, index: FileIndex) -> Path:
        """Return the path of a file of samples' ages; LeRobot ignores it."""
        return self.root / AGES_PATH.format(chunk_index=index.chunk, file_index=index.file)

    def recordings_files(self) -> list[Path]:
        """List the files with the provenance of episodes."""
        return sorted((self.root / "meta/recordings").glob("chunk-*/*.jsonl"))

    def ages_files(self) -> list[Path]:
        """List the files of samples' ages."""
        return sorted((self.root / "meta/recordings/ages").glob("*/*.parquet"))

    def data_file(self, index: FileIndex) -> Path:
        """Return the path of a file of frame rows."""
        return self.root / self.data_template.format(chunk_index=index.chunk, file_index=index.file)

    def video_file(self, key: str, index: FileIndex) -> Path:
        """Return the path of a video file of the camera ``key``."""
        name = self.video_template.format(video_key=key, chunk_index=index.chunk, file_index=index.file)
        return self.root / name

    def file(self, kind: str, index: FileIndex) -> Path:
        """Return the path of a data file or video file; ``kind`` is ``data`` or ``videos/<key>``."""
        return (
            self.data_file(index) if kind == "data" else self.video_file(kind.removeprefix("videos/"), index)
        )

    def episodes_files(self) -> list[Path]:
        """List the files of episode rows in the order in which LeRobot reads them."""
        return sorted((self.root / "meta/episodes").glob("*/*.parquet"))

    def data_files(self) -> list[Path]:
        """List the files of frame rows in the order in which LeRobot reads them."""
        return sorted((self.root / "data").glob("*/*.parquet"))


def check_template(name: str, template: str, keys: Sequence[str] = ()) -> None:
    """Check that a template from ``info.json`` gives each file its own path in the dataset.

    Args:
        name: the entry, for the message.
        template: its value.
        keys: the video features that use it; none for a template of data files.

    Raises:
        ValueError: two files would have one path, or a path leads out of the dataset.
    """
    places = [
        {"chunk_index": chunk, "file_index": file, "video_key": key}
        for key in keys or [""]
        for chunk, file in ((0, 0), (0, 1), (1, 0))
    ]
    try:
        paths = [template.format(**place) for place in places]
    except (LookupError, ValueError, AttributeError) as error:
        raise ValueError(f"{name}: {template!r} is not a path template: {error!r}") from error
    for path in map(PurePosixPath, paths):
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"{name}: {template!r} leads to {path}, which is outside the dataset")
    if len(set(paths)) < len(paths):
        raise ValueError(
            f"{name}: {template!r} gives several files the same path, expected one like {DATA_PATH!r}"
        )


def default_root(repo_id: str) -> Path:
    """Return the directory in which LeRobot looks for the dataset ``repo_id`` on this machine."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    home = os.environ.get("HF_LEROBOT_HOME") or Path(os.environ.get("HF_HOME") or cache) / "lerobot"
    return Path(home).expanduser() / repo_id


def spool_path(root: Path) -> Path:
    """Return the directory beside the dataset in which its episodes wait.

    A link and the directory that it names have the same spool, and so the same locks.
    """
    root = Path(root)
    if root.is_symlink():
        root = root.resolve()
    return root.with_name(f"{root.name}.spool")


def commit_path(root: Path) -> Path:
    """Return the directory beside the dataset in which a commit is prepared."""
    return spool_path(root) / "commit"

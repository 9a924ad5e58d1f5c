"""Copies a dataset into a directory of another format, which appears when it is complete."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lerobot_recorder.dataset import SETUPS_PATH, Source, v21_omits, write_v21
from lerobot_recorder.durable import (
    is_full,
    make_directory,
    move_directory,
    require_room,
    sync_tree,
    why_not_written,
)
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.sharing.modality import PATH as MODALITY_PATH
from lerobot_recorder.sharing.modality import modality
from lerobot_recorder.video import VideoCutter

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes:
        episodes: number of episodes.
        frames: number of rows.
        size_bytes: size of all files.
        left_out: features that the format cannot have.
    """

    episodes: int
    frames: int
    size_bytes: int
    left_out: Sequence[str]


def export_v21(
    root: Path | str,
    output: Path | str,
    *,
    gr00t: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Exported:
    """Write a copy of the dataset at ``root`` in format v2.1, without encoding videos again.

    The copy is written beside ``output`` and renamed when it is complete. It does not contain episodes that
    are recorded meanwhile.

    Args:
        root: the dataset's directory.
        output: the directory to write; it must not exist, or be empty.
        gr00t: whether to write ``meta/modality.json``, which GR00T needs.
        progress: called with the numbers of files done and of all files.

    Raises:
        DatasetError: the dataset cannot be read, ``output`` cannot be used, there is no room, or another
            program has edited the dataset.
        VideoError: a video cannot be read.
    """
    root, output = Path(root).expanduser().absolute(), Path(output).expanduser().absolute()
    source = Source(root)
    _check_output(output, root)
    if not source.info.total_episodes:
        raise DatasetError(f"{root}: it has no episodes yet")
    _require_room(source, output)
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    try:
        make_directory(output.parent)
        partial.mkdir()
        write_v21(partial, source, videos=VideoCutter(source.info.fps), progress=progress)
        if gr00t:
            content = json.dumps(modality(source.info.features), indent=4)
            (partial / MODALITY_PATH).write_text(content, encoding="utf-8")
        _keep_provenance(source, partial)
        source.check_unchanged("export")
        sync_tree(partial)
        size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        move_directory(partial, output)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and (is_full(error) or _is_of_copy(error, output, partial)):
            raise DatasetError(f"{output}: the copy cannot be written: {why_not_written(error)}") from error
        raise
    return Exported(source.info.total_episodes, source.info.total_frames, size, v21_omits(source))


def _is_of_copy(error: OSError, output: Path, partial: Path) -> bool:
    """Return whether an error is about a file of the copy, or a directory that it lies in."""
    path = Path(str(error.filename))
    return path.is_relative_to(partial) or output.is_relative_to(path)


def _check_output(output: Path, root: Path) -> None:
    if output.resolve().is_relative_to(root.resolve()):
        raise DatasetError(f"{output}: lies in the dataset; choose a directory outside {root}")
    if output.is_symlink() or (output.exists() and not output.is_dir()) or _has_entries(output):
        raise DatasetError(
            f"{output}: expected a new or empty directory, found other content; choose another"
        )


def _has_entries(directory: Path) -> bool:
    return directory.is_dir() and any(directory.iterdir())


def _require_room(source: Source, output: Path) -> None:
    needed = sum(size for _, size, _ in source.files.values())
    require_room(output, needed, "the export", "free some space or choose another disk")


def _keep_provenance(source: Source, directory: Path) -> None:
    """Copy ``meta/recordings``: the episodes have the same numbers."""
    setups = (path for path in (source.root / SETUPS_PATH).rglob("*") if path.is_file())
    for path in (*source.layout.recordings_files(), *source.layout.ages_files(), *setups):
        target = directory / path.relative_to(source.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)

"""Files and directories whose replacement and renaming survive a power cut once a call has returned."""

from __future__ import annotations

import os
from pathlib import Path

from lerobot_recorder.dataset.durable import sync


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a start after a power cut, finds the old content or the new.

    Raises:
        OSError: the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync(path.parent)


def move_directory(source: Path, target: Path) -> None:
    """Rename a directory, and write both parents through.

    Raises:
        OSError: the rename failed, as when `target` exists and is not empty.
    """
    source.rename(target)
    sync(target.parent)
    sync(source.parent)

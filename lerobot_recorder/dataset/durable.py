"""Files that survive a power cut once a call has returned."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Write a file's content, or a directory's entries, through to the device."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(directory: Path) -> None:
    """Write all files and directories below a directory through to the device, and itself."""
    for path in directory.rglob("*"):
        sync(path)
    sync(directory)


def make_directory(path: Path) -> None:
    """Make a directory and those above it, so that they are found after a power cut."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)

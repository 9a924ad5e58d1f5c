"""The set-ups that episodes were recorded with, in files that LeRobot ignores.

::

    meta/recordings/setup/<id>/...   files of text; the identifier follows from their names and contents

A line of ``meta/recordings`` names the set-up of its episode, so equal set-ups are kept once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

from lerobot_recorder.errors import ConfigError, DatasetError

SETUPS_PATH = "meta/recordings/setup"

SetupFiles = Mapping[str, str]
"""Contents of the files of a set-up by their path in it, such as ``calibrations/follower.json``."""

_NAME = re.compile(r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+)*", re.ASCII)
_ID = re.compile(r"[0-9a-f]{16}")


def setup_id(files: SetupFiles) -> str:
    """Return the identifier of a set-up, a part of the SHA-256 of its files; empty if it has none.

    Raises:
        ConfigError: a file has a name that would lead out of the set-up, or is no text.
    """
    if not files:
        return ""
    if wrong := [name for name in files if not _NAME.fullmatch(name)]:
        raise ConfigError(f"set-up: {wrong[0]!r} cannot be the name of a file, calibrations/arm.json can")
    for name, text in files.items():
        _require_text(name, text)
    content = json.dumps(dict(files), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _require_text(name: str, text: object) -> None:
    try:
        if not isinstance(text, str):
            raise ConfigError(f"set-up: {name}: expected a text, found {type(text).__name__}")
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"set-up: {name} cannot be written as UTF-8: {error.reason}") from error


def setup_path(root: Path, setup: str) -> Path:
    """Return the directory of a set-up in the dataset at ``root``."""
    return root / SETUPS_PATH / setup


def read_setup(root: Path, setup: object) -> dict[str, str]:
    """Read the files of a set-up; none if the dataset at ``root`` has none of this identifier.

    Raises:
        DatasetError: a file cannot be read.
    """
    if not is_setup_id(setup):
        return {}
    directory = setup_path(root, setup)
    try:
        return {
            path.relative_to(directory).as_posix(): path.read_bytes().decode()
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        }
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{directory}: a file of the set-up cannot be read: {error}") from error


def is_setup_id(setup: object) -> TypeGuard[str]:
    """Return whether a value from a file is the identifier of a set-up."""
    return isinstance(setup, str) and bool(_ID.fullmatch(setup))

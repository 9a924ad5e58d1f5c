"""Set-ups of the episodes in the spool, until the encoder adds them to the dataset.

::

    <root>.spool/setups/<id>.json    the files of a set-up, as a JSON object of their contents by name

A set-up is written before the first episode that names it, and stays: the next session most likely has the
same.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from lerobot_recorder.dataset import SetupFiles, setup_id
from lerobot_recorder.durable import make_private_directory, sync, write_file
from lerobot_recorder.errors import ConfigError, SpoolError
from lerobot_recorder.spool.directory import disk_errors
from lerobot_recorder.spool.episode import SpooledEpisode

_FOLDER = "setups"


def keep_setup(spool: Path, files: SetupFiles) -> str:
    """Write a set-up to the spool, so that it survives a power cut; return its identifier.

    Args:
        spool: the spool's directory.
        files: contents of the files by name; without any, nothing is written.

    Raises:
        ConfigError: a file has an invalid name.
        SpoolError: it cannot be written.
    """
    setup = setup_id(files)
    path = spool / _FOLDER / f"{setup}.json"
    if not setup or _read(spool, setup):
        return setup
    with disk_errors(path):
        make_private_directory(path.parent)
        partial = path.with_name(
            f"{setup}.{secrets.token_hex(4)}.partial"
        )  # other processes may write it, too
        write_file(partial, json.dumps(dict(files), ensure_ascii=False).encode())
        partial.replace(path)
        sync(path.parent)
    return setup


def setup_of(episode: SpooledEpisode) -> dict[str, str]:
    """Return the files of the set-up that an episode was recorded with; none if it is unknown."""
    return _read(episode.path.parent.parent, episode.manifest.setup)


def _read(spool: Path, setup: str) -> dict[str, str]:
    """Read the files of a set-up; none if it is missing or damaged."""
    try:
        files = json.loads((spool / _FOLDER / f"{setup}.json").read_bytes())
        return files if isinstance(files, dict) and setup_id(files) == setup else {}
    except (OSError, ValueError, TypeError, ConfigError, SpoolError):
        return {}

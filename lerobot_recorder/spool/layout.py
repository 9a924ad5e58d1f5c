"""Names in a spool, and which directories in it are certainly its own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from lerobot_recorder.spool.manifest import HEADER_FILE, MANIFEST_FILE
from lerobot_recorder.spool.records import ROWS_FILE

_TIME = "%Y%m%dT%H%M%S.%fZ"
_PATTERN = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-[0-9a-f]{4}")
ID_LENGTH = len("20261128T041520.010526Z-08ba")
_STEP = timedelta(microseconds=1)


def new_episode_id(after: str = "") -> str:
    """Make an identifier that is unique and, compared as text, greater than another one.

    Args:
        after: an identifier; where the clock is behind its time, the new one follows it by a microsecond.
    """
    now = datetime.now(timezone.utc)
    if is_episode_id(after):
        now = max(now, _time_of(after) + _STEP)
    return f"{now.strftime(_TIME)}-{secrets.token_hex(2)}"


def is_episode_id(name: str) -> bool:
    """Tell whether a name has the form of an identifier."""
    match = _PATTERN.fullmatch(name)
    if match is None:
        return False
    try:
        return _time_of(name) < datetime.max.replace(tzinfo=timezone.utc) - _STEP
    except ValueError:  # as of a 13th month
        return False


def newest_of(names: Iterable[str]) -> str:
    """Return the greatest identifier among some names; empty where there is none."""
    return next(filter(is_episode_id, sorted(names, reverse=True)), "")


def _time_of(episode_id: str) -> datetime:
    return datetime.strptime(episode_id.partition("-")[0], _TIME).replace(tzinfo=timezone.utc)


STATES = ("recording", "ready", "claimed", "committing", "rejected", "failed", "discarded")
ERASING = "erasing"
LOCK_FILE = "lock"
LAST_ID_FILE = "last_id"
CLAIM_FILE = "claim"
ERROR_FILE = "error.txt"
BALLAST_FILE = "ballast"
DISCARDED_FILE = "discarded.json"

_OF_WRITER = re.compile(
    "|".join(map(re.escape, (HEADER_FILE, ROWS_FILE, BALLAST_FILE, MANIFEST_FILE, DISCARDED_FILE)))
    + r"|.*\.json\.partial"
)
_IMAGES = re.compile(r".*\.(i420|thumbs|jpeg|depth16|depth32)")
_PNG = re.compile(r"frame-\d{6,}\.png")


def is_take(path: Path) -> bool:
    """Tell whether a directory in `recording/` was created by a writer."""
    return (path / HEADER_FILE).is_file() or is_only_of_writer(path)


def is_only_of_writer(path: Path) -> bool:
    """Tell whether a directory holds nothing but what a writer creates, by its name and those in it."""
    return is_episode_id(path.name) and all(_is_of_writer(entry) for entry in path.iterdir())


def _is_of_writer(entry: Path) -> bool:
    if entry.is_dir():
        return all(_PNG.fullmatch(image.name) for image in entry.iterdir())
    return bool(_OF_WRITER.fullmatch(entry.name) or _IMAGES.fullmatch(entry.name))


def is_png(path: Path) -> bool:
    """Tell whether a file is named as an image of a PNG camera."""
    return bool(_PNG.fullmatch(path.name))


def another_name(episode_id: str) -> str:
    """Name a copy of an episode, or what is about to be erased, so that it is taken for no episode."""
    return f"{episode_id}.{secrets.token_hex(4)}"


def is_named_after_episode(name: str) -> bool:
    """Tell whether a name is an identifier, or was made of one by `another_name`."""
    return is_episode_id(name[:ID_LENGTH]) and (len(name) == ID_LENGTH or name[ID_LENGTH] == ".")

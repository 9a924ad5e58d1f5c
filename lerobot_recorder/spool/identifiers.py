"""Identifiers of episodes; they sort by age, even after the clock was set back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

_TIME = "%Y%m%dT%H%M%S.%fZ"
_PATTERN = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-[0-9a-f]{4}")
_LENGTH = len("20261128T041520.010526Z-08ba")
_STEP = timedelta(microseconds=1)


def new_episode_id(after: str = "") -> str:
    """Make a unique identifier that sorts after another one.

    Args:
        after: an identifier. If the clock is behind its time, the new one is a microsecond later.
    """
    now = datetime.now(timezone.utc)
    if is_episode_id(after):
        now = max(now, _time_of(after) + _STEP)
    return f"{now.strftime(_TIME)}-{secrets.token_hex(2)}"


def is_episode_id(name: str) -> bool:
    """Return whether a name has the form of an identifier."""
    match = _PATTERN.fullmatch(name)
    if match is None:
        return False
    try:
        return _time_of(name) < datetime.max.replace(tzinfo=timezone.utc) - _STEP
    except ValueError:  # for example a 13th month
        return False


def newest_of(names: Iterable[str]) -> str:
    """Return the identifier that sorts last; empty if there is none."""
    return next(filter(is_episode_id, sorted(names, reverse=True)), "")


def another_name(episode_id: str) -> str:
    """Return a name that shows the episode but is not an identifier."""
    return f"{episode_id}.{secrets.token_hex(4)}"


def is_named_after_episode(name: str) -> bool:
    """Return whether a name is an identifier, or was made of one by ``another_name``."""
    return is_episode_id(name[:_LENGTH]) and (len(name) == _LENGTH or name[_LENGTH] == ".")


def _time_of(episode_id: str) -> datetime:
    return datetime.strptime(episode_id.partition("-")[0], _TIME).replace(tzinfo=timezone.utc)

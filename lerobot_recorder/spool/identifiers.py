"""Identifiers of episodes: unique, in an order that no clock turns back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

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

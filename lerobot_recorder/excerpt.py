"""Bounded texts out of what others send: messages of this package quote it, and must not grow with it."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

_LONGEST = 200
_LONGEST_NAME = 60
_MOST_NAMES = 8


def excerpt(value: object, longest: int = _LONGEST) -> str:
    """Return a value as text; of a long one the beginning and the end.

    Args:
        value: anything.
        longest: characters that are kept.
    """
    text = str(value)
    if len(text) <= longest:
        return text
    head = longest * 2 // 3
    return f"{text[:head]} ... {text[len(text) - (longest - head) :]}"


def listing(names: Collection[object], most: int = _MOST_NAMES) -> str:
    """Return names with commas between them; of a long list the first ones, and how many more there are.

    Args:
        names: anything that can be printed.
        most: names that are kept.
    """
    shown = ", ".join(excerpt(name, _LONGEST_NAME) for name in islice(names, most))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown

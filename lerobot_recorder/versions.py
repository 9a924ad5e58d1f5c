"""Versions of programs, to keep beside what they made."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "unknown"


def version_of(package: str) -> str:
    """Return the version of an installed package; ``unknown`` if it is used without being installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return UNKNOWN

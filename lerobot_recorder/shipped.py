"""Finds the files in ``config/`` that are installed with the package."""

from __future__ import annotations

from pathlib import Path

from lerobot_recorder.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent


def shipped_config(name: str) -> Path:
    """Return the path of a file in ``config/``.

    Raises:
        ConfigError: the file was not installed with the package
    """
    # Beside the package in a checkout, otherwise below the prefix of <prefix>/lib/python3.x/site-packages.
    installed = [prefix / "share" / "lerobot_recorder" / "config" for prefix in _PACKAGE.parents[3:4]]
    places = [_PACKAGE.parent / "config", *installed]
    for place in places:
        if (place / name).is_file():
            return place / name
    searched = " and ".join(map(str, places))
    raise ConfigError(f"{name} is not in {searched}: install the package again")

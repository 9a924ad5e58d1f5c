"""Finds the configuration files that come with the package."""

from __future__ import annotations

from pathlib import Path

import lerobot_recorder
from lerobot_recorder.errors import ConfigError

_PACKAGE = Path(lerobot_recorder.__file__).resolve().parent


def shipped_config(name: str) -> Path:
    """Return the path of a file in ``config/``.

    Raises:
        ConfigError: it was not installed along with the package.
    """
    # In a checkout beside the package, else below the prefix of <prefix>/lib/python3.x/site-packages.
    installed = [prefix / "share" / "lerobot_recorder" / "config" for prefix in _PACKAGE.parents[3:4]]
    places = [_PACKAGE.parent / "config", *installed]
    for place in places:
        if (place / name).is_file():
            return place / name
    searched = " and ".join(map(str, places))
    raise ConfigError(f"{name} is not in {searched}: install the package again")

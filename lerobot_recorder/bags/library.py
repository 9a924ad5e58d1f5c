"""The optional packages that reading and writing bags needs."""

from __future__ import annotations

from importlib.util import find_spec

from lerobot_recorder.errors import ConfigError

_PACKAGES = ("mcap", "rosbags")


def require_library() -> None:
    """Check that the packages of the extra ``bags`` are installed.

    Raises:
        ConfigError: one of them is missing.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(f"bags need {' and '.join(missing)}: pip install 'lerobot_recorder[bags]'")

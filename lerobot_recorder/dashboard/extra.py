"""The packages that the extra ``dashboard`` installs."""

from __future__ import annotations

from importlib.util import find_spec

from lerobot_recorder.errors import ConfigError

EXTRA = ("starlette", "uvicorn", "segno")

CODE_HINT = "scan this with the phone, or open"
"""What stands between the code for a phone and its link; here, because it needs none of these packages."""


def require_extra() -> None:
    """Check that the packages are installed.

    Raises:
        ConfigError: some are not.
    """
    if missing := [name for name in EXTRA if find_spec(name) is None]:
        raise ConfigError(
            f"the dashboard needs {', '.join(missing)}: pip install 'lerobot_recorder[dashboard]', or "
            f"pip install {' '.join(missing)}"
        )

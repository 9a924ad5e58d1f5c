"""Names of datasets, by the rules of the Hugging Face Hub."""

from __future__ import annotations

import re

from lerobot_recorder.errors import ConfigError

_LONGEST = 96
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")


def check_repo_id(repo_id: str) -> None:
    """Refuse a name that the Hub would refuse, once the dataset is recorded.

    Raises:
        ConfigError: it is no name, or no user and name.
    """
    if why := _fault(repo_id):
        raise ConfigError(f"repo_id: expected user/name as in me/pick_cube, found {repo_id!r}: {why}")


def _fault(repo_id: str) -> str:
    parts = repo_id.split("/")
    if "://" in repo_id:
        return "it is an address; the name is its last two parts"
    if len(parts) > 2:
        return "it has more than one /; a directory is given with root"
    if not all(_NAME.fullmatch(part) for part in parts):
        return "user and name have letters, digits, and within them also -, _ and ."
    if "--" in repo_id or ".." in repo_id:
        return "it cannot contain -- or .."
    if repo_id.endswith(".git"):
        return "it cannot end in .git"
    return f"its name has more than {_LONGEST} characters" if len(parts[-1]) > _LONGEST else ""

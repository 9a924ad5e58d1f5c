"""Runs scripts with LeRobot's own Python, which LEROBOT_PYTHON names, so that its decoders find FFmpeg."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

PYTHON = os.environ.get("LEROBOT_PYTHON")
V21_PYTHON = os.environ.get("LEROBOT_V21_PYTHON")
"""One with LeRobot 0.3.3, the last version that reads format v2.1."""

NO_LEROBOT = "LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"

_FOREIGN = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
_HASHED = re.compile(r"(lib\w+)-[0-9a-f]+(\.so\.\d+)")


def environment(home: Path, python: str | None = PYTHON) -> dict[str, str]:
    """Return an environment without ROS and without a network, with a cache of its own.

    torchcodec, LeRobot's default decoder, asks the system for FFmpeg, which PyAV brings under other names.
    """
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    libraries = home / "ffmpeg"
    if not libraries.exists():
        libraries.mkdir()
        for path in Path(str(python)).parents[1].glob("lib/python3*/site-packages/av.libs/*"):
            plain = _HASHED.match(path.name)
            for name in {path.name, "".join(plain.groups()) if plain else path.name}:
                (libraries / name).symlink_to(path)
    own = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HOME": str(home)}
    return {**kept, **own, "LD_LIBRARY_PATH": str(libraries)}


def run_lerobot(home: Path, *arguments: object, python: str | None = PYTHON, **variables: str) -> str:
    """Run a script and return what it prints.

    Args:
        home: Where LeRobot keeps its cache.
        arguments: The script and its arguments.
        python: The Python that runs it.
        variables: More environment variables.
    """
    result = subprocess.run(
        [str(python), *map(str, arguments)],
        env={**environment(home, python), **variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout

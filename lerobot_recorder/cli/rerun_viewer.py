"""Opens a dataset in the Rerun viewer, where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import typer

from lerobot_recorder.errors import ConfigError


def open_in_rerun(root: Path) -> None:
    """Show a dataset in Rerun, one recording per episode, until its window is closed.

    Its server can be reached from this computer only.

    Raises:
        ConfigError: Rerun is not installed
        Exit: it ended with an error
    """
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    program = shutil.which("rerun", path=places)
    if program is None:
        raise ConfigError("cannot open Rerun: it is not installed: pip install rerun-sdk")
    ended = subprocess.run([program, "--bind", "127.0.0.1", str(root.absolute())], check=False).returncode
    if ended:
        raise typer.Exit(1)

"""Starts ``lerobot-recorder``; Ctrl-C while its modules are imported ends it with a sentence."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Import the commands, then run the command line."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a shell may have it ignored
        signal.signal(signal.SIGINT, _end)
    from lerobot_recorder.cli.app import main as run

    signal.signal(signal.SIGINT, before)
    run()


def _end(*_: object) -> None:
    os.write(2, b"interrupted: nothing was changed\n")
    os._exit(130)  # an exception would pass through modules that are half imported

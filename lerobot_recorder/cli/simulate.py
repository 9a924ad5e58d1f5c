"""``simulate``: run a simulated arm for any program that talks to an SO-100."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated, Literal

import typer

from lerobot_recorder.simulation import PickAndPlace, SimulatedArm


def simulate(
    link: Annotated[Path, typer.Option(help="Path at which the serial port appears.", show_default=False)],
    role: Annotated[
        Literal["follower", "leader"],
        typer.Option(help="A follower waits for commands; a leader moves as if by hand."),
    ] = "follower",
) -> None:
    """Simulate an SO-100 behind a serial port until interrupted.

    Programs open the link like a USB port and see no difference.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    with SimulatedArm(link, hand=PickAndPlace() if role == "leader" else None):
        typer.echo(f"simulated SO-100 {role} at {link}; Ctrl-C ends it")
        ended.wait()

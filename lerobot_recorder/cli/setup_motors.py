"""``setup-motors``: give each new servo its id, one after the other."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from lerobot_recorder.arms import STANDARD_IDS, set_up_servo
from lerobot_recorder.cli.scan import PortOption
from lerobot_recorder.cli.terminal import EnterKey, operator_console
from lerobot_recorder.errors import ConfigError, DeviceError


def setup_motors(
    port: PortOption,
    joint: Annotated[
        list[str] | None, typer.Option(help="Set up only the servo of this joint; may be repeated.")
    ] = None,
) -> None:
    """Give each servo of a new arm its id and its baud rate.

    As in LeRobot, you connect the controller board to one servo after the other, starting with the gripper.
    """
    joints = _checked(joint) if joint else list(reversed(STANDARD_IDS))
    console, enter = operator_console(), EnterKey()
    for name in joints:
        _set_up(port, name, console, enter)
    console.print("Done. Connect the servos to each other, and the board to the first one.")


def _checked(joints: list[str]) -> list[str]:
    if unknown := [name for name in joints if name not in STANDARD_IDS]:
        raise ConfigError(f"unknown joint {', '.join(unknown)}: expected {', '.join(STANDARD_IDS)}")
    return joints


def _set_up(port: str, name: str, console: Console, enter: EnterKey) -> None:
    """Set up one servo; after an error the operator can fix the cause and try again."""
    servo = STANDARD_IDS[name]
    while True:
        console.print(f"Connect the board to the servo of [bold]{name}[/] only, then press Enter.")
        enter.wait()
        try:
            with console.status(f"looking for the servo on {port}"):
                set_up_servo(port, servo)
        except DeviceError as error:
            console.print(f"That did not work: {error}", style="yellow", markup=False)
        else:
            console.print(f"{name} has id {servo}")
            return

"""``calibrate``: calibrate an arm as LeRobot does, and detect which way the gripper closes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lerobot_recorder.arms import (
    FULL_TURN,
    JOINTS,
    STANDARD_IDS,
    Calibration,
    Calibrator,
    JointRange,
    Role,
    ServoBus,
    default_path,
)
from lerobot_recorder.cli.scan import PortOption
from lerobot_recorder.cli.terminal import EnterKey, operator_console, plain_table
from lerobot_recorder.errors import BusError, CalibrationError

T = TypeVar("T")

_LOOK_S = 0.02
_LONGEST_LOSS_S = 10.0
"""How long answers may be missing before the calibration ends."""


def calibrate(
    role: Annotated[Role, typer.Option(help="Role of the arm.", show_default=False)],
    port: PortOption,
    name: Annotated[
        str,
        typer.Option("--id", help="LeRobot's id of the arm, or the path of the file.", show_default=False),
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Overwrite an existing calibration.")
    ] = False,
) -> None:
    """Calibrate an arm by hand: first its middle pose, then the range of each joint, then the closed gripper.

    The result is a calibration file of LeRobot, stored where LeRobot looks for it.
    """
    path = _calibration_path(name, role)
    if path.exists() and not overwrite:
        raise CalibrationError(
            f"{path} already exists: use --overwrite to replace this calibration, or choose another --id"
        )
    console, enter = operator_console(), EnterKey()
    with ServoBus(port, names={servo: joint for joint, servo in STANDARD_IDS.items()}) as bus:
        calibrator = Calibrator(bus)
        console.print("Torque is off. Move every joint to the middle of its range, then press Enter.")
        _asked(calibrator.set_middle, console, enter)
        console.print(
            f"Now move every joint except {FULL_TURN} through its whole range, then press Enter. "
            "Move the gripper from closed to wide open."
        )
        _observe_ranges(calibrator, console, enter)
        calibration = _finish(calibrator, console, enter)
    calibration.save(path)
    if calibration.joints["gripper"].drive_mode:
        console.print("The gripper closes at the upper end of its range: drive_mode 1.")
    console.print(f"The calibration is stored in {path} and in the servos")


def _calibration_path(name: str, role: Role) -> Path:
    if "/" in name or name.endswith(".json"):
        return Path(name).expanduser()
    return default_path(name, role)


def _observe_ranges(calibrator: Calibrator, console: Console, enter: EnterKey) -> None:
    """Show the ranges while they grow, until the operator presses Enter and the ranges are complete.

    A moving cable may lose answers: what is missed is read the next time.
    """
    while True:
        with Live(console=console, refresh_per_second=15) as live:
            lost_since_s: float | None = None
            while not enter.pressed(_LOOK_S):
                try:
                    live.update(ranges_table(calibrator.observe()))
                    lost_since_s = None
                except BusError as error:
                    lost_since_s = lost_since_s or time.monotonic()
                    if time.monotonic() - lost_since_s > _LONGEST_LOSS_S:
                        raise
                    live.update(Text(f"{error}; trying again", "yellow"))
        try:
            return calibrator.check_ranges()
        except CalibrationError as error:
            _ask_again(console, error)


def _finish(calibrator: Calibrator, console: Console, enter: EnterKey) -> Calibration:
    """Ask the operator to close the gripper, until it is closed."""
    console.print("Now close the gripper and hold it closed, then press Enter.")
    return _asked(calibrator.finish, console, enter)


def _asked(step: Callable[[], T], console: Console, enter: EnterKey) -> T:
    """Do a step when Enter is pressed; after an error, do it again at the next press."""
    while True:
        enter.wait()
        try:
            return step()
        except (BusError, CalibrationError) as error:
            _ask_again(console, error)


def _ask_again(console: Console, error: Exception) -> None:
    console.print(f"Not yet: {error}. Press Enter when done.", style="yellow", markup=False)


def ranges_table(ranges: Mapping[str, JointRange]) -> Table:
    """Return a table of how far each joint has been moved, in ticks and degrees."""
    table = plain_table("joint", "lowest", "present", "highest", "range")
    for name in JOINTS:
        seen = ranges[name]
        moved = f"{(seen.highest - seen.lowest) * 360 / 4095:.0f}°"
        cells = ("", str(seen.present), "", "full turn")
        if name != FULL_TURN:
            cells = (str(seen.lowest), str(seen.present), str(seen.highest), moved)
        table.add_row(name, *cells)
    return table

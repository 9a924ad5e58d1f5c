"""``calibrate``: LeRobot's procedure, and which way the gripper closes, into LeRobot's file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

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
from lerobot_recorder.errors import CalibrationError

_LOOK_S = 0.02


def calibrate(
    role: Annotated[Role, typer.Option(help="What the arm is.", show_default=False)],
    port: PortOption,
    name: Annotated[
        str,
        typer.Option("--id", help="LeRobot's id of the arm, or the path of the file.", show_default=False),
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the calibration there is.")] = False,
) -> None:
    """Calibrate an arm by hand: its middle first, then how far each joint goes, then the closed gripper.

    The file is LeRobot's, in the place where LeRobot looks for it.
    """
    path = _place(name, role)
    if path.exists() and not overwrite:
        raise CalibrationError(
            f"there is a calibration already, {path}: give --overwrite to replace it, or another --id"
        )
    console, enter = operator_console(), EnterKey()
    with ServoBus(port, names={servo: joint for joint, servo in STANDARD_IDS.items()}) as bus:
        calibrator = Calibrator(bus)
        console.print("The arm is let go. Bring every joint to the middle of its range, then press Enter.")
        enter.wait()
        calibrator.set_middle()
        console.print(
            f"Now move every joint but {FULL_TURN} through all its range, then press Enter. "
            "The gripper: from closed to wide open."
        )
        _observe_ranges(calibrator, console, enter)
        calibration = _finish(calibrator, console, enter)
    calibration.save(path)
    if calibration.joints["gripper"].drive_mode:
        console.print("The gripper closes at the upper end of its range: drive_mode 1.")
    console.print(f"The calibration is in {path}, and in the servos")


def _place(name: str, role: Role) -> Path:
    if "/" in name or name.endswith(".json"):
        return Path(name).expanduser()
    return default_path(name, role)


def _observe_ranges(calibrator: Calibrator, console: Console, enter: EnterKey) -> None:
    """Show the ranges as they grow, until they are said to be complete, and are."""
    while True:
        with Live(console=console, refresh_per_second=15) as live:
            while not enter.pressed(_LOOK_S):
                live.update(ranges_table(calibrator.observe()))
        try:
            return calibrator.check_ranges()
        except CalibrationError as error:
            _ask_again(console, error)


def _finish(calibrator: Calibrator, console: Console, enter: EnterKey) -> Calibration:
    """Have the gripper closed, until it is."""
    console.print("Now close the gripper and hold it closed, then press Enter.")
    while True:
        enter.wait()
        try:
            return calibrator.finish()
        except CalibrationError as error:
            _ask_again(console, error)


def _ask_again(console: Console, error: CalibrationError) -> None:
    console.print(f"Not yet: {error}. Then press Enter.", style="yellow", markup=False)


def ranges_table(ranges: Mapping[str, JointRange]) -> Table:
    """Show how far each joint has been moved, in ticks and degrees."""
    table = plain_table("joint", "lowest", "present", "highest", "range")
    for name in JOINTS:
        seen = ranges[name]
        moved = f"{(seen.highest - seen.lowest) * 360 / 4095:.0f}°"
        cells = ("", str(seen.present), "", "full turn")
        if name != FULL_TURN:
            cells = (str(seen.lowest), str(seen.present), str(seen.highest), moved)
        table.add_row(name, *cells)
    return table

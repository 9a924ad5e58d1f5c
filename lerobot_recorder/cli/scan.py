"""``scan``: list the servos on a bus and their state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from lerobot_recorder.arms import (
    BAUD_RATES,
    MAX_ID,
    STANDARD_IDS,
    Alarm,
    FoundServo,
    UnreadableServo,
    scan_port,
)
from lerobot_recorder.cli.terminal import operator_console, plain_table
from lerobot_recorder.errors import DeviceError

PortOption = Annotated[
    str, typer.Option(help="Serial port of the arm; find-port prints it.", show_default=False)
]

_COLUMNS = ("id", "joint", "model", "baud rate", "ticks", "voltage", "temperature", "alarm")
_JOINTS = {servo: name for name, servo in STANDARD_IDS.items()}


def scan(
    port: PortOption,
    all_baud_rates: Annotated[
        bool, typer.Option("--all-baud-rates", help="Also look for servos at other baud rates.")
    ] = False,
    max_id: Annotated[int, typer.Option(min=0, max=MAX_ID, help="Highest id to look for.")] = MAX_ID,
) -> None:
    """List the servos on a port: id, model, baud rate, position, voltage, temperature and alarms."""
    console = operator_console()
    baud_rates = BAUD_RATES if all_baud_rates else BAUD_RATES[:1]
    with console.status(f"looking for servos on {port}"):
        found = scan_port(port, baud_rates, range(max_id + 1))
        servos = sorted(found, key=lambda servo: servo.id)
    if not servos:
        hint = "" if all_baud_rates else "; new servos may need --all-baud-rates"
        raise DeviceError(f"no servo answers on {port}: check the power supply and the cables{hint}")
    console.print(_table(servos))
    if reasons := [servo.reason for servo in servos if isinstance(servo, UnreadableServo)]:
        raise DeviceError("; ".join(reasons))


def _table(servos: Sequence[FoundServo | UnreadableServo]) -> Table:
    table = plain_table(*_COLUMNS)
    for servo in servos:
        table.add_row(str(servo.id), _JOINTS.get(servo.id, "?"), *_cells(servo))
    return table


def _cells(servo: FoundServo | UnreadableServo) -> tuple[str, ...]:
    if isinstance(servo, UnreadableServo):
        return "?", str(servo.baud_rate), "?", "?", "?", "unread"
    return (
        servo.model,
        str(servo.baud_rate),
        str(servo.position),
        f"{servo.voltage_v:.1f} V",
        f"{servo.temperature_c} °C",
        alarm_names(servo.alarm) or "none",
    )


def alarm_names(alarm: Alarm) -> str:
    """Return the names of a servo's active alarms, empty if it has none."""
    return ", ".join(str(flag.name).lower() for flag in Alarm if flag in alarm)

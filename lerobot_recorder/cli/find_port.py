"""``find-port``: find the serial port of an arm."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from lerobot_recorder.arms import serial_ports, unplugged_port
from lerobot_recorder.cli.terminal import operator_console, persistent_name
from lerobot_recorder.errors import DeviceError

BY_ID = Path("/dev/serial/by-id")

_POLL_S = 0.2
_SETTLING_S = 0.5

Ports = Mapping[str, str]


def find_port(
    patience_s: Annotated[float, typer.Option(min=0, help="How long to wait for the cable.")] = 60.0,
) -> None:
    """Find the port of an arm: you unplug its USB cable and plug it in again."""
    console = operator_console()
    before = serial_ports()
    if not before:
        raise DeviceError("this computer has no serial port: plug in the arm's USB cable and try again")
    for port, description in before.items():
        console.print(f"{port}  {description}")
    console.print("Unplug the USB cable of the arm.")
    after = _ports_once(lambda ports: bool(set(before) - set(ports)), patience_s)
    gone = unplugged_port(before, after)
    console.print(f"The arm was on {gone}. Plug it in again.")
    back = _ports_once(lambda ports: bool(set(ports) - set(after)), patience_s)
    port = _new_port(after, back, gone)
    console.print(f"The arm is on {port}", style="bold green")
    if name := persistent_name(port, BY_ID):
        console.print(f"A name that stays the same after a restart: {name}")


def _ports_once(condition: Callable[[Ports], bool], patience_s: float) -> Ports:
    """Wait until the ports fulfil a condition or the time is up, and return them."""
    deadline = time.monotonic() + patience_s
    while not condition(serial_ports()) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    time.sleep(_SETTLING_S)
    return serial_ports()


def _new_port(before: Ports, after: Ports, gone: str) -> str:
    new = sorted(set(after) - set(before))
    if len(new) != 1:
        found = f"{len(new)} ports appeared, {', '.join(new)}" if new else "no port appeared"
        raise DeviceError(f"{found}: the arm was on {gone}; plug in only its cable")
    return new[0]

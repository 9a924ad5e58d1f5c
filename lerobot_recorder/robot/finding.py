"""Finding arms: which port is one, and which servos are on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from serial.tools import list_ports

from lerobot_recorder.errors import BusError, DeviceError
from lerobot_recorder.robot import registers as r
from lerobot_recorder.robot.bus import ServoBus
from lerobot_recorder.robot.protocol import MAX_ID, Alarm


@dataclass(frozen=True)
class FoundServo:
    """A servo that answered.

    Attributes:
        id: Its id.
        baud_rate: The speed at which it answered.
        model: Its model's name, or number where that has none.
        firmware: Its version.
        position: In ticks.
        voltage_v: Of its supply.
        temperature_c: Of its motor.
        alarm: What it complains about.
    """

    id: int
    baud_rate: int
    model: str
    firmware: str
    position: int
    voltage_v: float
    temperature_c: int
    alarm: Alarm


@dataclass(frozen=True)
class UnreadableServo:
    """A servo that answers when it is called, and does not tell anything.

    Attributes:
        id: Its id.
        baud_rate: The speed at which it answered.
        reason: What happened instead, one sentence.
    """

    id: int
    baud_rate: int
    reason: str


def serial_ports() -> dict[str, str]:
    """Return the serial ports of this machine, with what is known of each."""
    return {port.device: port.description for port in list_ports.comports()}


def unplugged_port(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return the port that is gone.

    Args:
        before: The ports while the arm was plugged in.
        after: The ports once it was pulled out.

    Raises:
        DeviceError: None is gone, or more than one.
    """
    gone = sorted(set(before) - set(after))
    if len(gone) == 1:
        return gone[0]
    if gone:
        raise DeviceError(f"{len(gone)} ports have gone, {', '.join(gone)}: pull out only one cable")
    found = ", ".join(before) or "none"
    raise DeviceError(
        f"no port has gone (found: {found}): pull out the USB cable of the arm, and wait a second"
    )


def scan_port(
    port: str, baud_rates: Iterable[int] = r.BAUD_RATES[:1], ids: Iterable[int] = range(MAX_ID + 1)
) -> Iterator[FoundServo | UnreadableServo]:
    """Look for servos on a port, and yield each as it is found.

    Raises:
        PortError: The port cannot be opened, or is gone.
    """
    ids = list(ids)
    with ServoBus(port) as bus:
        for baud_rate in baud_rates:
            bus.baud_rate = baud_rate
            for servo in bus.scan(ids):
                yield _examine(bus, servo)


def _examine(bus: ServoBus, servo: int) -> FoundServo | UnreadableServo:
    try:
        return _describe(bus, servo)
    except BusError as error:
        return UnreadableServo(servo, bus.baud_rate, str(error))


def _describe(bus: ServoBus, servo: int) -> FoundServo:
    """Ask for one register after the other: not every model knows the sync read."""
    model = bus.model(servo)
    return FoundServo(
        id=servo,
        baud_rate=bus.baud_rate,
        model=r.MODELS.get(model, str(model)),
        firmware=f"{bus.read(servo, r.FIRMWARE_MAJOR)}.{bus.read(servo, r.FIRMWARE_MINOR)}",
        position=bus.read(servo, r.PRESENT_POSITION),
        voltage_v=bus.read(servo, r.PRESENT_VOLTAGE) / 10,
        temperature_c=bus.read(servo, r.PRESENT_TEMPERATURE),
        alarm=Alarm(bus.read(servo, r.STATUS)),
    )

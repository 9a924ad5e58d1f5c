"""Finds arms and their servos, and sets servo IDs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from serial.tools import list_ports

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.bus import BAUD_RATE, ServoBus
from lerobot_recorder.arms.protocol import MAX_ID, Alarm
from lerobot_recorder.errors import BusError, ConfigError, DeviceError


def set_up_servo(port: str, servo_id: int, search: Iterable[int] = range(MAX_ID + 1)) -> None:
    """Set the ID of the only servo on a port, and the baud rate that arms use.

    Args:
        port: path of the serial port
        servo_id: new ID of the servo
        search: the IDs that it may have now

    Raises:
        ConfigError: the ID is invalid.
        DeviceError: there is not exactly one servo, it is the wrong model, or it does not answer.
    """
    if not 0 <= servo_id <= MAX_ID:
        raise ConfigError(f"a servo's ID must be 0 to {MAX_ID}, found {servo_id}")
    with ServoBus(port) as bus:
        present = _find_only_servo(bus, list(search))
        _require_sts3215(bus, present)
        bus.write(present, r.TORQUE_ENABLE, 0)
        bus.write(present, r.LOCK, 0)
        bus.write(present, r.ID, servo_id)
        bus.write(servo_id, r.BAUD_RATE, r.BAUD_RATES.index(BAUD_RATE))
        bus.baud_rate = BAUD_RATE
        bus.write(servo_id, r.LOCK, 1)


def _find_only_servo(bus: ServoBus, search: list[int]) -> int:
    """Return the ID of the only servo; the bus keeps the baud rate at which it answers."""
    for baud_rate in r.BAUD_RATES:
        bus.baud_rate = baud_rate
        found = list(bus.scan(search))
        if len(found) > 1:
            ids = ", ".join(map(str, found))
            raise DeviceError(f"found servos {ids} on {bus.port}: connect only the one to set up")
        if found:
            return found[0]
    raise DeviceError(f"no servo answers on {bus.port}: connect one and check its power supply")


def _require_sts3215(bus: ServoBus, servo: int) -> None:
    """Refuse other models: their memory has a different layout."""
    model = bus.model(servo)
    if model != r.MODEL_STS3215:
        name = r.MODELS.get(model, f"model number {model}")
        raise DeviceError(
            f"expected an STS3215 as servo {servo} on {bus.port}, found {name}: connect one of an SO-100 arm"
        )


@dataclass(frozen=True)
class FoundServo:
    """A servo that answered.

    Attributes:
        id: its ID
        baud_rate: baud rate at which it answered
        model: name of its model, or the number of an unknown one
        firmware: version of its firmware
        position: position in ticks
        voltage_v: supply voltage
        temperature_c: temperature of its motor
        alarm: its error flags
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
    """A servo that answers a ping but cannot be read.

    Attributes:
        id: its ID
        baud_rate: baud rate at which it answered
        reason: the error, in one sentence
    """

    id: int
    baud_rate: int
    reason: str


def serial_ports() -> dict[str, str]:
    """Return the serial ports of this computer with their descriptions."""
    return {port.device: port.description for port in list_ports.comports()}


def unplugged_port(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return the port that has disappeared.

    Args:
        before: the ports while the arm was connected
        after: the ports after its cable was pulled

    Raises:
        DeviceError: no port or more than one has disappeared.
    """
    gone = sorted(set(before) - set(after))
    if len(gone) == 1:
        return gone[0]
    if gone:
        raise DeviceError(f"{len(gone)} ports have disappeared, {', '.join(gone)}: pull only one cable")
    found = ", ".join(before) or "none"
    raise DeviceError(
        f"no port has disappeared (found: {found}): pull the USB cable of the arm and wait a second"
    )


def scan_port(
    port: str, baud_rates: Iterable[int] = r.BAUD_RATES[:1], ids: Iterable[int] = range(MAX_ID + 1)
) -> Iterator[FoundServo | UnreadableServo]:
    """Search for servos on a port and yield each as it is found.

    Raises:
        PortError: the port cannot be opened or has disappeared.
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
    """Read one register after the other: not every model supports the sync read."""
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

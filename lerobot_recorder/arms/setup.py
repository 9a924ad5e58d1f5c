"""Finding arms: which port is one, and which servos are on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from serial.tools import list_ports

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.bus import BAUD_RATE, ServoBus
from lerobot_recorder.arms.protocol import MAX_ID, Alarm
from lerobot_recorder.errors import BusError, ConfigError, DeviceError


def set_up_servo(port: str, servo_id: int, search: Iterable[int] = range(MAX_ID + 1)) -> None:
    """Give the one servo on a port an id, and the speed that arms use.

    Args:
        port: The serial port's path.
        servo_id: The servo's new id.
        search: The ids that it may have now.

    Raises:
        ConfigError: No servo can have this id.
        DeviceError: There is not exactly one servo, it is none of an arm's, or it does not obey.
    """
    if not 0 <= servo_id <= MAX_ID:
        raise ConfigError(f"a servo's id is 0 to {MAX_ID}, not {servo_id}")
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
    """Leave the bus at the speed at which the servo answers, and return its id."""
    for baud_rate in r.BAUD_RATES:
        bus.baud_rate = baud_rate
        found = list(bus.scan(search))
        if len(found) > 1:
            ids = ", ".join(map(str, found))
            raise DeviceError(f"servos {ids} are on {bus.port}: connect only the one that is to be set up")
        if found:
            return found[0]
    raise DeviceError(f"no servo answers on {bus.port}: connect one, and check its power supply")


def _require_sts3215(bus: ServoBus, servo: int) -> None:
    """Refuse other models: what is written to them would be meant for another memory."""
    model = bus.model(servo)
    if model != r.MODEL_STS3215:
        name = r.MODELS.get(model, f"of model number {model}")
        raise DeviceError(
            f"servo {servo} on {bus.port} is no STS3215, it is {name}: connect a servo that SO-100 arms have"
        )


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

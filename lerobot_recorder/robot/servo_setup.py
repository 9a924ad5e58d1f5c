"""Giving new servos their ids: one at a time on the bus, as all of them leave the factory as number 1."""

from __future__ import annotations

from collections.abc import Iterable

from lerobot_recorder.errors import ConfigError, DeviceError
from lerobot_recorder.robot import registers as r
from lerobot_recorder.robot.bus import BAUD_RATE, ServoBus
from lerobot_recorder.robot.protocol import MAX_ID


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

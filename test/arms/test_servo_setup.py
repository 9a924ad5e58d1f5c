from __future__ import annotations

import pytest

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.setup import set_up_servo
from lerobot_recorder.errors import ConfigError, DeviceError
from lerobot_recorder.simulation import SimulatedArm
from lerobot_recorder.simulation.servo import SimulatedServo

SEARCH = range(8)


@pytest.fixture
def new_servo(simulated: SimulatedArm) -> SimulatedServo:
    """A servo alone on the bus, as it leaves the factory."""
    for servo in simulated.servos.values():
        servo.silent = servo.id != 1
    return simulated.servos["shoulder_pan"]


@pytest.mark.parametrize("baud_rate", [1_000_000, 115_200])
def test_a_servo_gets_its_id_and_speed_and_keeps_them(
    baud_rate: int, new_servo: SimulatedServo, simulated: SimulatedArm
) -> None:
    new_servo.write(r.BAUD_RATE.address, bytes([r.BAUD_RATES.index(baud_rate)]))
    set_up_servo(simulated.port, 5, SEARCH)
    new_servo.power_cycle()
    assert (new_servo.id, new_servo.baud_rate, new_servo.get(r.LOCK)) == (5, 1_000_000, 1)


def test_it_may_keep_its_id(new_servo: SimulatedServo, simulated: SimulatedArm) -> None:
    set_up_servo(simulated.port, 1, SEARCH)
    assert new_servo.id == 1


def test_more_than_one_servo_is_refused(simulated: SimulatedArm) -> None:
    with pytest.raises(DeviceError, match=r"found servos 1, 2, 3, 4, 5, 6 on .*: connect only the one"):
        set_up_servo(simulated.port, 5, SEARCH)


@pytest.mark.parametrize(("number", "name"), [(2825, "STS3250"), (1234, "model number 1234")])
def test_another_model_is_refused_unchanged(
    number: int, name: str, new_servo: SimulatedServo, simulated: SimulatedArm
) -> None:
    new_servo._set(r.MODEL_NUMBER, number)
    with pytest.raises(DeviceError, match=f"expected an STS3215 as servo 1 on .*, found {name}: connect one"):
        set_up_servo(simulated.port, 5, SEARCH)
    assert new_servo.id == 1


@pytest.mark.parametrize("servo_id", [-1, 253, 254, 300])
def test_an_invalid_id_is_refused_before_anything_is_written(
    servo_id: int, new_servo: SimulatedServo, simulated: SimulatedArm
) -> None:
    new_servo.write(r.TORQUE_ENABLE.address, b"\x01")
    with pytest.raises(ConfigError, match=f"a servo's ID must be 0 to 252, found {servo_id}"):
        set_up_servo(simulated.port, servo_id, SEARCH)
    assert (new_servo.id, new_servo.get(r.TORQUE_ENABLE)) == (1, 1)


def test_no_servo_is_an_error(simulated: SimulatedArm) -> None:
    simulated.cut_power()
    with pytest.raises(DeviceError, match=r"no servo answers on .*: connect one"):
        set_up_servo(simulated.port, 5, [1])

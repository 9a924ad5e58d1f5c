from __future__ import annotations

import pytest

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.calibration import SIMULATED
from lerobot_recorder.arms.protocol import Alarm
from lerobot_recorder.arms.registers import Register
from lerobot_recorder.simulation.servo import MAX_SPEED, SimulatedServo

BUILT = SIMULATED.joints["elbow_flex"]


@pytest.fixture
def servo() -> SimulatedServo:
    return SimulatedServo(BUILT, angle=2000.0)


def put(servo: SimulatedServo, register: Register, value: int) -> None:
    servo.write(register.address, register.encode(value))


def drive(servo: SimulatedServo, goal: int) -> None:
    put(servo, r.GOAL_POSITION, goal)
    put(servo, r.TORQUE_ENABLE, 1)


def test_it_goes_to_its_goal_no_faster_than_it_can(servo: SimulatedServo) -> None:
    drive(servo, 3000)
    servo.advance(0.1)
    assert 2000 < servo.angle <= 2000 + 0.1 * MAX_SPEED
    assert servo.get(r.PRESENT_VELOCITY) > 1000
    assert servo.get(r.MOVING) == 1
    servo.advance(2.0)
    assert servo.get(r.PRESENT_POSITION) == 3000
    assert servo.get(r.MOVING) == 0


def test_a_goal_velocity_is_kept(servo: SimulatedServo) -> None:
    put(servo, r.GOAL_VELOCITY, 200)
    drive(servo, 3000)
    servo.advance(1.0)
    assert servo.angle == pytest.approx(2200, abs=10)


def test_it_stays_within_its_position_limits(servo: SimulatedServo) -> None:
    drive(servo, 4095)
    servo.advance(3.0)
    assert servo.get(r.PRESENT_POSITION) == BUILT.range_max


def test_without_torque_it_does_not_move_by_itself(servo: SimulatedServo) -> None:
    put(servo, r.GOAL_POSITION, 3000)
    servo.advance(1.0)
    assert servo.angle == 2000


def test_a_hand_moves_it_only_without_torque(servo: SimulatedServo) -> None:
    servo.hand = 2500.0
    servo.advance(0.1)
    assert servo.get(r.PRESENT_POSITION) == 2500
    drive(servo, 2500)
    servo.hand = 1500.0
    servo.advance(0.1)
    assert servo.get(r.PRESENT_POSITION) == 2500


def test_the_homing_offset_shifts_the_reading_but_not_the_shaft(servo: SimulatedServo) -> None:
    put(servo, r.HOMING_OFFSET, BUILT.homing_offset + 100)
    assert servo.get(r.PRESENT_POSITION) == 1900
    assert servo.angle == 2000


@pytest.mark.parametrize(
    "register", [r.PRESENT_POSITION, r.PRESENT_TEMPERATURE, r.MODEL_NUMBER, r.FIRMWARE_MAJOR]
)
def test_what_is_read_only_stays(register: Register, servo: SimulatedServo) -> None:
    before = servo.get(register)
    put(servo, register, 7)
    assert servo.get(register) == before


def test_a_locked_eeprom_forgets_at_the_next_power_cut(servo: SimulatedServo) -> None:
    put(servo, r.ID, 9)
    assert servo.id == 9
    servo.power_cycle()
    assert servo.id == BUILT.id


def test_an_unlocked_eeprom_remembers(servo: SimulatedServo) -> None:
    put(servo, r.LOCK, 0)
    put(servo, r.ID, 9)
    put(servo, r.TORQUE_ENABLE, 1)
    servo.power_cycle()
    assert servo.id == 9
    assert servo.get(r.TORQUE_ENABLE) == 0
    assert servo.get(r.LOCK) == 1


def test_a_stalled_joint_is_overloaded_and_gives_in(servo: SimulatedServo) -> None:
    servo.stalled = True
    drive(servo, 3000)
    servo.advance(1.0)
    assert servo.get(r.PRESENT_LOAD) == 1000
    assert servo.alarm() == Alarm(0)
    servo.advance(1.5)
    assert servo.alarm() == Alarm.OVERLOAD
    assert servo.get(r.PRESENT_LOAD) == 200
    assert servo.get(r.STATUS) == Alarm.OVERLOAD


def test_an_overload_ends_when_the_strain_does(servo: SimulatedServo) -> None:
    servo.stalled = True
    drive(servo, 3000)
    servo.advance(3.0)
    drive(servo, 2000)
    servo.advance(0.01)
    assert servo.alarm() == Alarm(0)


def test_an_overheated_motor_lets_go(servo: SimulatedServo) -> None:
    servo.overheating = True
    drive(servo, 3000)
    servo.advance(3.0)
    assert servo.alarm() == Alarm.OVERHEAT
    assert servo.get(r.PRESENT_TEMPERATURE) > 70
    before = servo.angle
    drive(servo, 1500)
    servo.advance(0.5)
    assert servo.angle == before


@pytest.mark.parametrize(("volts", "alarm"), [(7.4, Alarm(0)), (3.5, Alarm.VOLTAGE), (12.0, Alarm.VOLTAGE)])
def test_the_supply_has_its_limits(volts: float, alarm: Alarm, servo: SimulatedServo) -> None:
    servo.supply_v = volts
    servo.advance(0.1)
    assert servo.alarm() == alarm
    assert servo.get(r.PRESENT_VOLTAGE) == round(volts * 10)


def test_memory_beyond_its_end_reads_as_zero(servo: SimulatedServo) -> None:
    assert servo.read(250, 20) == bytes(20)
    servo.write(250, bytes(20))

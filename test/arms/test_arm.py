from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterator

import numpy as np
import pytest
from arms import UPRIGHT, eventually

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.calibration import JOINTS, SIMULATED, Calibration
from lerobot_recorder.arms.protocol import Alarm
from lerobot_recorder.arms.registers import Register
from lerobot_recorder.errors import BusError, BusTimeoutError, CalibrationError, DeviceError, PortError
from lerobot_recorder.simulation import ArmOnSimulation, SimulatedArm

OTHER = Calibration(
    {**SIMULATED.joints, "elbow_flex": dataclasses.replace(SIMULATED.joints["elbow_flex"], range_max=3000)}
)


@pytest.fixture
def follower() -> Iterator[Arm]:
    with ArmOnSimulation("follower").open() as arm:
        yield arm


def simulation(arm: Arm) -> SimulatedArm:
    assert isinstance(arm, ArmOnSimulation)
    return arm.simulation


def held(arm: Arm, name: str, register: Register) -> int:
    return simulation(arm).servos[name].get(register)


def a_joint_at(arm: SimulatedArm, register: Register, value: int) -> None:
    arm.servos["elbow_flex"].write(r.LOCK.address, b"\x00")
    arm.servos["elbow_flex"].write(register.address, register.encode(value))


def test_positions_and_velocities_are_read(follower: Arm) -> None:
    position, velocity, effort = follower.read()
    assert effort.size == 0
    assert dict(zip(JOINTS, position, strict=True)) == pytest.approx(simulation(follower).pose(), abs=0.001)
    assert velocity == pytest.approx(np.zeros(6))


@pytest.mark.parametrize(
    ("effort", "register", "unit"),
    [("load", r.PRESENT_LOAD, 0.001), ("current", r.PRESENT_CURRENT, 0.0065)],
)
def test_the_effort_is_read_with_the_position_if_it_is_wanted(effort, register, unit) -> None:
    with ArmOnSimulation("follower", effort=effort).open() as arm:
        arm.enable_torque(True)
        arm.simulation.servos["elbow_flex"].stalled = True
        arm.write_goal(UPRIGHT)
        eventually(lambda: abs(arm.read().effort[2]) > 50 * unit)
        motion = arm.read()
        assert motion.effort[2] == pytest.approx(held(arm, "elbow_flex", register) * unit, abs=20 * unit)
        assert motion.position_rad == pytest.approx(list(arm.simulation.pose().values()), abs=0.05)


def test_it_moves_to_its_goal(follower: Arm) -> None:
    follower.enable_torque(True)
    follower.write_goal(UPRIGHT)
    eventually(lambda: follower.read()[0] == pytest.approx(UPRIGHT, abs=0.003))


def test_it_reports_a_velocity_while_it_moves(follower: Arm) -> None:
    follower.enable_torque(True)
    follower.write_goal(UPRIGHT)
    eventually(lambda: follower.read()[1][1] > 1.0)


def test_goals_are_clipped_to_the_limits(follower: Arm) -> None:
    follower.write_goal(np.full(6, 10.0))
    eventually(
        lambda: held(follower, "elbow_flex", r.GOAL_POSITION) == SIMULATED.joints["elbow_flex"].range_max
    )


def test_enabling_torque_holds_the_present_position(follower: Arm) -> None:
    follower.write_goal(UPRIGHT)
    position, *_ = follower.read()
    follower.enable_torque(True)
    assert follower.read()[0] == pytest.approx(position, abs=0.002)
    assert held(follower, "gripper", r.TORQUE_ENABLE) == 1
    follower.enable_torque(False)
    assert held(follower, "gripper", r.TORQUE_ENABLE) == 0


def test_enabling_torque_holds_the_present_position_if_a_goal_is_lost(follower: Arm) -> None:
    follower.write_goal(UPRIGHT)
    position, *_ = follower.read()
    lost: list[bytes] = []

    def deliver(data: bytes) -> bytes:
        """Lose the first instruction that sets a goal."""
        if data[5] == r.GOAL_POSITION.address and not lost:
            lost.append(data)
            return b""
        return data

    simulation(follower).faults.deliver = deliver  # type: ignore[method-assign]
    follower.enable_torque(True)
    time.sleep(0.1)
    assert lost
    assert follower.read()[0] == pytest.approx(position, abs=0.002)


def test_a_servo_that_was_without_power_is_set_up_again(follower: Arm) -> None:
    follower.enable_torque(True)
    simulation(follower).servos["elbow_flex"].power_cycle()
    health = follower.health()
    assert [name for name, each in health.items() if not each.powered] == ["elbow_flex"]
    follower.set_up()
    assert held(follower, "elbow_flex", r.ACCELERATION) == 254


def test_all_servos_are_released_even_if_one_does_not_answer(follower: Arm) -> None:
    follower.enable_torque(True)
    simulation(follower).servos["shoulder_pan"].silent = True
    with pytest.raises(BusError, match=r"torque is not off on every joint: .*shoulder_pan"):
        follower.enable_torque(False)
    assert held(follower, "gripper", r.TORQUE_ENABLE) == 0


def test_the_health_of_each_servo_is_read(follower: Arm) -> None:
    simulation(follower).servos["wrist_roll"].supply_v = 3.2
    health = follower.health()
    assert health["elbow_flex"].voltage_v == pytest.approx(7.4)
    assert health["elbow_flex"].temperature_c == 28
    assert health["wrist_roll"].alarm == Alarm.VOLTAGE
    assert follower.alarms["wrist_roll"] == Alarm.VOLTAGE


def test_a_follower_is_set_up_as_lerobot_does(follower: Arm) -> None:
    expected = {
        r.RETURN_DELAY_TIME: 0,
        r.MAXIMUM_ACCELERATION: 254,
        r.ACCELERATION: 254,
        r.OPERATING_MODE: 0,
        r.P_COEFFICIENT: 16,
        r.I_COEFFICIENT: 0,
        r.D_COEFFICIENT: 32,
        r.LOCK: 1,
    }
    for name in JOINTS:
        assert {register: held(follower, name, register) for register in expected} == expected
    gripper = {r.MAX_TORQUE_LIMIT: 500, r.PROTECTION_CURRENT: 250, r.OVERLOAD_TORQUE: 25}
    assert {register: held(follower, "gripper", register) for register in gripper} == gripper
    assert held(follower, "elbow_flex", r.MAX_TORQUE_LIMIT) == 1000


def test_a_leader_keeps_its_gains_and_is_released(simulated: SimulatedArm) -> None:
    simulated.servos["elbow_flex"].write(r.TORQUE_ENABLE.address, b"\x01")
    with Arm("leader", simulated.port, SIMULATED).open():
        servo = simulated.servos["elbow_flex"]
        assert (servo.get(r.TORQUE_ENABLE), servo.get(r.P_COEFFICIENT), servo.get(r.ACCELERATION)) == (
            0,
            32,
            254,
        )


def test_multi_turn_feedback_is_switched_off(simulated: SimulatedArm) -> None:
    a_joint_at(simulated, r.PHASE, 0x1C)
    with Arm("follower", simulated.port, SIMULATED).open():
        assert simulated.servos["elbow_flex"].get(r.PHASE) == 0x0C


def test_settings_survive_a_power_cut(simulated: SimulatedArm) -> None:
    with Arm("follower", simulated.port, SIMULATED).open():
        simulated.cut_power()
        simulated.restore_power()
    assert simulated.servos["gripper"].get(r.TORQUE_LIMIT) == 500


def test_an_arm_that_was_left_powered_is_not_dropped(simulated: SimulatedArm) -> None:
    """As a process that was killed leaves it."""
    first = Arm("follower", simulated.port, SIMULATED)
    first.connect()
    first.enable_torque(True)
    first.disconnect()
    with Arm("follower", simulated.port, SIMULATED).open():
        assert all(servo.get(r.TORQUE_ENABLE) for servo in simulated.servos.values())


def test_another_calibration_is_refused_with_both_values(simulated: SimulatedArm) -> None:
    with pytest.raises(
        CalibrationError, match=r"elbow_flex -964, 946 to 3149 instead of -964, 946 to 3000\. Pass"
    ):
        Arm("follower", simulated.port, OTHER).open()


def test_a_calibration_is_written_when_requested(simulated: SimulatedArm, caplog) -> None:
    with (
        caplog.at_level(logging.WARNING),
        Arm("follower", simulated.port, OTHER, write_calibration=True).open(),
    ):
        assert "elbow_flex -964, 946 to 3149 instead of" in caplog.text
    simulated.restore_power()
    with Arm("follower", simulated.port, OTHER).open():
        pass


def test_a_servo_that_does_not_answer_is_named(simulated: SimulatedArm) -> None:
    simulated.servos["wrist_flex"].silent = True
    with pytest.raises(BusTimeoutError, match=r"servo 4 \(wrist_flex\)"):
        Arm("follower", simulated.port, SIMULATED).open()


def test_an_arm_without_power_is_distinguished_from_a_broken_one(simulated: SimulatedArm) -> None:
    simulated.cut_power()
    with pytest.raises(
        BusTimeoutError, match=r"no servo of the leader answers on .*: check that its power supply"
    ):
        Arm("leader", simulated.port, SIMULATED).open()


def test_another_kind_of_servo_is_named(simulated: SimulatedArm) -> None:
    simulated.servos["wrist_flex"]._memory[3:5] = (1284).to_bytes(2, "little")
    with pytest.raises(DeviceError, match=r"wrist_flex .* expected an STS3215 servo, found SCS0009"):
        Arm("follower", simulated.port, SIMULATED).open()


def test_servos_of_different_firmware_are_refused_with_their_versions(simulated: SimulatedArm) -> None:
    simulated.servos["wrist_flex"]._memory[1] = 9
    with pytest.raises(
        DeviceError, match=r"different firmware: .*elbow_flex 3\.10, wrist_flex 3\.9, .*LeRobot"
    ):
        Arm("follower", simulated.port, SIMULATED).open()


def test_a_failed_connection_leaves_the_port_free(simulated: SimulatedArm) -> None:
    with pytest.raises(CalibrationError):
        Arm("follower", simulated.port, OTHER).open()
    with Arm("follower", simulated.port, SIMULATED).open():
        pass


def test_it_can_be_connected_again_and_keeps_its_counts(follower: Arm) -> None:
    simulation(follower).servos["wrist_flex"].silent = True
    with pytest.raises(BusTimeoutError):
        follower.read()
    simulation(follower).servos["wrist_flex"].silent = False
    follower.connect()
    follower.read()
    assert follower.errors["wrist_flex"].timeouts >= 3


def test_a_disconnected_arm_has_no_alarms(follower: Arm) -> None:
    follower.disconnect()
    assert not any(follower.alarms.values())


def test_using_a_disconnected_arm_is_an_error(follower: Arm) -> None:
    follower.disconnect()
    with pytest.raises(DeviceError, match=r"the follower on .* is not connected"):
        follower.read()


def test_a_wrong_port_is_an_error() -> None:
    with pytest.raises(PortError, match="/dev/ttyNone does not exist"):
        Arm("follower", "/dev/ttyNone", SIMULATED).open()

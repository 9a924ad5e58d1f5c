from __future__ import annotations

from dataclasses import replace

import pytest

from lerobot_recorder.arms import Calibration
from lerobot_recorder.arms.calibration import SIMULATED
from lerobot_recorder.preflight import ArmToCheck, check_arm
from lerobot_recorder.simulation import SimulatedArm


@pytest.fixture
def arm():
    with SimulatedArm() as arm:
        yield arm


def to_check(arm: SimulatedArm, **changes) -> ArmToCheck:
    made = ArmToCheck("follower", arm.port, "/dev/a", "mine", SIMULATED, False, 20.0, 0.5)
    return replace(made, **changes)


def shifted() -> Calibration:
    joints = dict(SIMULATED.joints)
    joints["gripper"] = replace(joints["gripper"], homing_offset=7)
    return Calibration(joints)


def memory_of(arm: SimulatedArm) -> list[bytes]:
    return [bytes(servo.read(0, 70)) for servo in arm.servos.values()]


def test_an_arm_that_answers_is_fine_and_is_not_changed(arm):
    for servo in arm.servos.values():
        servo.read(0, 70)
    held = [each[:56] for each in memory_of(arm)]  # without what the servo measures
    found = check_arm(to_check(arm), 0.3)
    assert found.level == "ok", found.text
    assert found.text.startswith("/dev/a: calibrated as mine, 2")
    assert [each[:56] for each in memory_of(arm)] == held


@pytest.mark.parametrize(
    ("write", "level", "what"), [(False, "fault", "write_calibration"), (True, "warning", "will be")]
)
def test_another_calibration_is_a_fault_unless_it_is_written(arm, write, level, what):
    found = check_arm(to_check(arm, calibration=shifted(), write_calibration=write), 0.1)
    assert found.level == level
    assert "gripper" in found.text
    assert what in found.text


def test_an_arm_without_power_is_a_fault(arm):
    arm.faults.silent = True
    found = check_arm(to_check(arm, timeout_s=0.02), 0.1)
    assert (found.subject, found.level) == ("follower", "fault")
    assert "check that its power supply is on" in found.text


def test_a_port_that_does_not_exist_is_a_fault(arm):
    found = check_arm(to_check(arm, port="/dev/nowhere"), 0.1)
    assert (found.level, "does not exist" in found.text) == ("fault", True)

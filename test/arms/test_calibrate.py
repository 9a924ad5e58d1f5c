from __future__ import annotations

import pytest

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.bus import ServoBus
from lerobot_recorder.arms.calibrate import FULL_TURN, Calibrator, JointRange
from lerobot_recorder.arms.calibration import GRIPPER, JOINTS, SIMULATED
from lerobot_recorder.errors import CalibrationError
from lerobot_recorder.simulation import SimulatedArm

MIDDLE = {name: (joint.range_min + joint.range_max) // 2 for name, joint in SIMULATED.joints.items()}


@pytest.fixture
def by_hand(simulated: SimulatedArm):
    """Put the joints somewhere, in the ticks that the arm was built with."""

    def put(**ticks: int) -> None:
        for name, angle in ticks.items():
            simulated.servos[name].angle = float(angle)
        simulated.pose()

    return put


def test_an_arm_is_calibrated_by_hand(simulated: SimulatedArm, bus: ServoBus, by_hand) -> None:
    calibrator = Calibrator(bus)
    by_hand(**MIDDLE)
    calibrator.set_middle()
    assert {seen.present for seen in calibrator.observe().values()} == {2047}
    for end in ("range_min", "range_max"):
        by_hand(
            **{name: getattr(joint, end) for name, joint in SIMULATED.joints.items() if name != FULL_TURN}
        )
        calibrator.observe()
    by_hand(gripper=SIMULATED.joints["gripper"].range_min)
    calibration = calibrator.finish()
    for name, joint in calibration.joints.items():
        built = SIMULATED.joints[name]
        assert joint.range_max - joint.range_min == built.range_max - built.range_min
        assert joint.homing_offset == built.homing_offset + MIDDLE[name] - 2047
    assert (calibration.joints[FULL_TURN].range_min, calibration.joints[FULL_TURN].range_max) == (0, 4095)


def test_the_calibration_is_written_to_the_servos(simulated: SimulatedArm, bus: ServoBus, by_hand) -> None:
    calibrator = Calibrator(bus)
    by_hand(**MIDDLE)
    calibrator.set_middle()
    calibrator.observe()
    by_hand(**{name: ticks + 300 for name, ticks in MIDDLE.items()})
    calibration = calibrator.finish()
    bus.close()
    simulated.restore_power()
    with Arm("leader", simulated.port, calibration).open():
        pass


@pytest.mark.parametrize(("closed_at", "drive_mode"), [("range_min", 0), ("range_max", 1)])
def test_a_closed_gripper_is_0_whichever_way_its_servo_is_mounted(
    closed_at: str, drive_mode: int, bus: ServoBus, by_hand
) -> None:
    calibrator = Calibrator(bus)
    by_hand(**MIDDLE)
    calibrator.set_middle()
    for end in ("range_min", "range_max", closed_at):
        by_hand(
            **{name: getattr(joint, end) for name, joint in SIMULATED.joints.items() if name != FULL_TURN}
        )
        seen = calibrator.observe()["gripper"]
    calibration = calibrator.finish()
    assert calibration.joints["gripper"].drive_mode == drive_mode
    opened = seen.highest if closed_at == "range_min" else seen.lowest
    for ticks, part in ((seen.present, 0), (opened, 100)):
        pose = calibration.to_rad([2047] * 5 + [ticks])
        assert calibration.lerobot_units(pose)[GRIPPER] == pytest.approx(part)
    assert not any(joint.drive_mode for name, joint in calibration.joints.items() if name != "gripper")


def test_a_gripper_that_is_half_open_is_not_taken_for_closed(
    simulated: SimulatedArm, bus: ServoBus, by_hand
) -> None:
    calibrator = Calibrator(bus)
    by_hand(**MIDDLE)
    calibrator.set_middle()
    for end in ("range_min", "range_max"):
        by_hand(
            **{name: getattr(joint, end) for name, joint in SIMULATED.joints.items() if name != FULL_TURN}
        )
        calibrator.observe()
    by_hand(gripper=MIDDLE["gripper"])
    with pytest.raises(CalibrationError, match=r"the gripper is at 50% of its range, .*: close it"):
        calibrator.finish()
    assert simulated.servos["gripper"].get(r.MAX_POSITION_LIMIT) == 4095


@pytest.mark.parametrize("ticks", [-300, 4096, 9000])
def test_a_position_beyond_one_turn_is_named_before_an_offset_is_written(
    ticks: int, simulated: SimulatedArm, bus: ServoBus, monkeypatch
) -> None:
    calibrator = Calibrator(bus)
    monkeypatch.setattr(calibrator, "_positions", lambda: {**MIDDLE, "gripper": ticks})
    with pytest.raises(CalibrationError, match=f"gripper reports position {ticks}, expected 0 to 4095"):
        calibrator.set_middle()
    assert simulated.servos["elbow_flex"].get(r.HOMING_OFFSET) == 0


def test_the_torque_is_switched_off_first(simulated: SimulatedArm, bus: ServoBus) -> None:
    bus.write(3, r.TORQUE_ENABLE, 1)
    Calibrator(bus)
    assert simulated.servos["elbow_flex"].get(r.TORQUE_ENABLE) == 0


def test_the_ranges_are_shown_as_they_grow(bus: ServoBus, by_hand) -> None:
    calibrator = Calibrator(bus)
    by_hand(**MIDDLE)
    calibrator.set_middle()
    calibrator.observe()
    by_hand(elbow_flex=MIDDLE["elbow_flex"] + 400)
    calibrator.observe()
    by_hand(elbow_flex=MIDDLE["elbow_flex"] + 100)
    assert calibrator.observe()["elbow_flex"] == JointRange(2047, 2147, 2447)


def test_a_joint_that_was_not_moved_is_named(bus: ServoBus, by_hand) -> None:
    calibrator = Calibrator(bus)
    calibrator.set_middle()
    calibrator.observe()
    with pytest.raises(CalibrationError, match="shoulder_pan was not moved"):
        calibrator.finish()


def test_a_joint_whose_encoder_only_jitters_was_not_moved(bus: ServoBus, by_hand) -> None:
    calibrator = Calibrator(bus)
    by_hand(**MIDDLE)
    calibrator.set_middle()
    calibrator.observe()
    by_hand(**{name: ticks + 300 for name, ticks in MIDDLE.items() if name != "elbow_flex"})
    by_hand(elbow_flex=MIDDLE["elbow_flex"] + 2)
    calibrator.observe()
    with pytest.raises(CalibrationError, match="elbow_flex was not moved"):
        calibrator.finish()


def test_a_joint_that_leaves_its_servos_turn_is_named(
    bus: ServoBus, by_hand, simulated: SimulatedArm
) -> None:
    calibrator = Calibrator(bus)
    by_hand(**{**MIDDLE, "elbow_flex": SIMULATED.joints["elbow_flex"].range_min})
    bus.write(3, r.HOMING_OFFSET, SIMULATED.joints["elbow_flex"].homing_offset + 900)
    calibrator.observe()
    by_hand(elbow_flex=SIMULATED.joints["elbow_flex"].range_min - 20)
    bus.write(3, r.HOMING_OFFSET, SIMULATED.joints["elbow_flex"].homing_offset + 945)
    with pytest.raises(CalibrationError, match="elbow_flex moved past the end"):
        calibrator.observe()


@pytest.mark.parametrize("ticks", [0, 2047, 4095])
def test_any_middle_has_a_homing_offset(ticks: int, simulated: SimulatedArm, bus: ServoBus) -> None:
    calibrator = Calibrator(bus)
    roll = simulated.servos["wrist_roll"]
    roll.angle = float(ticks - SIMULATED.joints["wrist_roll"].homing_offset)
    calibrator.set_middle()
    assert abs(calibrator.observe()["wrist_roll"].present - 2047) <= 1
    assert set(calibrator.ranges) == set(JOINTS)

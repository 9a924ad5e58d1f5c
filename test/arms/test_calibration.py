from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.arms.calibration import (
    GRIPPER,
    JOINTS,
    SIMULATED,
    Calibration,
    JointCalibration,
    default_path,
    find_calibration,
    load_calibration,
)
from lerobot_recorder.errors import CalibrationError

LEROBOT_FILE = """{
    "shoulder_pan": {"id": 1, "drive_mode": 0, "homing_offset": 112, "range_min": 745, "range_max": 3451},
    "shoulder_lift": {"id": 2, "drive_mode": 0, "homing_offset": -1023, "range_min": 864, "range_max": 3271},
    "elbow_flex": {"id": 3, "drive_mode": 0, "homing_offset": 1001, "range_min": 849, "range_max": 3062},
    "wrist_flex": {"id": 4, "drive_mode": 0, "homing_offset": -46, "range_min": 871, "range_max": 3195},
    "wrist_roll": {"id": 5, "drive_mode": 0, "homing_offset": 12, "range_min": 0, "range_max": 4095},
    "gripper": {"id": 6, "drive_mode": 0, "homing_offset": 1372, "range_min": 2033, "range_max": 3486}
}"""


@pytest.fixture
def lerobot_file(tmp_path: Path) -> Path:
    path = tmp_path / "arm.json"
    path.write_text(LEROBOT_FILE)
    return path


def inverted() -> Calibration:
    return Calibration(
        {**SIMULATED.joints, "gripper": dataclasses.replace(SIMULATED.joints["gripper"], drive_mode=1)}
    )


def test_lerobots_file_is_written_as_it_was_read(lerobot_file: Path, tmp_path: Path) -> None:
    calibration = Calibration.load(lerobot_file)
    assert calibration.joints["gripper"] == JointCalibration(6, 0, 1372, 2033, 3486)
    calibration.save(tmp_path / "new" / "copy.json")
    assert json.loads((tmp_path / "new" / "copy.json").read_text()) == json.loads(LEROBOT_FILE)


def test_units_are_lerobots(lerobot_file: Path) -> None:
    """By LeRobot's formula: (ticks - middle) * 360 / 4095, and the gripper from 0 to 100 over its range."""
    calibration = Calibration.load(lerobot_file)
    ticks = np.array([745, 2000, 3062, 871, 4095, 2760])
    expected = [
        (t - m) * 360 / 4095 for t, m in zip(ticks, [2098, 2067.5, 1955.5, 2033, 2047.5], strict=False)
    ]
    units = calibration.lerobot_units(calibration.to_rad(ticks))
    assert units[:5] == pytest.approx(expected)
    assert units[GRIPPER] == pytest.approx((2760 - 2033) / (3486 - 2033) * 100)


def test_degrees_of_rad_are_lerobots_degrees() -> None:
    position = np.array([0.1, -0.2, 0.3, -0.4, 0.5, 0.6])
    assert SIMULATED.lerobot_units(position)[:5] == pytest.approx(np.degrees(position[:5]))


@pytest.mark.parametrize("calibration", [SIMULATED, inverted()])
def test_the_gripper_opens_from_zero(calibration: Calibration) -> None:
    lowest, highest = calibration.limits_rad[GRIPPER]
    assert lowest == pytest.approx(0)
    assert highest == pytest.approx(1252 * 2 * np.pi / 4095)
    closed, opened = np.zeros(6), np.zeros(6)
    opened[GRIPPER] = highest
    assert calibration.lerobot_units(closed)[GRIPPER] == pytest.approx(0)
    assert calibration.lerobot_units(opened)[GRIPPER] == pytest.approx(100)


def test_body_joints_in_degrees_have_no_drive_mode() -> None:
    mirrored = Calibration(
        {name: dataclasses.replace(j, drive_mode=1) for name, j in SIMULATED.joints.items()}
    )
    position = np.array([2100, 2000, 2500, 1500, 3000, 2500])
    body = SIMULATED.lerobot_units(SIMULATED.to_rad(position))[:5]
    assert mirrored.lerobot_units(mirrored.to_rad(position))[:5] == pytest.approx(body)


def test_an_inverted_gripper_closes_at_its_upper_end() -> None:
    assert inverted().to_ticks(np.zeros(6))[GRIPPER] == SIMULATED.joints["gripper"].range_max


def test_the_gripper_stays_within_0_and_100() -> None:
    position = np.array([0, 0, 0, 0, 0, 5.0])
    assert SIMULATED.lerobot_units(position)[GRIPPER] == 100
    assert SIMULATED.from_lerobot_units([0, 0, 0, 0, 0, -3])[GRIPPER] == 0


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_conversions_are_inverse(parts: list[float]) -> None:
    low, high = SIMULATED.limits_rad.T
    position = low + np.array(parts) * (high - low)
    assert SIMULATED.to_rad(SIMULATED.to_ticks(position)) == pytest.approx(position, abs=1e-9)
    assert SIMULATED.from_lerobot_units(SIMULATED.lerobot_units(position)) == pytest.approx(
        position, abs=1e-9
    )


def test_many_poses_are_converted_at_once() -> None:
    poses = np.tile(np.arange(6) / 10, (4, 1))
    assert SIMULATED.lerobot_units(poses).shape == (4, 6)
    assert SIMULATED.lerobot_units(poses)[2] == pytest.approx(SIMULATED.lerobot_units(poses[0]))


def test_poses_are_not_changed_in_place() -> None:
    pose = np.full(6, 9.0)
    SIMULATED.lerobot_units(pose)
    SIMULATED.clip(pose)
    assert (pose == 9).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gripper": None}, "expected the joints .* gripper, found shoulder_pan"),
        ({"elbow_flex": JointCalibration(3, 0, 0, 900, 900)}, "elbow_flex: range_min 900 is not below"),
        ({"elbow_flex": JointCalibration(2, 0, 0, 900, 3000)}, "two joints have the same ID"),
    ],
)
def test_impossible_values_are_refused(change: dict[str, JointCalibration | None], message: str) -> None:
    joints = {name: joint for name, joint in {**SIMULATED.joints, **change}.items() if joint}
    with pytest.raises(CalibrationError, match=message):
        Calibration(joints)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("id", 253, "elbow_flex: id is 253, a servo holds 0 to 252"),
        ("id", -1, "elbow_flex: id is -1"),
        ("drive_mode", 2, "elbow_flex: drive_mode is 2, a servo holds 0 to 1"),
        ("homing_offset", -2048, "elbow_flex: homing_offset is -2048, a servo holds -2047 to 2047"),
        ("homing_offset", 2048, "elbow_flex: homing_offset is 2048"),
        ("range_min", -100, "elbow_flex: range_min is -100, a servo holds 0 to 4095"),
        ("range_max", 5000, "elbow_flex: range_max is 5000, a servo holds 0 to 4095"),
        ("range_max", 3000.5, "elbow_flex: range_max is 3000.5, expected an integer"),
        ("homing_offset", None, "elbow_flex: homing_offset is None, expected an integer"),
        ("homing_offset", [0, 1], r"elbow_flex: homing_offset is \[0, 1\], expected an integer"),
        ("drive_mode", True, "elbow_flex: drive_mode is True, expected an integer"),
    ],
)
def test_a_value_that_no_servo_can_hold_is_named_when_the_file_is_loaded(
    key: str, value: object, message: str, tmp_path: Path
) -> None:
    entries = json.loads(LEROBOT_FILE)
    entries["elbow_flex"][key] = value
    path = tmp_path / "arm.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(CalibrationError, match=rf"cannot use calibration .*arm\.json: {message}"):
        Calibration.load(path)


@pytest.mark.parametrize(
    "change", [{"homing_offset": 2047, "range_min": 0}, {"homing_offset": -2047, "id": 252}]
)
def test_the_largest_values_that_a_servo_holds_are_loaded(change: dict[str, int]) -> None:
    joint = dataclasses.replace(SIMULATED.joints["elbow_flex"], range_max=4095, **change)
    assert Calibration({**SIMULATED.joints, "elbow_flex": joint}).joints["elbow_flex"] == joint


def test_lerobots_old_format_is_refused_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "main_follower.json"
    old = {
        "homing_offset": [2048, -1024, 1024, -2048, 0, 100],
        "drive_mode": [0, 1, 0, 0, 1, 0],
        "start_pos": [2000] * 6,
        "end_pos": [3000] * 6,
        "calib_mode": ["DEGREE"] * 5 + ["LINEAR"],
        "motor_names": list(JOINTS),
    }
    path.write_text(json.dumps(old))
    with pytest.raises(
        CalibrationError, match=r"main_follower\.json: .*old format .*lerobot-recorder calibrate"
    ):
        Calibration.load(path)


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"gripper": {}}', '{"gripper": 3}', '{"gripper": {"id": "x"}}']
)
def test_a_file_that_is_not_a_calibration_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(CalibrationError, match=r"bad\.json") as refused:
        Calibration.load(path)
    assert "object" not in str(refused.value)


@pytest.mark.parametrize(
    ("role", "directory"),
    [
        ("follower", "robots/so_follower"),
        ("follower", "robots/so101_follower"),
        ("follower", "robots/so100_follower"),
        ("leader", "teleoperators/so_leader"),
        ("leader", "teleoperators/so100_leader"),
    ],
)
def test_lerobots_directories_are_searched(role: str, directory: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_LEROBOT_CALIBRATION", str(tmp_path))
    path = tmp_path / directory / "my_arm.json"
    path.parent.mkdir(parents=True)
    path.write_text(LEROBOT_FILE)
    assert find_calibration("my_arm", role) == path
    assert load_calibration("my_arm", role).joints["gripper"].homing_offset == 1372


def test_the_home_of_lerobot_is_honoured(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("HF_LEROBOT_CALIBRATION", raising=False)
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path))
    assert default_path("me", "leader") == tmp_path / "calibration/teleoperators/so_leader/me.json"


def test_the_error_of_a_missing_calibration_lists_the_searched_paths(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_LEROBOT_CALIBRATION", str(tmp_path))
    with pytest.raises(CalibrationError, match=r"robots/so_follower/lost.json.*lerobot-recorder calibrate"):
        load_calibration("lost", "follower")
    with pytest.raises(CalibrationError, match="needs a calibration"):
        load_calibration("", "follower")


def test_the_simulated_arm_has_its_own() -> None:
    assert load_calibration("sim", "leader") is SIMULATED
    assert tuple(SIMULATED.joints) == JOINTS

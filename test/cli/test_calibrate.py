from __future__ import annotations

import json

import pytest

from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.calibration import JOINTS, SIMULATED, Calibration, load_calibration

MIDDLE = {name: (joint.range_min + joint.range_max) // 2 for name, joint in SIMULATED.joints.items()}
MOVED = [name for name in JOINTS if name != "wrist_roll"]
CLOSED = {"gripper": SIMULATED.joints["gripper"].range_min}
MIRRORED_CLOSED = {"gripper": SIMULATED.joints["gripper"].range_max}


@pytest.fixture
def put(simulated):
    """Make a deed that puts joints somewhere, and does not press Enter unless told."""

    def deed(ticks, enter=False):
        def do():
            for name, angle in ticks.items():
                simulated.servos[name].angle = float(angle)
            simulated.pose()
            return enter

        return do

    return deed


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_LEROBOT_CALIBRATION", str(tmp_path))
    return tmp_path


def end(name):
    return {joint: getattr(SIMULATED.joints[joint], name) for joint in MOVED}


def test_an_arm_is_calibrated_into_lerobots_file(invoke, simulated, operator, put, home):
    ends = [put(end("range_min")), put(end("range_max")), put({}, enter=True), put(CLOSED, enter=True)]
    operator("calibrate", put(MIDDLE, enter=True), *ends)
    result = invoke("calibrate", "--role", "follower", "--port", simulated.port, "--id", "mine")
    assert result.exit_code == 0, result.output
    path = home / "robots/so_follower/mine.json"
    assert str(path) in result.output
    assert list(json.loads(path.read_text())) == list(JOINTS)
    calibration = load_calibration("mine", "follower")
    for name in MOVED:
        found, built = calibration.joints[name], SIMULATED.joints[name]
        assert found.range_max - found.range_min == built.range_max - built.range_min
    Arm("follower", simulated.port, calibration).open().close()


def test_the_ranges_are_shown_last_as_they_are(invoke, simulated, operator, put, home):
    operator(
        "calibrate",
        put(MIDDLE, enter=True),
        put(end("range_min")),
        put(end("range_max")),
        put({}, enter=True),
        put(CLOSED, enter=True),
    )
    result = invoke("calibrate", "--role", "leader", "--port", simulated.port, "--id", "mine")
    elbow = next(line for line in result.output.splitlines() if line.startswith("elbow_flex"))
    span = SIMULATED.joints["elbow_flex"].range_max - SIMULATED.joints["elbow_flex"].range_min
    assert elbow.split()[-1] == f"{span * 360 / 4095:.0f}°"
    assert (home / "teleoperators/so_leader/mine.json").is_file()


def test_a_joint_that_was_not_moved_is_asked_for(invoke, simulated, operator, put, tmp_path):
    early = [put(end("range_min")), put({**end("range_max"), "elbow_flex": end("range_min")["elbow_flex"]})]
    late = [put({"elbow_flex": end("range_max")["elbow_flex"]}), put({}, enter=True), put(CLOSED, enter=True)]
    operator("calibrate", put(end("range_min"), enter=True), *early, put({}, enter=True), put({}), *late)
    path = tmp_path / "arm.json"
    result = invoke("calibrate", "--role", "follower", "--port", simulated.port, "--id", path)
    assert result.exit_code == 0, result.output
    assert "Not yet: elbow_flex was not moved" in result.output
    assert Calibration.load(path)


def test_a_gripper_is_asked_for_until_it_is_closed(invoke, simulated, operator, put, tmp_path):
    half_open = put({"gripper": MIDDLE["gripper"]}, enter=True)
    ends = [put(end("range_min")), put(end("range_max")), put({}, enter=True)]
    operator("calibrate", put(MIDDLE, enter=True), *ends, half_open, put(MIRRORED_CLOSED, enter=True))
    path = tmp_path / "arm.json"
    result = invoke("calibrate", "--role", "follower", "--port", simulated.port, "--id", path)
    assert result.exit_code == 0, result.output
    assert "Not yet: the gripper is at 50% of its range" in result.output
    assert "closes at the upper end of its range: drive_mode 1" in result.output
    assert Calibration.load(path).joints["gripper"].drive_mode == 1


def test_lost_answers_do_not_end_a_calibration(invoke, simulated, operator, put, tmp_path):
    def silent(is_silent, enter=False):
        def do():
            simulated.faults.silent = is_silent
            return enter

        return do

    put(MIDDLE)()
    middle = [silent(True, enter=True), silent(False, enter=True)]
    ends = [put(end("range_min")), silent(True), silent(False), put(end("range_max")), put({}, enter=True)]
    put_closed = put(CLOSED, enter=True)
    closed = [silent(True, enter=True), lambda: silent(False)() or put_closed()]
    operator("calibrate", *middle, *ends, *closed)
    path = tmp_path / "arm.json"
    result = invoke("calibrate", "--role", "follower", "--port", simulated.port, "--id", path)
    assert result.exit_code == 0, result.output
    assert result.output.count("Not yet: ") == 2
    assert Calibration.load(path)


def test_a_calibration_is_not_replaced_unasked(invoke, simulated, tmp_path):
    SIMULATED.save(tmp_path / "arm.json")
    result = invoke("calibrate", "--role", "leader", "--port", simulated.port, "--id", tmp_path / "arm.json")
    assert result.exit_code == 1
    assert result.output.startswith(f"error: {tmp_path / 'arm.json'} already exists: use --overwrite")


def test_without_power_it_is_one_sentence(invoke, simulated, operator, home):
    simulated.cut_power()
    operator("calibrate")
    result = invoke("calibrate", "--role", "leader", "--port", simulated.port, "--id", "mine")
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert len(result.output.splitlines()) == 1
    assert not list(home.rglob("*.json"))

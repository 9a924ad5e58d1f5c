from __future__ import annotations

from functools import partial

import pytest

from lerobot_recorder.arms.calibration import JOINTS
from lerobot_recorder.arms.setup import set_up_servo


@pytest.fixture(autouse=True)
def few_ids(monkeypatch):
    search = partial(set_up_servo, search=range(8))
    monkeypatch.setattr("lerobot_recorder.cli.setup_motors.set_up_servo", search)


@pytest.fixture
def connect(simulated):
    """Connect the board to the servo of one joint alone; all servos are new, number 1."""
    for servo in simulated.servos.values():
        servo.write(55, b"\0")
        servo.write(5, b"\1")

    def alone(joint):
        for name, servo in simulated.servos.items():
            servo.silent = name != joint

    return alone


def test_each_servo_gets_its_id_from_the_gripper_down(invoke, simulated, operator, connect):
    operator("setup_motors", *(partial(connect, joint) for joint in reversed(JOINTS)))
    result = invoke("setup-motors", "--port", simulated.port)
    assert result.exit_code == 0, result.output
    assert [servo.id for servo in simulated.servos.values()] == [1, 2, 3, 4, 5, 6]
    assert "gripper has id 6" in result.output.splitlines()[1]


def test_what_does_not_work_is_tried_again(invoke, simulated, operator, connect):
    def connect_all():
        for servo in simulated.servos.values():
            servo.silent = False
        simulated.servos["gripper"].write(5, b"\2")

    operator("setup_motors", connect_all, lambda: connect("wrist_roll"))
    result = invoke("setup-motors", "--port", simulated.port, "--joint", "wrist_roll")
    assert result.exit_code == 0, result.output
    assert "That did not work: found servos 1, 2 on" in result.output
    assert simulated.servos["wrist_roll"].id == 5


def test_an_unknown_joint_is_named(invoke, simulated):
    result = invoke("setup-motors", "--port", simulated.port, "--joint", "elbow")
    assert result.exit_code == 1
    assert result.output.startswith("error: unknown joint elbow: expected shoulder_pan,")

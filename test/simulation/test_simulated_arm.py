from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import serial
from arms import eventually

from lerobot_recorder.arms import protocol
from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.bus import ServoBus
from lerobot_recorder.arms.calibration import JOINTS, SIMULATED
from lerobot_recorder.errors import PortError
from lerobot_recorder.simulation import PickAndPlace, SimulatedArm, simulated_arm

IDS = range(1, 7)


def test_the_pose_is_that_of_the_servos(simulated: SimulatedArm, bus: ServoBus) -> None:
    bus.sync_write(r.GOAL_POSITION, dict.fromkeys(IDS, 2100))
    for servo in IDS:
        bus.write(servo, r.TORQUE_ENABLE, 1)
    goal = dict(zip(JOINTS, SIMULATED.to_rad(np.full(6, 2100)), strict=True))
    eventually(lambda: simulated.pose() == pytest.approx(goal, abs=0.003))


def test_the_port_can_be_linked(tmp_path: Path) -> None:
    link = tmp_path / "arm"
    link.symlink_to("/dev/pts/gone")
    with SimulatedArm(link) as arm, ServoBus(str(link)) as bus:
        assert arm.port == str(link)
        assert bus.model(1) == r.MODEL_STS3215
    assert not link.is_symlink()


def test_what_is_in_the_way_of_the_link_stays(tmp_path: Path) -> None:
    link = tmp_path / "arm"
    link.write_text("mine")
    with pytest.raises(PortError, match=r"cannot create the simulated arm's port .*arm"):
        SimulatedArm(link)
    assert link.read_text() == "mine"


def test_nothing_is_left_behind() -> None:
    arm = SimulatedArm()
    directory = Path(arm.port).parent
    arm.close()
    arm.close()
    assert not directory.exists()


def test_an_arm_whose_answers_nobody_reads_still_listens(simulated: SimulatedArm) -> None:
    question = protocol.sync_read(IDS, 0, 70)
    with serial.Serial(simulated.port, 1_000_000, write_timeout=1) as port:
        for _ in range(50):
            port.write(question)
    with ServoBus(simulated.port) as bus:
        assert bus.model(1) == r.MODEL_STS3215


def test_without_power_the_ram_is_lost(simulated: SimulatedArm, bus: ServoBus) -> None:
    bus.write(1, r.TORQUE_ENABLE, 1)
    simulated.cut_power()
    simulated.restore_power()
    assert bus.read(1, r.TORQUE_ENABLE) == 0


def test_the_leader_is_moved_by_the_script() -> None:
    with simulated_arm("leader") as arm:
        rest = dict(zip(JOINTS, PickAndPlace()(0.0), strict=True))
        assert arm.pose().keys() == rest.keys()
        eventually(lambda: abs(arm.pose()["shoulder_lift"] - rest["shoulder_lift"]) > 0.2)


def test_the_follower_stays_where_it_is() -> None:
    with simulated_arm("follower") as arm:
        assert arm.pose() == pytest.approx(arm.pose())

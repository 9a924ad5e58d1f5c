"""The simulated arm, as LeRobot's own bus sees it, and what that bus wrote, as our driver sees it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.calibration import JOINTS, SIMULATED, Calibration
from lerobot_recorder.arms.registers import MODEL_STS3215
from lerobot_recorder.simulation import SimulatedArm

PYTHON = os.environ.get("LEROBOT_PYTHON")
SCRIPT = Path(__file__).with_name("motors_bus.py")

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"
)


def lerobot(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run LeRobot's Python, without what the ROS wheels put into the environment."""
    foreign = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {key: value for key, value in os.environ.items() if key not in foreign}
    return subprocess.run(
        [str(PYTHON), *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def _feetech() -> None:
    if lerobot("-c", "import deepdiff, scservo_sdk, serial").returncode:
        pytest.skip("LeRobot has no servo bus there; install lerobot[feetech]")


MIRRORED = Calibration({name: replace(joint, drive_mode=1) for name, joint in SIMULATED.joints.items()})


@pytest.mark.usefixtures("_feetech")
@pytest.mark.parametrize("built", [SIMULATED, MIRRORED], ids=["drive mode 0", "drive mode 1"])
def test_lerobots_bus_drives_the_simulated_arm_and_ours_reads_what_it_wrote(
    built: Calibration, tmp_path: Path
) -> None:
    given, new = tmp_path / "given.json", tmp_path / "new.json"
    built.save(given)
    with SimulatedArm() as simulated:
        finished = lerobot(SCRIPT, simulated.port, given, new)
        assert finished.returncode == 0, finished.stderr
        said = json.loads(finished.stdout)
        assert said["calibrated"]
        assert said["recalibrated"]
        assert said["models"] == {str(number): MODEL_STS3215 for number in range(1, 7)}
        assert said["position"] == pytest.approx({**dict.fromkeys(JOINTS, 5.0), "gripper": 30.0}, abs=0.5)
        units = built.lerobot_units(built.to_rad([said["ticks"][name] for name in JOINTS]))
        assert list(units) == pytest.approx([said["position"][name] for name in JOINTS], abs=0.2)
        assert set(said["middle"].values()) == {2047}
        calibration = Calibration.load(new)
        with Arm("follower", simulated.port, calibration).open() as arm:
            position, _, _ = arm.read()
            assert calibration.to_ticks(position) == pytest.approx(2047)

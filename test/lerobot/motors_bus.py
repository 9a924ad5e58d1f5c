"""Drive an arm with LeRobot's own FeetechMotorsBus; run by LeRobot's own Python.

Usage: python motors_bus.py PORT CALIBRATION.json NEW.json; moves the arm, calibrates it anew into NEW.json,
and prints one JSON object with what the bus said.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from lerobot.motors import Motor, MotorCalibration, MotorNormMode
from lerobot.motors.feetech import FeetechMotorsBus

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
GOAL = {**dict.fromkeys(JOINTS, 5.0), "gripper": 30.0}
ARRIVAL_S = 20.0


def norm_mode(name: str) -> MotorNormMode:
    return MotorNormMode.RANGE_0_100 if name == "gripper" else MotorNormMode.DEGREES


def arrived(bus: FeetechMotorsBus) -> dict[str, float]:
    deadline = time.monotonic() + ARRIVAL_S
    while True:
        position = bus.sync_read("Present_Position", num_retry=5)
        if (
            all(abs(position[name] - goal) < 0.5 for name, goal in GOAL.items())
            or time.monotonic() > deadline
        ):
            return position


def main() -> None:
    port, given, new = sys.argv[1:]
    calibration = {
        name: MotorCalibration(**joint) for name, joint in json.loads(Path(given).read_text()).items()
    }
    motors = {name: Motor(number, "sts3215", norm_mode(name)) for number, name in enumerate(JOINTS, 1)}
    bus = FeetechMotorsBus(port, motors, calibration)
    bus.connect()
    said = {"calibrated": bus.is_calibrated, "models": bus.broadcast_ping()}
    with bus.torque_disabled():
        bus.configure_motors()
    bus.sync_write("Goal_Position", GOAL)
    said["position"] = arrived(bus)
    said["ticks"] = bus.sync_read("Present_Position", normalize=False, num_retry=5)
    bus.disable_torque()
    offsets = bus.set_half_turn_homings()
    said["middle"] = bus.sync_read("Present_Position", normalize=False, num_retry=5)
    found = {
        name: MotorCalibration(motors[name].id, 0, offsets[name], 1000 + motors[name].id, 3000)
        for name in JOINTS
    }
    bus.write_calibration(found)
    said["recalibrated"] = bus.is_calibrated
    Path(new).write_text(json.dumps({name: vars(joint) for name, joint in found.items()}))
    bus.disconnect()
    print(json.dumps(said))


if __name__ == "__main__":
    main()

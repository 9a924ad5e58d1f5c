"""Measure teleoperation: the age of the leader's position when the follower is commanded, and the ticks.

Without ports it measures two simulated arms, which run in the same process and use part of its CPU.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.calibration import Role, load_calibration
from lerobot_recorder.arms.settings import JointSample, TeleopSettings
from lerobot_recorder.arms.teleop import TeleopLoop
from lerobot_recorder.simulation import ArmOnSimulation

MEASURED = ("rate_hz", "tick_ms_p99", "leader_age_ms_p50", "leader_age_ms_p99")
HEADINGS = ("rate Hz", "tick ms p99", "leader's age ms p50", "p99", "longest gap ms", "CPU cores")


def main() -> None:
    args = parse_arguments()
    stamps: list[int] = []

    def publish(sample: JointSample) -> None:
        if sample.source == "follower":
            stamps.append(sample.stamp_ns)

    follower = opened("follower", args.follower, args.follower_calibration)
    with follower, opened("leader", args.leader, args.leader_calibration) as leader:
        started = time.process_time()
        loop = TeleopLoop(follower, leader, TeleopSettings(rate_hz=args.rate_hz), publish)
        loop.start()
        time.sleep(args.seconds)
        values = loop.status().values
        cpu = (time.process_time() - started) / args.seconds
        loop.stop()
    longest_gap_ms = int(np.diff(stamps).max()) / 1e6
    figures = [float(values[name]) for name in MEASURED]
    table = Table(*HEADINGS, box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_row(*(f"{figure:.2f}" for figure in (*figures, longest_gap_ms, cpu)))
    Console(width=120).print(table)


def opened(role: Role, port: str, calibration: str) -> Arm:
    found = load_calibration(calibration, role)
    return (ArmOnSimulation(role, found) if port == "sim" else Arm(role, port, found)).open()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for role in ("follower", "leader"):
        parser.add_argument(f"--{role}", default="sim", help="its port, or sim")
        parser.add_argument(f"--{role}-calibration", default="sim", help="its id in LeRobot, a path, or sim")
    parser.add_argument("--rate-hz", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Measure the cost of an image of the simulated cameras: ms of CPU at 640x480.

python benchmarks/simulated_camera.py
"""

from __future__ import annotations

import time

from lerobot_recorder.arms.calibration import JOINTS
from lerobot_recorder.arms.kinematics import forward
from lerobot_recorder.simulation.leader import PERIOD_S, PickAndPlace
from lerobot_recorder.simulation.scene.renderer import Renderer
from lerobot_recorder.simulation.scene.viewpoint import viewpoint_of
from lerobot_recorder.simulation.tabletop import Tabletop

COUNT = 180


def measure(camera: str) -> float:
    leader, tabletop, renderer = PickAndPlace(), Tabletop(), Renderer(viewpoint_of(camera), 640, 480)
    instants = [number * PERIOD_S / COUNT for number in range(COUNT)]
    start_s = time.process_time()
    for now_s in instants:
        pose = dict(zip(JOINTS, leader(now_s).tolist(), strict=True))
        renderer.draw(forward(pose) | {"cube": tabletop.update(pose, now_s).frame})
    return (time.process_time() - start_s) / COUNT * 1000


def main() -> None:
    for camera in ("top", "wrist"):
        print(f"{camera:6} {measure(camera):.1f} ms of CPU per image")


if __name__ == "__main__":
    main()

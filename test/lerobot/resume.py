"""Resume a dataset with LeRobot: append an episode of 20 frames to it; run by LeRobot's own Python.

Usage: python resume.py DATASET
"""

from __future__ import annotations

import sys

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

FRAMES = 20


def main() -> None:
    dataset = LeRobotDataset.resume("test/recorded", root=sys.argv[1])
    for number in range(FRAMES):
        frame: dict = {"task": "Put it down"}
        for key, feature in dataset.features.items():
            shape = tuple(feature["shape"])
            if feature["dtype"] == "video":
                frame[key] = np.full(shape, 5 * number, np.uint8)
            elif feature["dtype"] == "float32" and key != "timestamp":
                frame[key] = np.full(shape, number / 10, np.float32)
        dataset.add_frame(frame)
    dataset.save_episode()
    dataset.finalize()
    loaded = LeRobotDataset("test/recorded", root=sys.argv[1])
    frames = [loaded[index] for index in range(len(loaded))]
    assert len(frames) == loaded.meta.total_frames
    print(f"{loaded.num_episodes} episodes, {len(frames)} frames")


if __name__ == "__main__":
    main()

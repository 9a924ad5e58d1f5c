"""Decode every frame of a dataset with LeRobot, and print how much there is; run by LeRobot's own Python.

Usage: python load.py DATASET
"""

from __future__ import annotations

import json
import sys

from lerobot.datasets.lerobot_dataset import LeRobotDataset


def main() -> None:
    dataset = LeRobotDataset("test/recorded", root=sys.argv[1])
    frames = [dataset[index] for index in range(len(dataset))]
    episodes = [int(frame["episode_index"]) for frame in frames]
    print(json.dumps({"episodes": dataset.num_episodes, "frames": len(frames), "of": sorted(set(episodes))}))


if __name__ == "__main__":
    main()

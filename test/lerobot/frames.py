"""Write all frames of a dataset, as LeRobot loads them, into an npz file; run by LeRobot's own Python.

Usage: python frames.py DATASET OUTPUT; the dataset is a directory, or a name on the Hub.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def main() -> None:
    name, output = sys.argv[1:]
    dataset = LeRobotDataset("test/frames", root=name) if Path(name).is_dir() else LeRobotDataset(name)
    frames = [dataset[row] for row in range(len(dataset))]
    columns = {key: np.array([np.asarray(frame[key]) for frame in frames]) for key in frames[0]}
    np.savez(output, **columns)


if __name__ == "__main__":
    main()

"""Record episodes with LeRobot, and end as a killed process does; run by LeRobot's own Python.

Usage: python killed.py OUTPUT; writes OUTPUT/finished, and for each kind of features OUTPUT/<kind>-killed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from theirs import FEATURES, GRID, TASKS, frame

KINDS = {"all": FEATURES, "arrays": {**GRID, "action": FEATURES["action"]}}
EPISODES = 12
"""LeRobot writes ten episode rows at a time."""


def record(root: Path, features: dict[str, Any]) -> LeRobotDataset:
    dataset = LeRobotDataset.create(f"test/{root.name}", 30, features, root=root)
    rng = np.random.default_rng(0)
    for episode in range(EPISODES):
        for number in range(rng.integers(3, 9)):
            dataset.add_frame({**frame(rng, number, features), "task": TASKS[episode % len(TASKS)]})
        dataset.save_episode()
    return dataset


def main() -> None:
    output = Path(sys.argv[1])
    open_datasets = []
    for kind, features in KINDS.items():
        record(output / kind, features).finalize()
        open_datasets.append(record(output / f"{kind}-killed", features))
    os._exit(0)


if __name__ == "__main__":
    main()

"""Print the texts of a dataset, one by one and in a batch; run by LeRobot's own Python.

Usage: python texts.py DATASET FEATURE
"""

from __future__ import annotations

import json
import sys

from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.utils.feature_utils import dataset_to_policy_features
from torch.utils.data import DataLoader


def main() -> None:
    root, feature = sys.argv[1:]
    dataset = LeRobotDataset("test/texts", root=root)
    frames = [dataset[index][feature] for index in range(len(dataset))]
    (batch,) = DataLoader(dataset, batch_size=len(dataset))
    used = feature in dataset_to_policy_features(dataset.meta.features)
    print(json.dumps({"frames": frames, "batch": list(batch[feature]), "for_policies": used}))


if __name__ == "__main__":
    main()

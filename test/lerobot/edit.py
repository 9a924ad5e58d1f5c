"""Edit a dataset with LeRobot's tools, beside one that LeRobot recorded; run by LeRobot's own Python.

Usage: python edit.py DATASET OUTPUT; writes OUTPUT/{theirs,merged,joined,deleted,train,val}.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from lerobot.common.control_utils import sanity_check_dataset_robot_compatibility
from lerobot.datasets.dataset_tools import delete_episodes, merge_datasets, split_dataset
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.utils.constants import DEFAULT_FEATURES
from lerobot.utils.feature_utils import hw_to_dataset_features

FRAMES = 20


def features_of_lerobot_record(ours: LeRobotDataset) -> dict:
    """Return the features that ``lerobot-record`` declares for a robot with these joints and cameras."""
    joints = dict.fromkeys(ours.features["action"]["names"], float)
    cameras = {key.rpartition(".")[2]: tuple(ours.features[key]["shape"]) for key in ours.meta.camera_keys}
    return {
        **hw_to_dataset_features(joints, "action"),
        **hw_to_dataset_features({**joints, **cameras}, "observation"),
    }


def record(root: Path, ours: LeRobotDataset, features: dict) -> LeRobotDataset:
    """Record an episode with LeRobot."""
    dataset = LeRobotDataset.create(
        "test/theirs", ours.fps, features, root=root, robot_type=ours.meta.robot_type, use_videos=True
    )
    for number in range(FRAMES):
        frame: dict = {"task": "Put it down"}
        for key, feature in features.items():
            dtype = np.uint8 if feature["dtype"] == "video" else np.float32
            frame[key] = np.full(feature["shape"], number, dtype)
        dataset.add_frame(frame)
    dataset.save_episode()
    dataset.finalize()
    return LeRobotDataset("test/theirs", root=root)


def main() -> None:
    root, output = map(Path, sys.argv[1:])
    ours = LeRobotDataset("test/recorded", root=root)
    features = features_of_lerobot_record(ours)
    robot = SimpleNamespace(robot_type=ours.meta.robot_type)
    sanity_check_dataset_robot_compatibility(ours, robot, ours.fps, features)  # lerobot-record --resume
    assert set(ours.features) == {*features, *DEFAULT_FEATURES}
    theirs = record(output / "theirs", ours, features)
    merge_datasets([ours, theirs], "test/merged", output / "merged")
    merge_datasets([theirs, ours], "test/joined", output / "joined")
    delete_episodes(ours, [0], output / "deleted", "test/deleted")
    split_dataset(ours, {"train": [0], "val": [1, 2]}, output)


if __name__ == "__main__":
    main()

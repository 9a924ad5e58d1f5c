"""Record, resume, merge and read datasets with LeRobot; run by LeRobot's own Python.

Usage:
    python append.py record DATASET FEATURES    record two episodes; FEATURES are JSON
    python append.py resume DATASET             append an episode
    python append.py merge OUTPUT DATASET...    merge datasets
    python append.py read DATASET [ROW...]      print what is in the rows, in all without numbers
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from lerobot.datasets.dataset_tools import merge_datasets
from lerobot.datasets.lerobot_dataset import LeRobotDataset

FRAMES = 20


def record(root: str, features: str) -> None:
    dataset = LeRobotDataset.create(
        "test/data", 30, json.loads(features), root=root, robot_type="so100", use_videos=True
    )
    for number in range(2):
        add_episode(dataset, number)
    dataset.finalize()


def resume(root: str) -> None:
    dataset = LeRobotDataset.resume("test/data", root=root)
    add_episode(dataset, 2)
    dataset.finalize()


def add_episode(dataset: LeRobotDataset, number: int) -> None:
    for frame in range(FRAMES):
        values = {"task": f"theirs {number}"}
        for key, feature in dataset.features.items():
            if key in dataset.meta.video_keys:
                values[key] = np.full(feature["shape"], 10 * frame + number, np.uint8)
            elif feature["dtype"] == "bool":
                values[key] = np.array([frame == FRAMES - 1])
            elif feature["shape"] == (2,):
                values[key] = np.array([number, frame], np.float32)
        dataset.add_frame(values)
    dataset.save_episode()


def merge(output: str, *roots: str) -> None:
    datasets = [LeRobotDataset("test/data", root=root) for root in roots]
    merge_datasets(datasets, "test/merged", Path(output))


def read(root: str, *rows: str) -> None:
    dataset = LeRobotDataset("test/data", root=root)
    frames = [dataset[index] for index in map(int, rows or range(len(dataset)))]
    (camera,) = dataset.meta.video_keys
    content = {
        "episode": [int(frame["episode_index"]) for frame in frames],
        "task": [frame["task"] for frame in frames],
        "state": [frame["observation.state"].tolist() for frame in frames],
        "mean": [255 * frame[camera].mean(dim=(1, 2)).numpy().astype(float) for frame in frames],
    }
    print(json.dumps({**content, "mean": np.array(content["mean"]).tolist()}))


if __name__ == "__main__":
    {"record": record, "resume": resume, "merge": merge, "read": read}[sys.argv[1]](*sys.argv[2:])

"""Record a dataset of every kind of feature with LeRobot, and edit it; run by LeRobot's own Python.

Usage: python theirs.py OUTPUT; writes a dataset into OUTPUT/<name> for each way to make one.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.configs.video import RGBEncoderConfig
from lerobot.datasets import dataset_tools as tools
from lerobot.datasets.lerobot_dataset import LeRobotDataset

SIZE = (48, 64, 3)
SIDES = ["height", "width", "channels"]
FEATURES: dict[str, dict[str, Any]] = {
    "action": {"dtype": "float32", "shape": (2,), "names": ["a", "b"]},
    "observation.state": {"dtype": "float64", "shape": (2,), "names": {"motors": ["a", "b"]}},
    "observation.images.top": {"dtype": "video", "shape": SIZE, "names": SIDES},
    "observation.images.still": {"dtype": "image", "shape": SIZE, "names": SIDES},
    "observation.word": {"dtype": "string", "shape": (1,), "names": None},
    "next.done": {"dtype": "bool", "shape": (1,), "names": None},
    "count": {"dtype": "int64", "shape": (1,), "names": None},
}
GRID = {"observation.grid": {"dtype": "float32", "shape": (2, 3), "names": None}}
TASKS = ["Pick it up", "Put it down", "Pick it up", "Turn it"]


def frame(rng: np.random.Generator, number: int, features: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "action": rng.normal(size=2).astype(np.float32),
        "observation.state": rng.normal(90.1, 0, 2),
        "observation.grid": rng.normal(size=(2, 3)).astype(np.float32),
        "observation.images.top": rng.integers(0, 256, SIZE, np.uint8),
        "observation.images.still": rng.integers(0, 256, SIZE, np.uint8),
        "observation.word": f"word {number}",
        "next.done": np.array([number > 10]),
        "count": np.array([number]),
    }
    return {key: values[key] for key in features}


def add_episodes(dataset: LeRobotDataset, tasks: list[str], features: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    for task in tasks:
        for number in range(rng.integers(5, 25)):
            dataset.add_frame({**frame(rng, number, features), "task": task})
        dataset.save_episode()
    dataset.finalize()


def record(root: Path, features: dict[str, Any], **settings: Any) -> LeRobotDataset:
    dataset = LeRobotDataset.create(f"test/{root.name}", 30, features, root=root, **settings)
    add_episodes(dataset, TASKS, features)
    return LeRobotDataset(f"test/{root.name}", root=root)


def main() -> None:
    output = Path(sys.argv[1])
    theirs = record(output / "recorded", FEATURES)
    record(output / "streamed", FEATURES, streaming_encoding=True)
    record(output / "small_files", FEATURES, video_files_size_in_mb=0.01, data_files_size_in_mb=0.01)
    record(output / "arrays", {**GRID, "action": FEATURES["action"]})  # LeRobot's tools cannot edit these
    record(output / "without_pictures", {key: FEATURES[key] for key in ("action", "observation.state")})
    images = record(output / "images", {key: FEATURES[key] for key in ("action", "observation.images.still")})

    def copy(name: str) -> LeRobotDataset:
        shutil.copytree(theirs.root, output / name)
        return LeRobotDataset(f"test/{name}", root=output / name)

    copy("resumed")
    resumed = LeRobotDataset.resume("test/resumed", root=output / "resumed")
    add_episodes(resumed, TASKS[:2], FEATURES)
    tools.modify_tasks(copy("other_tasks"), "Do it", {1: "Do that"})
    tools.recompute_stats(copy("recomputed"), skip_image_video=False)
    tools.recompute_stats(copy("relative"), relative_action=True, chunk_size=3)
    tools.reencode_dataset(copy("reencoded"), RGBEncoderConfig(vcodec="h264"))
    tools.delete_episodes(theirs, [1], output / "deleted", "test/deleted")
    tools.split_dataset(theirs, {"train": [0, 2], "val": [1, 3]}, output)
    tools.merge_datasets([theirs, theirs], "test/merged", output / "merged")
    reward = (np.zeros(theirs.num_frames, np.float32), {"dtype": "float32", "shape": (1,), "names": None})
    tools.add_features(theirs, {"next.reward": reward}, output / "more_features", "test/more_features")
    tools.remove_feature(theirs, ["count"], output / "fewer_features", "test/fewer_features")
    tools.convert_image_to_video_dataset(images, output / "converted", "test/converted")


if __name__ == "__main__":
    main()

"""Compare recorded depth with what LeRobot makes of the same maps; run by LeRobot's own Python.

Usage: python depth.py DATASET KEY MAPS.npy; prints a line per check, exits 1 at the first that fails.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

_FLOAT32 = 1e-5  # LeRobot adds pixels up in single precision


def check(fact: str, holds: bool) -> None:
    print(("ok     " if holds else "FAILED ") + fact, flush=True)
    if not holds:
        sys.exit(1)


def depth_of(dataset: LeRobotDataset, key: str) -> list[np.ndarray]:
    """Decode all maps of each episode: float32 in mm, (n, height, width)."""
    frames = [dataset[index] for index in range(len(dataset))]
    episodes = np.array([int(frame["episode_index"]) for frame in frames])
    maps = np.stack([frame[key].numpy()[0] for frame in frames])
    return [maps[episodes == number] for number in range(dataset.num_episodes)]


def made_by_lerobot(root: Path, key: str, episodes: list[np.ndarray]) -> LeRobotDataset:
    """Write the maps of some episodes, uint16 in mm or float32 in m, with LeRobot itself."""
    shape = (*episodes[0].shape[1:], 1)
    feature = {"dtype": "video", "shape": shape, "names": ["height", "width", "channels"]}
    features = {key: {**feature, "info": {"is_depth_map": True}}}
    dataset = LeRobotDataset.create("test/depth", 30, features, root=root, use_videos=True)
    for maps in episodes:
        for depth in maps:
            dataset.add_frame({key: depth[..., None], "task": "look"})
        dataset.save_episode()
    dataset.finalize()
    return LeRobotDataset("test/depth", root=root)


def sent_as(recorded: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Find for each recorded map, in mm, the one that was sent."""
    in_mm = maps.astype(np.float32) * (1000 if maps.dtype == np.float32 else 1)
    numbers = [int(np.abs(in_mm - depth).mean(axis=(1, 2)).argmin()) for depth in recorded]
    check("the maps are in the order in which they were sent", numbers == sorted(numbers))
    return maps[numbers]


def main() -> None:
    root, key, maps = sys.argv[1], sys.argv[2], np.load(sys.argv[3])
    ours = LeRobotDataset("test/depth", root=root)
    check("LeRobot knows that the camera is one of depth", ours.meta.depth_keys == [key])
    found = depth_of(ours, key)
    with tempfile.TemporaryDirectory() as folder:
        sent = [sent_as(recorded, maps) for recorded in found]
        theirs = made_by_lerobot(Path(folder) / "theirs", key, sent)
        for number, (recorded, known) in enumerate(zip(found, depth_of(theirs, key), strict=True)):
            same = np.array_equal(recorded, known)
            check(f"episode {number}: all {len(known)} maps are to the bit what LeRobot makes of them", same)
        info, known = ours.meta.features[key]["info"], theirs.meta.features[key]["info"]
        check(f"the info is LeRobot's: {known}", info == known)
        for name, value in theirs.meta.stats[key].items():
            own = ours.meta.stats[key][name]
            check(
                f"{name} is LeRobot's: {np.ravel(own)}, {np.ravel(value)}",
                np.allclose(own, value, rtol=_FLOAT32),
            )


if __name__ == "__main__":
    main()

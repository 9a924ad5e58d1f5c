"""Print what LeRobot finds in a dataset of numbered pictures; run by LeRobot's own Python.

Usage: python read_numbers.py DATASET...; prints a JSON list: of each dataset the episodes, of each episode
its task and the numbers in its rows and in its pictures.
"""

from __future__ import annotations

import json
import sys

from lerobot.datasets.lerobot_dataset import LeRobotDataset

BITS, TILE_WIDTH, TILE_HEIGHT = 24, 20, 40


def number_in(image) -> int:
    middle = (float(image.max()) + float(image.min())) / 2
    tiles = [(bit % 8 * TILE_WIDTH, bit // 8 * TILE_HEIGHT) for bit in range(BITS)]
    bright = [float(image[y : y + TILE_HEIGHT, x : x + TILE_WIDTH].mean()) > middle for x, y in tiles]
    return sum(int(value) << bit for bit, value in enumerate(bright))


def episodes(root: str) -> list:
    dataset = LeRobotDataset("test/numbers", root=root)
    found: dict[int, dict] = {}
    for row in range(len(dataset)):
        frame = dataset[row]
        episode = found.setdefault(
            int(frame["episode_index"]), {"task": frame["task"], "rows": [], "pictures": []}
        )
        assert int(frame["index"]) == row
        assert int(frame["frame_index"]) == len(episode["rows"])
        episode["rows"].append(int(frame["observation.state"]))
        episode["pictures"].append(number_in(frame[dataset.meta.camera_keys[0]].mean(dim=0)))
    return [found[number] for number in sorted(found)]


def main() -> None:
    print(json.dumps([episodes(root) for root in sys.argv[1:]]))


if __name__ == "__main__":
    main()

"""Read all frames of datasets of numbered pictures in random order; run by LeRobot's own Python.

Usage: python random_reads.py DATASET; prints a JSON object: LeRobot's default reader, how many frames were
read, and which of them raised an error or were others than asked for.
"""

from __future__ import annotations

import json
import logging
import random
import sys
from typing import Any

from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.utils.import_utils import get_safe_default_video_backend

BITS, TILE_WIDTH, TILE_HEIGHT = 24, 20, 40


def number_in(picture: Any) -> int:
    """Read the number in a picture of bright and dark tiles, (3, height, width)."""
    value, middle = 0, (float(picture.max()) + float(picture.min())) / 2
    for bit in range(BITS):
        x, y = bit % 8 * TILE_WIDTH, bit // 8 * TILE_HEIGHT
        value |= int(picture[:, y : y + TILE_HEIGHT, x : x + TILE_WIDTH].mean() > middle) << bit
    return value


def shows(frame: dict[str, Any]) -> bool:
    number = int(frame["observation.state"])
    if "observation.images.top" in frame:
        return number_in(frame["observation.images.top"]) == number
    depth_mm = float(frame["observation.images.depth"].float().mean())
    return abs(depth_mm - 5 * number) < 3


def failures(dataset: LeRobotDataset) -> list[str]:
    order = list(range(len(dataset))) * 3
    random.Random(0).shuffle(order)
    found = []
    for index in order:
        try:
            frame = dataset[index]
        except Exception as error:
            found.append(f"{index}: {type(error).__name__}")
            continue
        if not shows(frame):
            found.append(f"{index}: another picture")
    return found


def main() -> None:
    logging.disable(logging.CRITICAL)
    dataset = LeRobotDataset("test/numbered", root=sys.argv[1])
    reader = get_safe_default_video_backend()
    print(json.dumps({"reader": reader, "frames": 3 * len(dataset), "failures": failures(dataset)}))


if __name__ == "__main__":
    main()

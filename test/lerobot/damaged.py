"""Load damaged datasets with LeRobot; run by LeRobot's own Python.

Usage: python damaged.py SOUND [DATASET ...]; prints a JSON object: by path "same" where all is read as from
the sound dataset, "differs" where it is not, else what LeRobot raises.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def frames(root: str) -> list[dict[str, Any]]:
    dataset = LeRobotDataset("test/recorded", root=root)
    return [dataset[index] for index in range(len(dataset))]


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(type(one) is type(other) and one == other)


def compare(root: str, sound: list[dict[str, Any]]) -> str:
    try:
        found = frames(root)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}"
    same = len(found) == len(sound) and all(
        one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
        for one, other in zip(found, sound, strict=True)
    )
    return "same" if same else "differs"


def main() -> None:
    logging.disable(logging.CRITICAL)
    sound = frames(sys.argv[1])
    print(json.dumps({root: compare(root, sound) for root in sys.argv[2:]}))


if __name__ == "__main__":
    main()

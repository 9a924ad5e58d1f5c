"""Read frames with LeRobot, and print a JSON list of what fails; run by LeRobot's own Python.

Usage:
  python reading.py random DATASET...     errors of each dataset, all rows in random order, by decoder
  python reading.py rows DATASET FIRST    the rows from the first on that cannot be read
  python reading.py stream DATASET        all rows in LeRobot's streaming reader
  python reading.py again DATASET         all rows; after a line on stdin again, and with a cleared cache
"""

from __future__ import annotations

import json
import random
import sys

from lerobot.datasets import video_utils
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.datasets.streaming_dataset import StreamingLeRobotDataset


def errors(root: str, backend: str | None = None, first: int = 0, *, mixed: bool = False) -> dict[int, str]:
    dataset = LeRobotDataset("test/read", root=root, video_backend=backend)
    raised = {}
    rows = list(range(first, len(dataset)))
    if mixed:
        random.Random(0).shuffle(rows)
    for row in rows:
        try:
            dataset[row]
        except Exception as error:
            raised[row] = type(error).__name__
    return raised


def streamed(root: str) -> str:
    try:
        return str(len(list(StreamingLeRobotDataset("test/read", root=root, shuffle=False))))
    except Exception as error:
        return type(error).__name__


def main() -> None:
    kind, root, *more = sys.argv[1:]
    if kind == "random":
        found = [len(errors(each, "torchcodec", mixed=True)) for each in (root, *more)]
    elif kind == "rows":
        found = sorted(errors(root, first=int(more[0])))
    elif kind == "stream":
        found = [streamed(root)]
    else:
        found = [sorted(set(errors(root).values()))]
        print("read", flush=True)
        sys.stdin.readline()
        found.append(sorted(set(errors(root).values())))
        video_utils._default_decoder_cache.clear()
        found.append(sorted(set(errors(root).values())))
    print(json.dumps(found))


if __name__ == "__main__":
    main()

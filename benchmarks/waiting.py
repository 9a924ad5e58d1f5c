"""Measure the cost of an idle encoder: CPU per second while many episodes wait.

python benchmarks/waiting.py --episodes 5000 --seconds 10
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.spool import Spool

FEATURES = {
    "observation.state": {"dtype": "float32", "shape": (2,), "names": ["a.pos", "b.pos"]},
    "observation.images.top": {
        "dtype": "video",
        "shape": (48, 64, 3),
        "names": ["height", "width", "channels"],
    },
}


def spool_episodes(root: Path, episodes: int) -> None:
    """Record one episode, and copy it with hard links as often as needed."""
    with EpisodeRecorder(root, FEATURES, fps=30) as recorder, recorder.episode("Pick up") as episode:
        for frame in range(6):
            image = np.full((48, 64, 3), frame, np.uint8)
            episode.add({"observation.state": np.zeros(2, np.float32), "observation.images.top": image})
    first = Spool(root).ready()[0].path
    for number in range(1, episodes):
        shutil.copytree(first, first.with_name(f"{first.name}-{number:05d}"), copy_function=os.link)


def cpu_per_second(root: Path, episodes: int, seconds: float) -> tuple[float, float]:
    """Return the CPU seconds until all episodes are known, and the CPU seconds per second after that."""
    began = time.process_time()
    encoder = BatchEncoder(root, batch_size=episodes + 1, encode_on_exit=False)
    try:
        while encoder.status().waiting < episodes:
            time.sleep(0.02)
        known = time.process_time()
        time.sleep(seconds)
        return known - began, (time.process_time() - known) / seconds
    finally:
        encoder.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "dataset"
        spool_episodes(root, args.episodes)
        start_s, per_second = cpu_per_second(root, args.episodes, args.seconds)
    print(
        f"{args.episodes} episodes wait: {start_s:.2f} s of CPU to read them, then {per_second:.3f} a second"
    )


if __name__ == "__main__":
    main()

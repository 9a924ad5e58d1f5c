"""Load a dataset with LeRobot and compare it with what was published; run by LeRobot's own Python.

Usage: python verify.py DATASET SENT.npz; prints a line per check, exits 1 at the first that fails.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from lerobot.datasets.compute_stats import aggregate_stats, compute_episode_stats
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from PIL import Image


def closest(image: np.ndarray, clip: np.ndarray) -> int:
    """Find the frame of a clip, (n, height, width, 3) uint8, that an image shows."""
    errors = np.abs(clip[:, ::4, ::4].astype(np.int16) - image[::4, ::4]).mean(axis=(1, 2, 3))
    return int(errors.argmin())


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


def check(fact: str, holds: bool) -> None:
    print(("ok     " if holds else "FAILED ") + fact, flush=True)
    if not holds:
        sys.exit(1)


def sent_index(sent: np.ndarray, recorded: np.ndarray) -> np.ndarray:
    """Find for each recorded row the published one it equals; -1 where there is none."""
    table = {row.tobytes(): index for index, row in enumerate(sent.astype(np.float32))}
    return np.array([table.get(row.tobytes(), -1) for row in recorded.astype(np.float32)])


def compare_stats(ours: dict, theirs: dict, tolerance: float, what: str) -> None:
    for name, value in theirs.items():
        close = np.allclose(np.asarray(ours[name]), value, rtol=tolerance, atol=tolerance)
        check(f"{what} {name} equals LeRobot's within {tolerance:.2g}", close)


def main() -> None:
    root, sent = Path(sys.argv[1]), np.load(sys.argv[2])
    dataset = LeRobotDataset("test/recorded", root=root)
    frames = [dataset[index] for index in range(len(dataset))]
    check(f"every one of {len(frames)} frames in {dataset.num_episodes} episodes decodes", len(frames) > 0)
    episodes = np.array([int(frame["episode_index"]) for frame in frames])
    times = np.array([float(frame["timestamp"]) for frame in frames])
    index = np.array([int(frame["frame_index"]) for frame in frames])
    check("timestamps are on the grid", np.allclose(times, index / dataset.fps, atol=1e-6))

    recorded = {
        "state": np.stack([frame["observation.state"].numpy() for frame in frames]),
        "action": np.stack([frame["action"].numpy() for frame in frames]),
    }
    for kind, rows in recorded.items():
        found = sent_index(sent[kind], rows)
        check(f"every {kind} is one that was published", bool((found >= 0).all()))
        steps = np.diff(found)[np.diff(episodes) == 0]
        check(
            f"{kind}s never run back ({steps.min()} to {steps.max()} messages a tick)",
            bool((steps >= 0).all()),
        )

    originals = {"top": [], "wrist": []}
    for camera, kept in originals.items():
        quality = []
        for frame in frames:
            image = (
                (frame[f"observation.images.{camera}"].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
            )
            original = sent[camera][closest(image, sent[camera])]
            kept.append(original)
            quality.append(psnr_db(image, original))
        check(f"{camera}: PSNR at least 30 dB (worst {min(quality):.1f})", min(quality) >= 30)

    with tempfile.TemporaryDirectory() as folder:
        per_episode = []
        for episode in np.unique(episodes):
            rows = episodes == episode
            data = {"observation.state": recorded["state"][rows], "action": recorded["action"][rows]}
            for camera, images in originals.items():
                paths = []
                for number in np.flatnonzero(rows):
                    paths.append(f"{folder}/{camera}-{number:06d}.png")
                    Image.fromarray(images[number]).save(paths[-1])
                data[f"observation.images.{camera}"] = paths
            per_episode.append(compute_episode_stats(data, dataset.meta.features))
        for key, stats in aggregate_stats(per_episode).items():
            compare_stats(dataset.meta.stats[key], stats, 1 / 255 if "images" in key else 1e-6, key)


if __name__ == "__main__":
    main()

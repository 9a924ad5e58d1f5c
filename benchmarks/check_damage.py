"""Measure how many flipped bits ``check`` and ``check --deep`` find, by kind of file.

Records three short episodes of moving waves, then flips one random bit at a time, checks, and flips it back.

    python benchmarks/check_damage.py
    python benchmarks/check_damage.py --flips 0 --height 480 --width 640 --frames 450
    python benchmarks/check_damage.py --flips 1000 --vcodec h264 --no-checksums

``--no-checksums`` removes ``meta/recordings/checksums.json``, which datasets of other programs lack.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_recorder.dataset import check
from lerobot_recorder.dataset.files import CHECKSUMS_PATH
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.video import EncoderSettings, VideoDecoder, probe

FPS, EPISODES = 30, 3
CAMERA = "observation.images.top"
JOINTS = ["shoulder_pan.pos", "gripper.pos"]


def features(height: int, width: int) -> dict[str, Any]:
    return {
        "action": {"dtype": "float32", "shape": (2,), "names": JOINTS},
        "observation.state": {"dtype": "float32", "shape": (2,), "names": JOINTS},
        CAMERA: {"dtype": "video", "shape": (height, width, 3), "names": ["height", "width", "channels"]},
    }


def pictures(rng: np.random.Generator, options: argparse.Namespace) -> Iterator[np.ndarray]:
    """Draw moving waves with a sensor's noise."""
    y, x = np.mgrid[: options.height, : options.width]
    phase = rng.uniform(0, 9)
    for frame in range(options.frames):
        waves = np.stack([np.sin((x * (c + 1) + y) / 30 + frame / 5 + phase) for c in range(3)], -1)
        yield np.clip(127 + 80 * waves + rng.normal(0, 4, waves.shape), 0, 255).astype(np.uint8)


def record(root: Path, options: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    declared = features(options.height, options.width)
    encoder = BatchEncoder(root, settings=EncoderSettings(vcodec=options.vcodec))
    with EpisodeRecorder(root, declared, FPS) as recorder, encoder:
        for number in range(EPISODES):
            with recorder.episode(f"task {number % 2}") as episode:
                for image in pictures(rng, options):
                    rows = {key: rng.normal(size=2).astype(np.float32) for key in declared if key != CAMERA}
                    episode.add({**rows, CAMERA: image})


def flipped(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--flips", type=int, default=300)
    parser.add_argument("--height", type=int, default=120)
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--frames", type=int, default=60, help="of each of the three episodes")
    parser.add_argument("--only", default="*", help="pattern of the files that are damaged")
    parser.add_argument("--vcodec", default="libsvtav1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-checksums", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "dataset"
        record(root, options)
        if options.no_checksums:
            (root / CHECKSUMS_PATH).unlink()
        checks: dict[str, Callable[[], bool]] = {
            "check": lambda: any(check(root, probe)),
            "check --deep": lambda: any(check(root, probe, decoder=VideoDecoder())),
        }
        for name, finds in checks.items():
            begin, cpu = time.perf_counter(), time.process_time()
            assert not finds(), "the dataset is sound"
            wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
            print(f"{name}: {EPISODES * options.frames} frames, {wall_s:.2f} s, {cpu_s:.2f} s of CPU")
        files = [path for path in sorted(root.rglob(options.only)) if path.is_file()] if options.flips else []
        for path in files:
            rng = np.random.default_rng(options.seed)
            found = dict.fromkeys(checks, 0)
            for _ in range(options.flips):
                bit = int(rng.integers(path.stat().st_size * 8))
                flipped(path, bit)
                for name, finds in checks.items():
                    found[name] += finds()
                flipped(path, bit)
            shares = ", ".join(f"{name} {count}" for name, count in found.items())
            print(
                f"{path.relative_to(root)} ({path.stat().st_size} B): of {options.flips} flips {shares}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""How many flipped bits ``check`` and ``check --deep`` find, by kind of file.

Records three short episodes of moving waves, then flips one random bit at a time, checks, and flips it back.

    python benchmarks/check_damage.py
    python benchmarks/check_damage.py --flips 1000 --vcodec h264 --no-checksums

``--no-checksums`` removes ``meta/recordings/checksums.json``, as in datasets of other programs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from lerobot_recorder.dataset.check import check
from lerobot_recorder.dataset.checksums import CHECKSUMS_PATH
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.video import EncoderSettings, VideoDecoder, probe

HEIGHT, WIDTH, FPS, EPISODES, FRAMES = 120, 160, 30, 3, 60
CAMERA = "observation.images.top"
JOINTS = ["shoulder_pan.pos", "gripper.pos"]
FEATURES = {
    "action": {"dtype": "float32", "shape": (2,), "names": JOINTS},
    "observation.state": {"dtype": "float32", "shape": (2,), "names": JOINTS},
    CAMERA: {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]},
}


def pictures(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Draw moving waves with a sensor's noise."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    phase = rng.uniform(0, 9)
    for frame in range(FRAMES):
        waves = np.stack([np.sin((x * (c + 1) + y) / 30 + frame / 5 + phase) for c in range(3)], -1)
        yield np.clip(127 + 80 * waves + rng.normal(0, 4, waves.shape), 0, 255).astype(np.uint8)


def record(root: Path, vcodec: str) -> None:
    rng = np.random.default_rng(0)
    encoder = BatchEncoder(root, settings=EncoderSettings(vcodec=vcodec))
    with EpisodeRecorder(root, FEATURES, FPS) as recorder, encoder:
        for number in range(EPISODES):
            with recorder.episode(f"task {number % 2}") as episode:
                for image in pictures(rng):
                    rows = {key: rng.normal(size=2).astype(np.float32) for key in FEATURES if key != CAMERA}
                    episode.add({**rows, CAMERA: image})


def flipped(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--vcodec", default="libsvtav1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-checksums", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "dataset"
        record(root, options.vcodec)
        if options.no_checksums:
            (root / CHECKSUMS_PATH).unlink()
        checks: dict[str, Callable[[], bool]] = {
            "check": lambda: any(check(root, probe)),
            "check --deep": lambda: any(check(root, probe, decoder=VideoDecoder())),
        }
        for name, finds in checks.items():
            begin = time.perf_counter()
            assert not finds(), "the dataset is sound"
            print(f"{name}: {time.perf_counter() - begin:.2f} s for {EPISODES * FRAMES} sound frames")
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
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

"""Measure the cost of a commit as the dataset grows: 2,000 short episodes, one by one and ten at a time.

    python benchmarks/commits.py
    python benchmarks/commits.py --episodes 5000 --sizes 1 50 --frames 450

The cost of a commit must not depend on the number of episodes in the dataset. It grows within a file, because
a commit rewrites the last file, and falls when the next file starts. `--video-mb` and `--data-mb` set the
file sizes, so that 2,000 small episodes fill as many files as large episodes would.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import resource
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lerobot_recorder.dataset import DatasetWriter, EncodedEpisode, EncodedVideo, StreamAges, check
from lerobot_recorder.dataset.statistics import image_stats
from lerobot_recorder.video import EncoderSettings, Mp4Files, encode, probe

FPS = 30
HEIGHT, WIDTH = 48, 64
CAMERAS = ("observation.images.top", "observation.images.wrist")
STREAMS = ("state", "action", "top", "wrist")
FEATURES = {
    **{key: {"dtype": "float32", "shape": (6,), "names": None} for key in ("observation.state", "action")},
    **{
        key: {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}
        for key in CAMERAS
    },
}


@dataclass(frozen=True)
class Hundred:
    """Cost of committing a hundred episodes.

    Attributes:
        wall_ms: per episode.
        cpu_ms: per episode.
        slowest_ms: the slowest commit.
        peak_mb: the process's largest resident size so far.
    """

    wall_ms: float
    cpu_ms: float
    slowest_ms: float
    peak_mb: float


def main() -> None:
    args = parse_arguments()
    results = {}
    for size in args.sizes:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            results[size] = pool.submit(commit_all, args, size).result()
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("episodes", justify="right")
    for size in args.sizes:
        for name in (f"by {size}: ms/episode", "CPU ms", "slowest commit", "peak MB"):
            table.add_column(name, justify="right", no_wrap=True)
    for row, hundreds in enumerate(zip(*results.values(), strict=True), 1):
        numbers = [f"{value:.1f}" for hundred in hundreds for value in dataclasses.astuple(hundred)]
        table.add_row(str(row * 100), *numbers)
    Console(width=160).print(table)
    for size, hundreds in results.items():
        print(f"by {size}, last 500 episodes against first 500: {growth(hundreds)}")


def growth(hundreds: list[Hundred]) -> str:
    first, last = hundreds[:5], hundreds[-5:]
    wall = np.mean([each.wall_ms for each in last]) / np.mean([each.wall_ms for each in first])
    cpu = np.mean([each.cpu_ms for each in last]) / np.mean([each.cpu_ms for each in first])
    return f"time {wall:.2f}, CPU {cpu:.2f}, peak memory {last[-1].peak_mb / first[-1].peak_mb:.2f}"


def commit_all(args: argparse.Namespace, size: int) -> list[Hundred]:
    """Commit all episodes, `size` at a time, and check the dataset at the end."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir=args.directory))
    try:
        episode = an_episode(folder, args.frames)
        sizes = {"data_files_size_in_mb": args.data_mb, "video_files_size_in_mb": args.video_mb}
        writer = DatasetWriter(folder / "data", Mp4Files(), **sizes)
        hundreds = [
            commit_hundred(writer, episode, start, size)
            for start in track(range(0, args.episodes, 100), f"by {size}")
        ]
        faults = list(check(folder / "data", probe))
        assert not faults, faults
        return hundreds
    finally:
        shutil.rmtree(folder)


def commit_hundred(writer: DatasetWriter, episode: EncodedEpisode, start: int, size: int) -> Hundred:
    walls, began = [], time.process_time()
    for first in range(start, start + 100, size):
        names = range(first, min(first + size, start + 100))
        batch = [dataclasses.replace(episode, episode_id=str(n), rows=rows(n, episode.length)) for n in names]
        before = time.perf_counter()
        writer.commit(batch, features=FEATURES, fps=FPS)
        walls.append((time.perf_counter() - before) * 1e3)
    cpu_ms = (time.process_time() - began) * 1e3
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Hundred(sum(walls) / 100, cpu_ms / 100, max(walls), peak_mb)


def rows(number: int, length: int) -> dict[str, np.ndarray]:
    """Make rows that differ between episodes, or their file would hardly grow."""
    values = np.random.default_rng(number).normal(size=(length, 6)).astype(np.float32)
    return {"observation.state": values, "action": values + 1}


def an_episode(folder: Path, frames: int) -> EncodedEpisode:
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 256, (frames, HEIGHT * 3 // 2, WIDTH), np.uint8)
    video = folder / "episode.mp4"
    encode(planes, video, fps=FPS, width=WIDTH, height=HEIGHT, settings=EncoderSettings())
    stats = image_stats(rng.integers(0, 256, (min(frames, 100), HEIGHT, WIDTH, 3), np.uint8))
    return EncodedEpisode(
        episode_id="",
        task="benchmark",
        length=frames,
        features=FEATURES,
        rows=rows(0, frames),
        videos={key: EncodedVideo(video, frames, probe(video).info()) for key in CAMERAS},
        image_stats=dict.fromkeys(CAMERAS, stats),
        ages={name: ages(rng, frames) for name in STREAMS},
    )


def ages(rng: np.random.Generator, frames: int) -> StreamAges:
    """Make ages like those of a camera at the rate of the rows."""
    age_s = rng.uniform(0, 1 / FPS, frames).astype(np.float32)
    return StreamAges(age_s, 10**18 + np.arange(frames) * 10**9 // FPS - rng.integers(0, 10**6, frames))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episodes", type=int, default=2000, help="a multiple of 100")
    parser.add_argument("--sizes", type=int, nargs="+", default=(1, 10), help="episodes in a commit")
    parser.add_argument("--frames", type=int, default=30, help="of an episode")
    parser.add_argument("--data-mb", type=float, default=0.2)
    parser.add_argument("--video-mb", type=float, default=5.0)
    parser.add_argument("--directory", type=Path, help="where to write; the directory for temporary files")
    return parser.parse_args()


if __name__ == "__main__":
    main()

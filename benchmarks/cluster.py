"""Measure what a Ray cluster encodes: segments per second and core.

    python benchmarks/cluster.py                        two datasets of 15 s, two cameras of 640x480
    python benchmarks/cluster.py --ray 10.0.0.1:6379 --root /mnt/shared --datasets 20

Real footage, recorded as fast as the disk takes it. A first dataset starts the processes and is not counted.
Then all datasets are encoded at once and committed. On a busy computer the CPU seconds count;
they are those of this computer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from footage import back_and_forth, find_clip, load_frames
from processes import cost

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.encoding import RayCluster
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings

FPS, HEIGHT, WIDTH = 30, 480, 640
NICE = 0


def record(root: Path, cameras: int, seconds: float) -> None:
    """Record an episode."""
    keys = [f"observation.images.camera{number}" for number in range(cameras)]
    video = {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}
    state = {"dtype": "float32", "shape": (6,), "names": [f"joint{number}.pos" for number in range(6)]}
    frames = load_frames(find_clip("bikes.mp4"), WIDTH, HEIGHT)
    images = {key: back_and_forth(frames, 17 * index) for index, key in enumerate(keys)}
    features = {"observation.state": state, **dict.fromkeys(keys, video)}
    with EpisodeRecorder(root, features, FPS) as recorder, recorder.episode("benchmark") as episode:
        for tick in range(round(seconds * FPS)):
            values = {key: next(each) for key, each in images.items()}
            episode.add({"observation.state": np.full(6, tick, np.float32), **values})


def encode(roots: Sequence[Path], cluster: RayCluster) -> float:
    """Encode all datasets at once, and return how long it took."""
    began = time.perf_counter()
    encoders = [BatchEncoder(root, cluster=cluster, nice=NICE) for root in roots]
    for encoder in encoders:
        encoder.finish()
    for encoder in encoders:
        encoder.join()
        if encoder.failure is not None:
            raise SystemExit(str(encoder.failure))
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ray", default="auto", help="address of the cluster (auto)")
    parser.add_argument("--root", type=Path, help="a directory that all nodes share")
    parser.add_argument("--datasets", type=int, default=2)
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15.0)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=args.root))
    try:
        with RayCluster(args.ray) as cluster:
            roots = [folder / str(number) for number in range(args.datasets)]
            for root in (folder / "first", *roots):
                record(root, args.cameras, args.seconds)
            encode([folder / "first"], cluster)
            cores = cluster.executor(Spool(folder / "first").path, NICE).size
            before = cost(os.getpid())
            wall_s = encode(roots, cluster)
            report(args, cores, wall_s, cost(os.getpid()).since(before).cpu_s)
    finally:
        shutil.rmtree(folder)


def report(args: argparse.Namespace, cores: int, wall_s: float, cpu_s: float) -> None:
    """Print the figures."""
    frames = round(args.seconds * FPS)
    length = EncoderSettings().resolved().segment_frames() or frames
    segments = args.datasets * args.cameras * -(-frames // length)
    recorded_s = args.datasets * args.cameras * args.seconds
    rate = segments / wall_s / cores
    print(f"{segments} segments on {cores} cores in {wall_s:.1f} s: {rate:.2f} per s and core")
    print(
        f"{cores * wall_s / recorded_s:.2f} core-seconds per second of one camera, with statistics and commit"
    )
    per_camera = f"{cpu_s / recorded_s:.3f} s per second of a camera"
    print(f"CPU of this computer: {cpu_s / segments:.2f} s per segment, {per_camera}")


if __name__ == "__main__":
    main()

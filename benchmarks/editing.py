"""Measure deleting one episode, compared with LeRobot, and how the cost grows with the dataset.

    python benchmarks/editing.py                        one of 100 episodes of 15 s, two cameras of 640x480
    python benchmarks/editing.py --lerobot EDIT         and LeRobot's lerobot-edit-dataset on a copy
    python benchmarks/editing.py --grow 50 500 2000     short episodes; the cost against their number

With --grow, the first, the middle and the last episode is deleted, each from a copy: those after it get other
numbers, those before it stay. Files are as much smaller than usual as the episodes are shorter than 15 s.

The videos are five clips of real footage, each used again and again. EDIT is the path of LeRobot's
`lerobot-edit-dataset`; both run as processes of their own, one after the other. "packets kept" are those of
the remaining episodes whose bytes are still the same.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from footage import CLIPS, find_clip, load_frames
from processes import FOREIGN
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lerobot_recorder.dataset import DatasetWriter, EncodedEpisode, EncodedVideo, StreamAges
from lerobot_recorder.dataset.statistics import image_stats, sample_indices
from lerobot_recorder.video import EncoderSettings, Mp4Files, encode, probe

FPS, HEIGHT, WIDTH, JOINTS, CLIP_COUNT = 30, 480, 640, 6, 5
LIKE_S = 15.0
"""Length of usual episodes."""
CAMERAS = ("observation.images.top", "observation.images.wrist")
VECTOR = {"dtype": "float32", "shape": (JOINTS,), "names": None}
IMAGE = {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}
FEATURES = {"observation.state": VECTOR, "action": VECTOR, **dict.fromkeys(CAMERAS, IMAGE)}


@dataclass(frozen=True)
class Result:
    """Cost of an edit.

    Attributes:
        wall_s: from the start of the process to its end.
        cpu_s: of the process and those that it started.
        peak_mb: largest resident size of one of them.
        kept: packets of the remaining episodes that stayed the same, in parts of all.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    kept: float


def main() -> None:
    args = parse_arguments()
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("", "episodes", "frames", "wall s", "CPU s", "peak MB", "packets kept"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=args.directory) as folder:
        if args.grow:
            for count in args.grow:
                root = Path(folder) / str(count)
                make_dataset(root, count, args.frames, args.clip, args.frames / FPS / LIKE_S)
                for name, episode in (("first", 0), ("middle", count // 2), ("last", count - 1)):
                    copy = Path(folder) / f"{count}-{name}"
                    shutil.copytree(root, copy)
                    add_row(table, f"edit delete, the {name}", count, args.frames, ours(copy, episode))
                    shutil.rmtree(copy)
        else:
            root, length = Path(folder) / "data", round(args.seconds * FPS)
            make_dataset(root, args.episodes, length, args.clip)
            copy = Path(folder) / "copy"
            shutil.copytree(root, copy)
            result = ours(root, args.episodes // 2)
            add_row(table, "edit delete", args.episodes, length, result)
            if args.lerobot:
                other = theirs(args.lerobot, copy, args.episodes)
                add_row(table, "lerobot-edit-dataset", args.episodes, length, other)
                print(f"LeRobot takes {other.wall_s / result.wall_s:.0f} times as long")
    Console(width=120).print(table)


def add_row(table: Table, name: str, count: int, length: int, result: Result) -> None:
    figures = (f"{result.wall_s:.2f}", f"{result.cpu_s:.2f}", f"{result.peak_mb:.0f}", f"{result.kept:.1%}")
    table.add_row(name, str(count), str(count * length), *figures)


def ours(root: Path, episode: int) -> Result:
    return measured([sys.executable, "-m", "lerobot_recorder.cli.app", "edit", "delete", root, episode], root)


def theirs(program: str, root: Path, count: int) -> Result:
    output = root.with_name("edited")
    operation = ["--operation.type", "delete_episodes", "--operation.episode_indices", f"[{count // 2}]"]
    places = ["--repo_id", "me/data", "--root", root, "--new_repo_id", "me/edited", "--new_root", output]
    return measured([program, *places, *operation], root, output)


def measured(command: Sequence[object], root: Path, output: Path | None = None) -> Result:
    """Run an edit; count the packets that are in the videos before and after it."""
    before = packets(root)
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    is_own = command[0] == sys.executable
    started, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        list(map(str, command)),
        env=None if is_own else environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    left = packets(output or root)
    kept = sum((before & left).values()) / sum(left.values())
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return Result(wall_s, cpu_s, after.ru_maxrss / 1e3, kept)


def packets(root: Path) -> Counter[int]:
    found: Counter[int] = Counter()
    for path in root.rglob("*.mp4"):
        with av.open(str(path)) as container:
            found.update(hash(bytes(packet)) for packet in container.demux(video=0) if packet.size)
    return found


def make_dataset(root: Path, count: int, length: int, clip: str, scale: float = 1.0) -> None:
    """Make a dataset of episodes whose videos are a few clips of real footage.

    Args:
        root: where to make it.
        count: number of episodes.
        length: frames of each.
        clip: name of the footage.
        scale: size of its files against the usual one.
    """
    frames = load_frames(find_clip(clip), WIDTH, HEIGHT, min(length, 60))
    settings = EncoderSettings().resolved()
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        clips = []
        for number in range(CLIP_COUNT):
            path = Path(folder) / f"{number}.mp4"
            shown = (frames[(number * 7 + k) % len(frames)] for k in range(length))
            encode(shown, path, fps=FPS, width=WIDTH, height=HEIGHT, settings=settings)
            clips.append(EncodedVideo(path, length, {**probe(path).info(), **settings.info()}))
        stats = image_stats(np.stack([frames[k % len(frames)][::4, ::4] for k in sample_indices(length)]))
        sizes = {"data_files_size_in_mb": 100 * scale, "video_files_size_in_mb": 200 * scale}
        writer, rng = DatasetWriter(root, Mp4Files(), **sizes), np.random.default_rng(0)
        episodes = [
            EncodedEpisode(
                episode_id=f"episode-{number}",
                task="Pick up the cube",
                length=length,
                features=FEATURES,
                rows={key: rng.normal(size=(length, JOINTS)) for key in ("observation.state", "action")},
                videos={key: clips[(number + place) % CLIP_COUNT] for place, key in enumerate(CAMERAS)},
                image_stats=dict.fromkeys(CAMERAS, stats),
                recording={"verdict": "good", "started_at_ns": number * 10**9, "streams": {}},
                ages={key: made_up_ages(rng, length) for key in (*CAMERAS, "observation.state", "action")},
            )
            for number in range(count)
        ]
        for start in track(range(0, count, 50), "making the dataset", transient=True):
            writer.commit(episodes[start : start + 50], features=FEATURES, fps=FPS, robot_type="so_follower")


def made_up_ages(rng: np.random.Generator, length: int) -> StreamAges:
    return StreamAges(rng.random(length, np.float32) / FPS, rng.integers(0, 2**60, length))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of an episode")
    parser.add_argument("--clip", default=CLIPS[0])
    parser.add_argument("--lerobot", metavar="EDIT", help="path of lerobot-edit-dataset")
    parser.add_argument("--grow", type=int, nargs="+", help="numbers of episodes")
    parser.add_argument("--frames", type=int, default=30, help="frames of an episode with --grow")
    parser.add_argument("--directory", type=Path, help="where to work; a temporary directory")
    return parser.parse_args()


if __name__ == "__main__":
    main()

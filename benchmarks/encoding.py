"""Measure the cost from a recorded episode to the dataset, compared with PyAV alone and with LeRobot.

    python benchmarks/encoding.py                       two episodes of 15 s, two cameras of 640x480
    python benchmarks/encoding.py --lerobot PYTHON      and LeRobot's save_episode on the same frames
    python benchmarks/encoding.py --before PYTHON       compares with the build that another Python has
    taskset -c 0 python benchmarks/encoding.py --clip bigbuckbunny.mp4      other footage, on one core

PyAV alone encodes the same planar frames from the same files with the same settings, without check,
statistics or commit. Each way runs in its own process. Ours and PyAV's take turns, and the cheapest round
counts, because other programs can only add to the cost. Recording is at real pace. The CPU of LeRobot is that
of its `save_episode`; the PNGs that it writes before are counted as recording.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from footage import CLIPS, back_and_forth, find_clip, load_frames
from processes import FOREIGN, cost
from rich.console import Console
from rich.table import Table

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.dataset.statistics import depth_stats, image_stats, sample_indices
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings, Sketches, encode
from lerobot_recorder.video.priority import unchanged_priority

FPS = 30
ONE_BUILD = Path(__file__).with_name("one_build.py")
SAME_PRESET = "10"
"""A preset that both builds use as it is with every SVT-AV1 since 3.1, so like is compared with like."""
LEROBOT = Path(__file__).with_name("lerobot_recording.py")


@dataclass(frozen=True)
class Result:
    """Cost of one way to encode.

    Attributes:
        wall_s: from the first episode's being ready to the last one's being done.
        cpu_s: in user and kernel mode, of all processes.
        peak_bytes: sum of the largest resident sizes of all processes.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True)
class Pictures:
    """CPU in seconds: for encoding, and for comparing some or all frames with their images."""

    encode_s: float
    check_s: float
    check_all_s: float

    def plus(self, other: Pictures) -> Pictures:
        return Pictures(*(getattr(self, each) + getattr(other, each) for each in self.__dict__))


def main() -> None:
    args = parse_arguments()
    if args.before:
        compare_builds(args.before, args)
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=args.directory) as folder:
        waits, recording_s = isolated(record, Path(folder) / "data", args)
        pictures = isolated(compare_pictures, Path(folder) / "data")
        ours, alone, statistics_s = rounds(Path(folder), args)
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("", "wait s", "wall s", "recording CPU s", "CPU s", "of PyAV's", "peak MB"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    table.add_row("PyAV alone", "", *cells(alone, None, alone))
    table.add_row("ready to committed", f"{np.mean(waits):.3f}", *cells(ours, recording_s, alone))
    if args.lerobot:
        theirs, their_waits, their_recording_s = lerobot(args)
        table.add_row(
            "LeRobot's save_episode", f"{np.mean(their_waits):.1f}", *cells(theirs, their_recording_s, alone)
        )
    print(f"{args.episodes} episodes of {args.seconds:g} s, {args.cameras} cameras of 640x480\n")
    Console(width=120).print(table)
    print(
        f"\nstatistics: {statistics_s:.2f} s of CPU, {statistics_s / ours.cpu_s:.1%} of ready to committed"
        f"\npicture check: {pictures.check_s:.2f} s of CPU, {pictures.check_s / pictures.encode_s:.1%} of "
        f"encoding; of all frames {pictures.check_all_s / pictures.encode_s:.1%}"
        f"\nencoding took {ours.wall_s / (args.episodes * args.seconds):.2f} s per second recorded"
    )


def compare_builds(before: str, args: argparse.Namespace) -> None:
    """Print the figures of two builds side by side; each row is measured with both, one after the other."""
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))[:2]]
    short, long = str(args.seconds), str(args.long_seconds)
    rows = {
        f"save to in the dataset, {short} s, s": ("live", short, str(args.episodes), "delay_s"),
        "encoder CPU per second recorded, s": ("live", short, str(args.episodes), "cpu_s"),
        f"the same, saved before, preset {SAME_PRESET}, s": ("stored", short, "2", SAME_PRESET, "cpu_s"),
        "wait for a save, s": ("live", short, str(args.episodes), "wait_s"),
        "late ticks": ("live", short, str(args.episodes), "late"),
        f"peak of all encoding processes, {short} s, MB": ("stored", short, "2", "peak_bytes"),
        f"peak of all encoding processes, {long} s, MB": ("stored", long, "2", "peak_bytes"),
        f"the same, shared pages counted once, {short} s, MB": ("stored", short, "2", "proportional_bytes"),
        f"the same, shared pages counted once, {long} s, MB": ("stored", long, "2", "proportional_bytes"),
        "one camera, 60 s, one core, s": (f"{cores[0]}/stored", "60", "1", "wall_s"),
        "one camera, 60 s, two cores, s": (f"{','.join(cores)}/stored", "60", "1", "wall_s"),
    }
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("", "before", "now", "ratio"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for name, (*command, key) in rows.items():
        values = [measured_build(python, *command)[key] for python in (before, sys.executable)]
        scale = 2**20 if key.endswith("_bytes") else 1
        ratio = f"{values[1] / values[0]:.2f}" if values[0] else ""
        table.add_row(name, *(f"{value / scale:.3g}" for value in values), ratio)
    Console(width=120).print(table)
    print(f"\na bare fsync takes {1000 * fsync_s(args.directory):.1f} ms (p95)")


@functools.cache
def measured_build(python: str, kind: str, *values: str) -> dict[str, float]:
    """Measure a build; ``kind`` may begin with the cores to use."""
    cores, _, kind = kind.rpartition("/")
    command = [python, str(ONE_BUILD), kind, *values]
    done = subprocess.run(
        ["taskset", "-c", cores, *command] if cores else command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return cast("dict[str, float]", json.loads(done.stdout))


def fsync_s(directory: Path | None) -> float:
    """Return the 95th percentile of the time to sync a small file."""
    found = []
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        for _ in range(100):
            file.write(bytes(4096))
            file.flush()
            start = time.perf_counter()
            os.fsync(file.fileno())
            found.append(time.perf_counter() - start)
    return float(np.quantile(found, 0.95))


def rounds(folder: Path, args: argparse.Namespace) -> tuple[Result, Result, float]:
    """Encode the recorded episodes with this package and with PyAV, in turns."""
    ours, alone, statistics = [], [], []
    for number in range(args.rounds):
        root = folder / f"round-{number}" / "data"
        shutil.copytree(folder / "data.spool", root.with_name("data.spool"))
        alone.append(isolated(encode_alone, root))
        statistics.append(isolated(compute_statistics, root))
        ours.append(isolated(encode_and_commit, root))
        shutil.rmtree(root.parent)
    return cheapest(ours), cheapest(alone), min(statistics)


def cheapest(results: list[Result]) -> Result:
    return min(results, key=lambda result: result.cpu_s)


def isolated(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def measured(function: Callable[[], None]) -> Result:
    """Measure a function; its processes keep running."""
    before, start = cost(os.getpid()), time.perf_counter()
    function()
    wall_s, spent = time.perf_counter() - start, cost(os.getpid()).since(before)
    return Result(wall_s, spent.cpu_s, spent.peak_bytes)


# The ways


def record(root: Path, args: argparse.Namespace) -> tuple[list[float], float]:
    """Record the episodes at real pace; returns the seconds that saving took, and the CPU of all."""
    keys = [f"observation.images.cam{index}" for index in range(args.cameras)]
    video = {"dtype": "video", "shape": (480, 640, 3), "names": ["height", "width", "channels"]}
    state = {"dtype": "float32", "shape": (6,), "names": None}
    frames = load_frames(find_clip(args.clip), 640, 480)
    cameras = {key: back_and_forth(frames, 17 * index) for index, key in enumerate(keys)}
    waits, before = [], cost(os.getpid())
    with EpisodeRecorder(root, {"observation.state": state, **dict.fromkeys(keys, video)}, FPS) as recorder:
        for _ in range(args.episodes):
            with recorder.episode("benchmark") as episode:
                for tick in paced(round(args.seconds * FPS)):
                    state_now = np.full(6, tick, np.float32)
                    images = {key: next(camera) for key, camera in cameras.items()}
                    episode.add({"observation.state": state_now, **images})
                leaving = time.perf_counter()
            waits.append(time.perf_counter() - leaving)
    return waits, cost(os.getpid()).since(before).cpu_s


def paced(ticks: int) -> Iterator[int]:
    start = time.perf_counter()
    for tick in range(ticks):
        time.sleep(max(0.0, start + tick / FPS - time.perf_counter()))
        yield tick


def encode_alone(root: Path) -> Result:
    def encode() -> None:
        for episode in Spool(root).ready():
            for key, camera in episode.manifest.cameras.items():
                shape = (camera.height * 3 // 2, camera.width)
                images = planes(episode.path / f"{key}.i420", shape, episode.length)
                encode_with_pyav(images, root.with_name("alone.mp4"), camera.width, camera.height)

    os.environ["SVT_LOG"] = "1"
    return measured(encode)


def planes(path: Path, shape: tuple[int, int], length: int) -> Iterator[np.ndarray]:
    for index in range(length):
        yield np.memmap(path, np.uint8, "r", index * shape[0] * shape[1], shape)


def encode_with_pyav(images: Iterator[np.ndarray], output: Path, width: int, height: int) -> None:
    settings = EncoderSettings()
    with av.open(str(output), "w") as container:
        stream = container.add_stream(settings.vcodec, FPS, options=settings.options())
        stream.width, stream.height, stream.pix_fmt = width, height, settings.pix_fmt
        with unchanged_priority():  # as root it would be real-time and preempt everything else
            stream.codec_context.open(strict=False)
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_numpy_buffer(image, format="yuv420p")))
        container.mux(stream.encode())


def encode_and_commit(root: Path) -> Result:
    spool = Spool(root)
    waiting = len(spool.ready())
    with BatchEncoder(root, batch_size=waiting + 1, nice=0) as encoder:

        def encode() -> None:
            encoder.encode_pending()
            while encoder.status().committed < waiting:
                time.sleep(0.02)

        return measured(encode)


def compute_statistics(root: Path) -> float:
    """Compute the image statistics of all episodes once more, alone; returns the seconds of CPU."""
    before = time.process_time()
    for episode in Spool(root).ready():
        for key, camera in episode.manifest.cameras.items():
            compute = depth_stats if camera.is_depth else image_stats
            compute(episode.sample(key, sample_indices(episode.length)))
    return time.process_time() - before


def compare_pictures(root: Path) -> Pictures:
    """Encode all episodes once more, alone, and compare some and then all of the frames with their images."""
    found = Pictures(0.0, 0.0, 0.0)
    for episode in Spool(root).ready():
        for key, camera in episode.manifest.cameras.items():
            shape = (camera.height * 3 // 2, camera.width)
            images = partial(planes, episode.path / f"{key}.i420", shape, episode.length)
            found = found.plus(compare(images, root.with_name("compared.mp4"), camera.width, camera.height))
    return found


def compare(images: Callable[[], Iterator[np.ndarray]], video: Path, width: int, height: int) -> Pictures:
    settings = EncoderSettings().resolved()
    start = time.process_time()
    encode(images(), video, fps=FPS, width=width, height=height, settings=settings)
    encoded = time.process_time()
    with Sketches(video.parent) as sketches:
        for image in images():
            sketches.add(av.VideoFrame.from_numpy_buffer(image, format="yuv420p"))
        sketched = time.process_time()
        sketches.damage(video, settings)
        compared = time.process_time()
        sketches.damage(video, replace(settings, picture_check="all"))
    compared_all, sketching = time.process_time(), sketched - encoded
    return Pictures(encoded - start, sketching + compared - sketched, sketching + compared_all - compared)


def lerobot(args: argparse.Namespace) -> tuple[Result, list[float], float]:
    """Record the same frames with LeRobot; returns also the waits and the CPU of recording."""
    options = ("--episodes", args.episodes, "--seconds", args.seconds, "--cameras", args.cameras)
    done = subprocess.run(
        [args.lerobot, LEROBOT, "--clip", find_clip(args.clip), *map(str, options)],
        env={key: value for key, value in os.environ.items() if key not in FOREIGN},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"LeRobot's Python failed:\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    peak_bytes = round(found["peak_mb"] * 2**20)
    result = Result(sum(found["waits_s"]), found["saving_cpu_s"], peak_bytes)
    return result, found["waits_s"], found["recording_cpu_s"]


def cells(result: Result, recording_s: float | None, reference: Result) -> list[str]:
    return [
        f"{result.wall_s:.1f}",
        "" if recording_s is None else f"{recording_s:.1f}",
        f"{result.cpu_s:.1f}",
        f"{result.cpu_s / reference.cpu_s:.2f}",
        f"{result.peak_bytes / 2**20:.0f}",
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of an episode")
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--clip", choices=CLIPS, default=CLIPS[0], help="the footage")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lerobot", default=os.environ.get("LEROBOT_PYTHON"), help="a Python with LeRobot")
    parser.add_argument("--before", help="the Python of another build, to compare with")
    parser.add_argument("--long-seconds", type=float, default=300.0, help="length of a long episode")
    parser.add_argument("--directory", type=Path, help="where to record; the directory for temporary files")
    return parser.parse_args()


if __name__ == "__main__":
    main()

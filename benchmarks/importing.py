"""Measure the import of a bag, without the encoding of videos, compared with the plain way with LeRobot.

    python benchmarks/importing.py                                     one minute, two cameras, joints
    python benchmarks/importing.py --lerobot PYTHON --packages FOLDER  and with LeRobot itself
    python benchmarks/importing.py --grow 1 10 60                      peak memory against the length, minutes
    python benchmarks/importing.py --late 10                           the last 10 s of a bag of 10 minutes

PYTHON is the interpreter of an environment with LeRobot, FOLDER holds its `mcap-ros2-support`
(`pip install --target FOLDER mcap-ros2-support`). Both read the same bag: MCAP without compression, JPEGs of
640x480 of real footage at 30 Hz, `state` and `action` at 100 Hz. The plain way (lerobot_importing.py) decodes
the messages with `mcap_ros2`, gives the newest ones to `add_frame` 30 times a second, then saves the episode.
The time in LeRobot's `encode_video_frames`, and until its packages are loaded, is taken out. Ours is
`lerobot-recorder import --no-encode` from its start to its end, with the worker process that reads the bag.
`--grow` and `--late` use small JPEGs, so that an hour fits on the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import yaml
from footage import back_and_forth, find_clip, load_frames
from processes import FOREIGN
from rich.console import Console
from rich.table import Table
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

WIDTH, HEIGHT, FPS, JOINTS_HZ, IMAGES = 640, 480, 30, 100, 60
JOINTS = [f"joint_{number}" for number in range(6)]
CAMERAS = {name: f"/cameras/{name}/image_raw/compressed" for name in ("top", "wrist")}
ARMS = {"state": "/follower/joint_states", "action": "/leader/joint_states"}
START_NS = 1_790_000_000_000_000_000
QUALITY, SMALL_QUALITY = 80, 5
LATENCY_NS = 5_000_000


@dataclass(frozen=True)
class Result:
    """Cost of an import.

    Attributes:
        wall_s: seconds from start to end.
        cpu_s: seconds of CPU of all its processes.
        peak_mb: largest resident size of one of them.
        frames: frames of the episode.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    frames: int


def jpegs(quality: int) -> list[np.ndarray]:
    frames = load_frames(find_clip("bikes.mp4"), WIDTH, HEIGHT, IMAGES)
    encoded = (
        cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        for frame in islice(back_and_forth(frames), IMAGES)
    )
    return [image.ravel() for image in encoded]


def write_bag(path: Path, seconds: float, quality: int) -> None:
    """Write the bag, message by message."""
    types = get_typestore(Stores.ROS2_HUMBLE)
    made, images = types.types, jpegs(quality)

    def header(time_ns: int):
        stamp = made["builtin_interfaces/msg/Time"](time_ns // 10**9, time_ns % 10**9)
        return made["std_msgs/msg/Header"](stamp, "")

    def joints(time_ns: int):
        values = np.sin(time_ns / 1e9 + np.arange(len(JOINTS)))
        kind = "sensor_msgs/msg/JointState"
        return kind, made[kind](header(time_ns), JOINTS, values, np.zeros(0), np.zeros(0))

    def image(time_ns: int, number: int):
        kind = "sensor_msgs/msg/CompressedImage"
        return kind, made[kind](header(time_ns), "jpeg", images[number % len(images)])

    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            topic: writer.add_connection(topic, f"sensor_msgs/msg/{kind}", typestore=types)
            for topics, kind in ((ARMS, "JointState"), (CAMERAS, "CompressedImage"))
            for topic in topics.values()
        }
        counts = dict.fromkeys(connections, 0)
        rates = dict.fromkeys(ARMS.values(), JOINTS_HZ) | dict.fromkeys(CAMERAS.values(), FPS)
        while min(counts[topic] / rate for topic, rate in rates.items()) < seconds:
            topic = min(rates, key=lambda each: counts[each] / rates[each])
            time_ns = START_NS + counts[topic] * 10**9 // rates[topic]
            kind, message = joints(time_ns) if topic in ARMS.values() else image(time_ns, counts[topic])
            writer.write(connections[topic], time_ns + LATENCY_NS, types.serialize_cdr(message, kind))
            counts[topic] += 1


def write_config(path: Path) -> None:
    streams = [*ARMS, *CAMERAS]
    parameters = {"fps": FPS, "task": "benchmark", "streams": streams}
    parameters |= {f"{name}.topic": topic for name, topic in (ARMS | CAMERAS).items()}
    parameters |= {f"{name}.names": JOINTS for name in ARMS}
    parameters |= {f"{name}.stamp": "header" for name in streams}
    path.write_text(yaml.safe_dump({"recorder": {"ros__parameters": parameters}}))


def ours(folder: Path, *options: str) -> Result:
    root = folder / "ours"
    command = [sys.executable, "-m", "lerobot_recorder.cli.app", "import", folder / "bag"]
    command += ["--config", folder / "robot.yaml", "--root", root, "--no-encode", *options]
    wall_s, cpu_s, peak_mb, _ = measured([str(each) for each in command], dict(os.environ))
    manifest = next((folder / "ours.spool/ready").glob("*/manifest.json"))
    frames = json.loads(manifest.read_text())["length"]
    shutil.rmtree(folder / "ours.spool")
    return Result(wall_s, cpu_s, peak_mb, frames)


def lerobots(folder: Path, python: Path, packages: Path) -> tuple[Result, dict[str, float]]:
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    environment["PYTHONPATH"] = str(packages)
    script = Path(__file__).with_name("lerobot_importing.py")
    (file,) = (folder / "bag").glob("*.mcap")
    wall_s, cpu_s, peak_mb, output = measured([str(python), str(script), str(file)], environment)
    found = json.loads(output.splitlines()[-1])
    left_out = found["load_wall_s"] + found["encode_wall_s"], found["load_cpu_s"] + found["encode_cpu_s"]
    return Result(wall_s - left_out[0], cpu_s - left_out[1], peak_mb, found["frames"]), found


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float, float, str]:
    """Run a program; return its wall time, CPU time, peak memory and output."""
    reporter = (
        "import json, resource, subprocess, sys, time; began = time.perf_counter(); "
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True); "
        "wall_s = time.perf_counter() - began; used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "cpu_s = used.ru_utime + used.ru_stime; "
        "print(json.dumps([done.returncode, wall_s, cpu_s, used.ru_maxrss, done.stdout]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", reporter, *command],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    status, wall_s, cpu_s, peak_kb, output = json.loads(found.stdout.splitlines()[-1])
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{output}")
    return wall_s, cpu_s, peak_kb / 1024, output


def compare(args: argparse.Namespace, console: Console) -> None:
    folder = Path(tempfile.mkdtemp(prefix="importing-", dir=args.folder))
    try:
        write_bag(folder / "bag", args.seconds, QUALITY)
        write_config(folder / "robot.yaml")
        size_mb = sum(each.stat().st_size for each in (folder / "bag").iterdir()) / 1e6
        results = {"ours": min((ours(folder) for _ in range(args.runs)), key=lambda each: each.wall_s)}
        details = {}
        if args.lerobot:
            runs = [lerobots(folder, args.lerobot, args.packages) for _ in range(args.runs)]
            results["LeRobot"], details = min(runs, key=lambda each: each[0].wall_s)
        table = Table(
            "", "frames", "wall s", "CPU s", "peak MB", title=f"{args.seconds:g} s, {size_mb:.0f} MB"
        )
        for name, each in results.items():
            numbers = f"{each.wall_s:.2f}", f"{each.cpu_s:.2f}", f"{each.peak_mb:.0f}"
            table.add_row(name, str(each.frames), *numbers)
        if args.lerobot:
            mine, theirs = results["ours"], results["LeRobot"]
            ratios = f"{theirs.wall_s / mine.wall_s:.1f}", f"{theirs.cpu_s / mine.cpu_s:.1f}"
            table.add_row("ratio", "", *ratios)
        console.print(table)
        if details:
            told = ", ".join(f"{name} {value:.2f}" for name, value in details.items() if name != "frames")
            console.print(f"LeRobot: {told}")
    finally:
        shutil.rmtree(folder)


def grow(args: argparse.Namespace, console: Console) -> None:
    table = Table("minutes", "bag MB", "frames", "wall s", "CPU s", "peak MB")
    for minutes in args.grow or args.late:
        folder = Path(tempfile.mkdtemp(prefix="importing-", dir=args.folder))
        try:
            write_bag(folder / "bag", minutes * 60, SMALL_QUALITY)
            write_config(folder / "robot.yaml")
            size_mb = sum(each.stat().st_size for each in (folder / "bag").iterdir()) / 1e6
            each = ours(folder, *(["--range", f"{minutes * 60 - 10:g},"] if args.late else []))
        finally:
            shutil.rmtree(folder)
        numbers = f"{each.wall_s:.2f}", f"{each.cpu_s:.2f}", f"{each.peak_mb:.0f}"
        table.add_row(f"{minutes:g}", f"{size_mb:.0f}", str(each.frames), *numbers)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--runs", type=int, default=3, help="the fastest of this number of runs counts")
    parser.add_argument("--lerobot", type=Path, help="Python of an environment with LeRobot")
    parser.add_argument("--packages", type=Path, help="folder with mcap-ros2-support for it")
    parser.add_argument("--grow", type=float, nargs="+", metavar="MINUTES")
    parser.add_argument("--late", type=float, nargs="+", metavar="MINUTES")
    parser.add_argument("--folder", type=Path, help="where bags and datasets are written; by default in /tmp")
    args = parser.parse_args()
    console = Console()
    if args.grow or args.late:
        grow(args, console)
    else:
        compare(args, console)


if __name__ == "__main__":
    main()

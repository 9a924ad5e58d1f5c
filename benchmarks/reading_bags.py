"""Compares ways to read a bag of 60 s: two cameras 640x480 with 30 JPEGs per second, and joints at 100 Hz.

Each way reads all messages by log time and makes objects of them, in a process of its own. ``--minutes``
shows the memory for longer bags.

Usage: python benchmarks/reading_bags.py [--minutes 1,10,60]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from lerobot_recorder.bags import open_bag

PICTURE = Path(__file__).parents[1] / "docs" / "demo.jpg"
JOINTS = [f"joint_{number}" for number in range(6)]
CAMERAS = ("/left/image_raw/compressed", "/right/image_raw/compressed")
START_NS = 1_700_000_000_000_000_000
FORMS = {"mcap": ("MCAP", "NONE"), "mcap zstd": ("MCAP", "STORAGE"), "sqlite3": ("SQLITE3", "NONE")}
ROUNDS = 3
QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 80)


def stamp(log_ns: int) -> dict[str, int]:
    return {"sec": log_ns // 10**9, "nanosec": log_ns % 10**9}


def write(folder: Path, minutes: float, form: str) -> None:
    """Write a bag with rosbags."""
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    storage, compression = FORMS[form]
    types = get_typestore(Stores.ROS2_JAZZY)
    image, joints, header, time_ = (
        types.types[name]
        for name in (
            "sensor_msgs/msg/CompressedImage",
            "sensor_msgs/msg/JointState",
            "std_msgs/msg/Header",
            "builtin_interfaces/msg/Time",
        )
    )
    pictures = jpegs()
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin[storage])
    writer.set_compression(CompressionMode[compression], CompressionFormat.ZSTD)
    with writer:
        to = {name: writer.add_connection(name, image.__msgtype__, typestore=types) for name in CAMERAS}
        states = writer.add_connection("/joint_states", joints.__msgtype__, typestore=types)
        for tick in range(int(minutes * 60 * 300)):
            log_ns = START_NS + tick * 10**9 // 300
            if tick % 3 == 0:
                values = np.full(6, tick / 1e3)
                message = joints(header(time_(**stamp(log_ns)), ""), JOINTS, values, values, np.zeros(0))
                writer.write(states, log_ns, types.serialize_cdr(message, joints.__msgtype__))
            for number, name in enumerate(CAMERAS):
                if tick % 10 == number:
                    picture = pictures[(tick // 10 + 7 * number) % len(pictures)]
                    message = image(header(time_(**stamp(log_ns)), "camera"), "jpeg", picture)
                    writer.write(to[name], log_ns, types.serialize_cdr(message, image.__msgtype__))


def jpegs() -> list[np.ndarray]:
    """Return pictures with the noise of a sensor."""
    picture = cv2.resize(cv2.imread(str(PICTURE)), (640, 480))
    chance = np.random.default_rng(0)
    noisy = ((picture + chance.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8) for _ in range(15))
    return [cv2.imencode(".jpg", each, QUALITY)[1].ravel() for each in noisy]


def ours(path: Path) -> Iterator[object]:
    with open_bag(path) as bag:
        for message in bag.messages():
            yield message.decode()


def ours_undecoded(path: Path) -> Iterator[object]:
    with open_bag(path) as bag:
        yield from bag.messages()


def ours_joints(path: Path) -> Iterator[object]:
    with open_bag(path) as bag:
        for message in bag.messages(["/joint_states"]):
            yield message.decode()


def rosbags(path: Path) -> Iterator[object]:
    from rosbags.highlevel import AnyReader

    with AnyReader([path]) as reader:
        for connection, _, data in reader.messages():
            yield reader.deserialize(data, connection.msgtype)


def mcap_ros2(path: Path) -> Iterator[object]:
    from mcap_ros2.reader import read_ros2_messages

    (file,) = path.glob("*.mcap")
    for message in read_ros2_messages(str(file)):
        yield message.ros_msg


WAYS = {each.__name__: each for each in (ours, ours_undecoded, ours_joints, rosbags, mcap_ros2)}


def measure(way: str, path: Path) -> None:
    """Print number of messages, wall time, CPU time, and how much the memory grew, in MB."""
    before = peak_mb()
    wall, cpu, number = time.perf_counter(), time.process_time(), 0
    for _ in WAYS[way](path):
        number += 1
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(number, wall, cpu, peak_mb() - before)


def peak_mb() -> float:
    """Return the largest memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def best(way: str, path: Path) -> tuple[float, ...]:
    """Return the figures of the fastest of several processes."""
    command = [sys.executable, __file__, "--measure", way, str(path)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(ROUNDS)]
    return min((tuple(map(float, run.stdout.split())) for run in runs), key=lambda figures: figures[2])


def compare(folder: Path, minutes: float) -> None:
    for form in FORMS:
        path = folder / f"{form.replace(' ', '_')}_{minutes:g}"
        write(path, minutes, form)
        size = sum(file.stat().st_size for file in path.iterdir()) / 1e6
        print(f"\n{form}, {minutes:g} min, {size:.0f} MB      messages   wall s    CPU s  memory MB")
        for way in WAYS:
            if way != "mcap_ros2" or form != "sqlite3":
                number, wall, cpu, grown = best(way, path)
                print(f"  {way:25} {number:8.0f} {wall:8.2f} {cpu:8.2f} {grown:10.0f}", flush=True)
        for file in path.iterdir():
            file.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", default="1", help="lengths of the bags, separated by commas")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        for minutes in options.minutes.split(","):
            compare(Path(folder), float(minutes))


if __name__ == "__main__":
    main()

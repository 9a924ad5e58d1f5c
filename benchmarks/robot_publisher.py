"""Publish a robot made of real footage: joint states at 100 Hz, cameras at a given rate.

A camera sends its first image when its subscriber is ready, so that every image can be received. On an
interrupt it prints one JSON object: the number of images that each camera sent.
"""

from __future__ import annotations

import argparse
import array
import json
import signal
import time

import cv2
import numpy as np
import rclpy
from footage import back_and_forth, find_clip, load_frames
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image, JointState

SETTLED_S = 1.0
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")


class RobotPublisher(Node):
    """Publishes prepared messages, so that it uses as little CPU as possible."""

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__("robot_publisher")
        self.counts = {f"cam{index}": 0 for index in range(args.cameras)}
        self.matched_s: dict[str, float] = {}
        self.joints = [
            self.create_publisher(JointState, topic, 50)
            for topic in ("follower/joint_states", "leader/joint_states")
        ]
        kind, suffix = (CompressedImage, "/compressed") if args.transport == "compressed" else (Image, "")
        self.images = {
            name: self.create_publisher(kind, f"cameras/{name}/image_raw{suffix}", 10) for name in self.counts
        }
        frames = load_frames(find_clip("bikes.mp4"), args.width, args.height)
        messages = [self.message(frame, args.transport) for frame in frames]
        order = np.arange(len(messages))
        self.sequences = {
            name: back_and_forth(order, start=index * 17) for index, name in enumerate(self.counts)
        }
        self.messages = messages
        self.create_timer(0.01, self.publish_joints)
        self.create_timer(1 / args.fps, self.publish_images)

    @staticmethod
    def message(frame: np.ndarray, transport: str) -> Image | CompressedImage:
        height, width, _ = frame.shape
        if transport == "compressed":
            data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
            return CompressedImage(format="rgb8; jpeg compressed bgr8", data=array.array("B", data.tobytes()))
        return Image(
            height=height,
            width=width,
            encoding="rgb8",
            step=width * 3,
            data=array.array("B", frame.tobytes()),
        )

    def publish_joints(self) -> None:
        stamp = self.get_clock().now().to_msg()
        positions = np.sin(np.arange(6) + time.monotonic()).tolist()
        for publisher in self.joints:
            message = JointState(name=list(JOINTS), position=positions)
            message.header.stamp = stamp
            publisher.publish(message)

    def publish_images(self) -> None:
        stamp = self.get_clock().now().to_msg()
        for name, publisher in self.images.items():
            if not self.settled(name):
                continue
            message = self.messages[int(next(self.sequences[name]))]
            message.header.stamp = stamp
            publisher.publish(message)
            self.counts[name] += 1

    def settled(self, name: str) -> bool:
        """Return whether a camera has had its subscriber for a while; both ends match at different times."""
        if name not in self.matched_s:
            if not self.images[name].get_subscription_count():
                return False
            self.matched_s[name] = time.monotonic()
        return time.monotonic() - self.matched_s[name] > SETTLED_S


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--transport", choices=("raw", "compressed"), default="raw")
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = RobotPublisher(parser.parse_args())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("publishing", flush=True)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(json.dumps(node.counts), flush=True)
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()

"""Publishes best-effort images in a process of its own, until it is interrupted.

Usage: python camera_process.py TOPIC RATE_HZ SMALL STEP [COUNT]

Of SMALL images, one is so small that Fast DDS always delivers it: the same picture without padding. The
others have padded lines of STEP bytes, so that they need more shared memory than Fast DDS has by default.
COUNT images are published, then no more.
"""

from __future__ import annotations

import array
import itertools
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

WIDTH, HEIGHT = 64, 48


class Camera(Node):
    def __init__(self, topic: str, rate_hz: float, small: int, step: int, count: int | None) -> None:
        super().__init__("camera")
        profile = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.publisher = self.create_publisher(Image, topic, profile)
        self.small, self.step = small, step
        self.numbers = itertools.count() if count is None else iter(range(count))
        self.create_timer(1 / rate_hz, self.publish)

    def publish(self) -> None:
        if not self.publisher.get_subscription_count():
            return
        number = next(self.numbers, None)
        if number is not None:
            step = self.step if number % self.small else WIDTH * 3
            message = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=step)
            message.data = array.array("B", bytes([number % 256]) * (step * HEIGHT))
            self.publisher.publish(message)


def main() -> None:
    topic, rate_hz, *numbers = sys.argv[1:]
    small, step, count = [*map(int, numbers), None][:3]
    rclpy.init()
    try:
        rclpy.spin(Camera(topic, float(rate_hz), small, step, count))
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()

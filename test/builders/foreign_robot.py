"""A robot that is none of ours: an arm under ros2_control, three best-effort cameras, all in a namespace.

Usage: python foreign_robot.py SENT.npz; prints "steady" once it publishes, at its end writes what it sent.
"""

from __future__ import annotations

import array
import math
import sys
from pathlib import Path

import cv2
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray, String

MEASURED = ("wrist_joint", "shoulder_pan_joint", "elbow_joint", "finger_joint")
COMMANDED = ("shoulder_pan_joint", "elbow_joint", "wrist_joint", "finger_joint")
WIDTH, HEIGHT = 160, 120
STEADY = 30
URDF = '<robot name="arm7"><joint name="finger_joint" type="prismatic"/><joint name="elbow_joint" type="revolute"/></robot>'  # noqa: E501


def depth_mm(number: int) -> np.ndarray:
    """A slope from 0.4 m to 4 m that moves away, with a hole where nothing was measured."""
    slope = np.linspace(400, 4000, WIDTH, dtype=np.float64) + np.arange(HEIGHT)[:, None]
    depth = (slope + 3 * number).astype(np.uint16)
    depth[:8, :8] = 0
    return depth


def colour(number: int) -> np.ndarray:
    """BGR: a bar that moves over a gradient."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, WIDTH)
    image[:, (number * 4) % WIDTH :][:, :8] = 255
    return image


class ForeignRobot:
    """Its nodes; the controller's parameters say which joints it commands, in which order."""

    def __init__(self) -> None:
        self.driver = Node("driver", namespace="/lab/arm7")
        self.controller = Node("forward_position_controller", namespace="/lab/arm7")
        self.controller.declare_parameter("joints", list(COMMANDED))
        self.teleop = Node("teleop", namespace="/lab")
        commands = "arm7/forward_position_controller/commands"
        self.controller.create_subscription(Float64MultiArray, f"/lab/{commands}", lambda message: None, 10)
        self.commands = self.teleop.create_publisher(Float64MultiArray, commands, 10)
        self.states = self.driver.create_publisher(JointState, "joint_states", 10)
        camera, best_effort = "/lab/wrist_camera", qos_profile_sensor_data
        self.colour = self.driver.create_publisher(Image, f"{camera}/color/image_raw", best_effort)
        self.depth = self.driver.create_publisher(Image, f"{camera}/depth/image_rect_raw", best_effort)
        overhead = "/lab/overhead/image_raw/compressed"
        self.overhead = self.driver.create_publisher(CompressedImage, overhead, best_effort)
        self.describe()
        self.sent: dict[str, list[list[float]]] = {"state": [], "action": []}
        self.driver.create_timer(1 / 60, self.step)

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.driver, self.controller, self.teleop

    def describe(self) -> None:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.description = self.driver.create_publisher(String, "robot_description", latched)
        self.description.publish(String(data=URDF))

    def step(self) -> None:
        number = len(self.sent["state"])
        if number == STEADY:
            print("steady", flush=True)
        angles = {name: math.sin(number / 40 + shift) + number * 1e-4 for shift, name in enumerate(COMMANDED)}
        goals = {name: angle + 0.01 for name, angle in angles.items()}
        self.sent["state"].append([angles[name] for name in MEASURED])
        self.sent["action"].append([goals[name] for name in COMMANDED])
        self.states.publish(JointState(name=list(MEASURED), position=self.sent["state"][-1]))
        self.commands.publish(Float64MultiArray(data=self.sent["action"][-1]))
        if number % 2 == 0:
            self.look(number // 2)

    def look(self, number: int) -> None:
        picture = colour(number)
        self.colour.publish(self.image(picture, "bgr8"))
        self.depth.publish(self.image(depth_mm(number), "16UC1"))
        jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
        self.overhead.publish(CompressedImage(format="jpeg", data=array.array("B", jpeg)))

    @staticmethod
    def image(pixels: np.ndarray, encoding: str) -> Image:
        message = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=pixels.nbytes // HEIGHT)
        message.data = array.array("B", pixels.tobytes())
        return message


def main() -> None:
    rclpy.init()
    robot, executor = ForeignRobot(), SingleThreadedExecutor()
    for node in robot.nodes:
        executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        np.savez(Path(sys.argv[1]), **{key: np.array(rows) for key, rows in robot.sent.items()})
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()

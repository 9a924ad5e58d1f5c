from __future__ import annotations

import array
from pathlib import Path

import pytest
import yaml
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from lerobot_recorder.cli.processes import NodeProcess

CONFIG = Path(__file__).parents[2] / "config"
PRESETS = ("ros2_control", "usb_cam", "v4l2_camera", "realsense2_camera")


def message_for(parameters: dict, stream: str):
    """Make a message as the preset expects it."""
    kind, names = parameters[f"{stream}.type"], parameters.get(f"{stream}.names", [])
    zeros = [0.0] * len(names)
    if kind == "sensor_msgs/msg/JointState":
        return JointState(name=names, position=zeros)
    if kind == "trajectory_msgs/msg/JointTrajectory":
        return JointTrajectory(joint_names=names, points=[JointTrajectoryPoint(positions=zeros)])
    encoding, size = ("16UC1", 2) if parameters.get(f"{stream}.depth") else ("rgb8", 3)
    image = Image(height=32, width=48, encoding=encoding, step=48 * size)
    image.data = array.array("B", bytes(32 * 48 * size))
    return image


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_records_the_topics_that_it_names(graph, tmp_path, preset):
    file = CONFIG / f"{preset}.yaml"
    parameters = yaml.safe_load(file.read_text())["/**/recorder"]["ros__parameters"]
    publishers = []
    for stream in parameters["streams"]:
        message = message_for(parameters, stream)
        topic = parameters[f"{stream}.topic"]
        publishers.append(
            (graph.node.create_publisher(type(message), topic, qos_profile_sensor_data), message)
        )
    arguments = ["--ros-args", "--params-file", str(file), "-p", f"root:={tmp_path / 'data'}"]
    graph.processes.append(NodeProcess("recorder", arguments, graph.environment, graph.events))

    def starts() -> bool:
        for publisher, message in publishers:
            publisher.publish(message)
        return not graph.status["recorder"]["missing"] and graph.call("recorder/start_episode")[0]

    graph.wait(starts)
    graph.wait(lambda: graph.status["recorder"]["state"] == "recording")

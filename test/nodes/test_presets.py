from __future__ import annotations

import array
import re
from pathlib import Path

import pytest
import yaml
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from lerobot_recorder.cli.processes import NodeProcess

PACKAGE = Path(__file__).parents[2]
CONFIG = PACKAGE / "config"
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


def start_recorder(graph, file: Path, root: Path) -> None:
    arguments = ["--ros-args", "--params-file", str(file), "-p", f"root:={root}"]
    graph.processes.append(NodeProcess("recorder", arguments, graph.environment, graph.events))


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
    start_recorder(graph, file, tmp_path / "data")

    def starts() -> bool:
        for publisher, message in publishers:
            publisher.publish(message)
        return not graph.status["recorder"]["missing"] and graph.call("recorder/start_episode")[0]

    graph.wait(starts)
    graph.wait(lambda: graph.status["recorder"]["state"] == "recording")


@pytest.mark.parametrize("preset", PRESETS)
def test_commands_that_are_sent_once_per_motion_hold_until_the_next(preset):
    parameters = yaml.safe_load((CONFIG / f"{preset}.yaml").read_text())["/**/recorder"]["ros__parameters"]
    assert parameters["action.topic"].endswith("joint_trajectory")
    assert parameters["action.max_age_s"] == 3600.0


def test_the_recorder_takes_the_example_of_the_documentation(graph, tmp_path):
    text = (PACKAGE / "docs" / "any_robot.md").read_text()
    file = tmp_path / "robot.yaml"
    file.write_text(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    start_recorder(graph, file, tmp_path / "data")
    assert len(graph.wait(lambda: graph.status["recorder"]["missing"])) == 5

from __future__ import annotations

from pathlib import Path

import pytest

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.launching import is_launched, node_values, require_config, typed_options

FILE = Path("/opt/share/lerobot_recorder/launch/record.launch.py")


def test_launch_arguments_go_to_the_nodes_that_know_them():
    texts = {"root": "/data", "num_episodes": "3", "reset_time_s": "2", "video_encoding_batch_size": "5"}
    given = typed_options(texts)
    recorder = node_values("recorder", given)
    assert recorder == {"root": "/data", "num_episodes": 3, "reset_time_s": 2.0}
    assert node_values("encoder", given) == {"root": "/data", "video_encoding_batch_size": 5}
    assert isinstance(recorder["reset_time_s"], float)


def test_ports_are_parameters_of_the_hardware_node():
    given = {"follower_port": "/dev/follower", "root": "/data"}
    assert node_values("hardware", given) == {"follower.port": "/dev/follower"}
    assert node_values("recorder", given) == {"root": "/data"}


@pytest.mark.parametrize(("name", "value"), [("num_episodes", "2.5"), ("episode_time_s", "soon")])
def test_a_value_of_another_type_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=f"{name}: expected .* number, found '{value}'"):
        typed_options({name: value})


@pytest.mark.parametrize("config", [None, ""])
def test_the_topics_of_another_robot_need_a_file_which_discover_writes(config):
    with pytest.raises(ConfigError, match=r"discover robot.yaml.*give config:=robot.yaml"):
        require_config("none", config, "config:=robot.yaml")
    require_config("none", "robot.yaml", "config:=robot.yaml")
    require_config("so100", config, "config:=robot.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        "/opt/ros/bin/ros2 launch lerobot_recorder record.launch.py",
        "/opt/ros/bin/ros2 launch -n lerobot_recorder record.launch.py root:=/data",
        f"ros2 launch {FILE} hardware:=sim",
    ],
)
def test_ros2_launch_starts_the_file_itself(arguments):
    assert is_launched(arguments.split(), FILE)


@pytest.mark.parametrize(
    "arguments",
    [
        "ros2 launch my_robot record.launch.py",
        "ros2 launch my_robot robot.launch.py recorder:=lerobot_recorder file:=record.launch.py",
        "ros2 launch robot.launch.py",
        f"python3 robot.py launch {FILE}",
        "pytest",
        "",
    ],
)
def test_another_launch_includes_the_file(arguments):
    assert not is_launched(arguments.split(), FILE)

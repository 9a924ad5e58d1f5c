from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("launch_ros", reason="launch comes with a ROS 2 installation only")

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument

from lerobot_recorder.launching import NODE_OPTIONS
from lerobot_recorder.settings import Parameter

FILE = Path(__file__).resolve().parents[2] / "launch" / "record.launch.py"
ARGUMENTS = (
    "config",
    "episode_time_s",
    "hardware",
    "namespace",
    "num_episodes",
    "repo_id",
    "reset_time_s",
    "root",
    "task",
    "video_encoding_batch_size",
)


@pytest.fixture(scope="module")
def launch_file() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_launch", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nodes(launch_file: ModuleType, **given: str) -> dict[str, Any]:
    context = LaunchContext()
    context.launch_configurations.update({**dict.fromkeys(ARGUMENTS, ""), "hardware": "so100", **given})
    return {node.node_executable: node for node in launch_file._nodes(context)}


def values(
    launch_file: ModuleType, text: dict[str, str], options: tuple[Parameter, ...]
) -> dict[str, object]:
    return launch_file._values(text, options)


def test_every_argument_is_described(launch_file):
    entities = launch_file.generate_launch_description().entities
    declared = {each.name: each for each in entities if isinstance(each, DeclareLaunchArgument)}
    assert tuple(sorted(declared)) == ARGUMENTS
    assert all(each.description for each in declared.values())


@pytest.mark.parametrize(
    ("hardware", "started"),
    [
        ("so100", ["encoder_node", "hardware_node", "recorder_node"]),
        ("sim", ["encoder_node", "hardware_node", "recorder_node"]),
        ("none", ["encoder_node", "recorder_node"]),
    ],
)
def test_the_nodes_are_started(launch_file, hardware, started):
    assert sorted(nodes(launch_file, hardware=hardware)) == started


def test_what_is_given_goes_to_the_nodes_that_know_it(launch_file):
    given = {"root": "/data", "num_episodes": "3", "reset_time_s": "2", "video_encoding_batch_size": "5"}
    recorder = values(launch_file, given, NODE_OPTIONS["recorder"])
    encoder = values(launch_file, given, NODE_OPTIONS["encoder"])
    assert recorder == {"root": "/data", "num_episodes": 3, "reset_time_s": 2.0}
    assert encoder == {"root": "/data", "video_encoding_batch_size": 5}
    assert isinstance(recorder["reset_time_s"], float)


@pytest.mark.parametrize(("name", "value"), [("num_episodes", "2.5"), ("episode_time_s", "soon")])
def test_a_value_of_another_type_is_refused_by_name(launch_file, name, value):
    with pytest.raises(RuntimeError, match=f"{name}: expected .* number, found '{value}'"):
        nodes(launch_file, **{name: value})


def test_a_missing_parameter_file_is_named(launch_file):
    with pytest.raises(RuntimeError, match=r"no parameter file /nowhere\.yaml"):
        nodes(launch_file, config="/nowhere.yaml")


# With the real nodes


def is_installed() -> bool:
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        return bool(shutil.which("ros2") and get_package_prefix("lerobot_recorder"))
    except (PackageNotFoundError, OSError):
        return False


@pytest.mark.skipif(not is_installed(), reason="the package is not installed for ros2 launch")
def test_the_nodes_record_in_a_namespace_and_all_end_with_the_recorder(tmp_path):
    root = tmp_path / "dataset"
    given = {"hardware": "sim", "namespace": "left", "root": str(root), "num_episodes": "2"}
    given |= {"episode_time_s": "1", "reset_time_s": "1", "video_encoding_batch_size": "9"}
    alone = {"ROS_DOMAIN_ID": "67", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_LOCALHOST_ONLY": "1"}
    ended = subprocess.run(
        ["ros2", "launch", str(FILE), *(f"{name}:={value}" for name, value in given.items())],
        env={**os.environ, **alone},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "[left.recorder]" in ended.stdout + ended.stderr
    check = [sys.executable, "-c", "from lerobot_recorder.cli.app import main; main()", "check", str(root)]
    assert subprocess.run(check, check=False).returncode == 0

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("launch_ros", reason="launch comes with a ROS 2 installation only")

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch_ros.utilities import evaluate_parameters

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.launching import LAUNCH_ARGUMENTS

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
FILE, ROBOT = ROOT / "launch" / "record.launch.py", ROOT / "config" / "ros2_control.yaml"
ALONE = {
    "ROS_DOMAIN_ID": str(1 + os.getpid() % 100),
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    "ROS_LOCALHOST_ONLY": "1",
}
PATIENCE_S = 120.0
SHORT = {
    "hardware": "sim",
    "num_episodes": "1",
    "episode_time_s": "1",
    "reset_time_s": "1",
    "video_encoding_batch_size": "9",
}

LARGER = """
import sys
from launch import LaunchDescription
from launch.actions import ExecuteProcess, IncludeLaunchDescription, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit

def ended(event, context):
    if not event.process_name.startswith("encoder_node"):
        return []
    program = "import os; print('others continue', os.environ.get('FASTDDS_DEFAULT_PROFILES_FILE'))"
    other = ExecuteProcess(
        cmd=[sys.executable, "-c", program], output="screen", on_exit=[Shutdown(reason="all done")]
    )
    return [other]

def generate_launch_description():
    return LaunchDescription([
        IncludeLaunchDescription({file!r}, launch_arguments={arguments!r}.items()),
        RegisterEventHandler(OnProcessExit(on_exit=ended)),
    ])
"""

GROUP = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch_ros.actions import PushRosNamespace, SetParameter, SetRemap

def generate_launch_description():
    return LaunchDescription([GroupAction([
        PushRosNamespace("robots"),
        SetParameter("use_sim_time", True),
        SetRemap("episode_completed", "/done"),
        IncludeLaunchDescription({file!r}, launch_arguments={arguments!r}.items()),
    ])])
"""
SHARED = """
/**:
  ros__parameters: {robot_description: of other nodes}
"""


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
    defaults = dict.fromkeys(LAUNCH_ARGUMENTS, "") | {"hardware": "so100"}
    context.launch_configurations.update({**defaults, **given})
    run = launch_file.Run(ends_launch=True)
    return {node.node_executable: node for node in launch_file._nodes(context, run).values()}


def test_every_argument_is_described(launch_file):
    entities = launch_file.generate_launch_description().entities
    declared = {each.name: each for each in entities if isinstance(each, DeclareLaunchArgument)}
    assert declared.keys() == LAUNCH_ARGUMENTS.keys()
    assert all(each.description for each in declared.values())


@pytest.mark.parametrize(
    ("given", "started"),
    [
        ({"hardware": "so100"}, ["encoder_node", "hardware_node", "recorder_node"]),
        ({"hardware": "sim"}, ["encoder_node", "hardware_node", "recorder_node"]),
        ({"hardware": "none", "config": str(ROBOT)}, ["encoder_node", "recorder_node"]),
    ],
)
def test_the_nodes_are_started(launch_file, given, started):
    assert sorted(nodes(launch_file, **given)) == started


def values_of(node: Any) -> dict[str, Any]:
    """Return the parameters that a node gets besides those of its file."""
    found: dict[str, Any] = {}
    for parameters in evaluate_parameters(LaunchContext(), node._Node__parameters):
        found |= parameters if isinstance(parameters, dict) else {}
    return found


@pytest.mark.parametrize("kind", ["so101", "simulated"])
def test_what_follows_from_other_parameters_is_given_to_the_nodes(launch_file, kind):
    started = nodes(launch_file, hardware=kind, follower_id="mine", repo_id="me/cube", namespace="left")
    recorder, encoder = values_of(started["recorder_node"]), values_of(started["encoder_node"])
    assert list(recorder["streams"]) == ["state", "action", "top", "wrist"]
    assert recorder["top.topic"] == "cameras/top/image_raw"
    assert recorder["state.calibration"] == "mine"
    assert encoder == {"repo_id": "me/cube"}


def test_a_contradiction_is_refused(launch_file, tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text(
        (CONFIG / "so100.yaml").read_text().replace("state.unit:", "state.calibration: b\n    state.unit:")
    )
    with pytest.raises(ConfigError, match=r"recorder\.state\.calibration is 'b'"):
        nodes(launch_file, config=str(file), follower_id="a")


def test_a_missing_parameter_file_is_named(launch_file):
    with pytest.raises(ConfigError, match=r"parameter file /nowhere\.yaml does not exist"):
        nodes(launch_file, config="/nowhere.yaml")


def test_a_launch_file_sets_no_environment_of_other_nodes(launch_file):
    actions = launch_file.generate_launch_description().entities
    assert not [each for each in actions if isinstance(each, SetEnvironmentVariable)]


# With the real nodes


def is_installed() -> bool:
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        return bool(shutil.which("ros2") and get_package_prefix("lerobot_recorder"))
    except (PackageNotFoundError, OSError):
        return False


needs_ros2 = pytest.mark.skipif(not is_installed(), reason="the package is not installed for ros2 launch")


def start(file: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["ros2", "launch", *file.split(), *arguments],
        env={**os.environ, **ALONE, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(file: str, *arguments: str) -> tuple[int, str]:
    process = start(file, *arguments)
    output, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, output


def given(**arguments: str) -> list[str]:
    return [f"{name}:={value}" for name, value in {**SHORT, **arguments}.items()]


@needs_ros2
def test_the_nodes_record_in_a_namespace_and_all_end_with_the_recorder(tmp_path):
    root = tmp_path / "dataset"
    status, output = run("lerobot_recorder record.launch.py", *given(namespace="left", root=str(root)))
    assert status == 0, output
    assert "[left.recorder]" in output
    check = [sys.executable, "-c", "from lerobot_recorder.cli.app import main; main()", "check", str(root)]
    assert subprocess.run(check, check=False).returncode == 0


@needs_ros2
def test_a_failed_node_ends_the_launch_with_its_reason_and_an_exit_status(tmp_path):
    place = tmp_path / "file"
    place.touch()
    status, output = run(str(FILE), *given(root=str(place)))
    assert status == 1, output
    assert re.search("the (recorder|encoder) node ended with exit status 1", output)
    assert str(place) in output
    assert "hardware_node" not in output


@needs_ros2
def test_no_arm_is_driven_if_the_encoder_cannot_start(tmp_path):
    config = tmp_path / "robot.yaml"
    text = (CONFIG / "so100_sim.yaml").read_text().replace("vcodec: libsvtav1", "vcodec: h265")
    config.write_text(text, encoding="utf-8")
    status, output = run(str(FILE), *given(config=str(config), root=str(tmp_path / "dataset")))
    assert status == 1, output
    assert "the encoder node ended with exit status 1" in output
    assert "hardware_node" not in output


@needs_ros2
def test_a_larger_launch_continues_when_the_recorder_has_ended(tmp_path):
    arguments = {**SHORT, "root": str(tmp_path / "dataset")}
    file = tmp_path / "larger.launch.py"
    file.write_text(LARGER.format(file=str(FILE), arguments=arguments), encoding="utf-8")
    status, output = run(str(file))
    assert status == 0, output
    assert "others continue None" in output


@needs_ros2
def test_a_terminated_launch_leaves_no_node_behind(tmp_path):
    arguments = given(num_episodes="0", root=str(tmp_path / "dataset"))
    with start(str(FILE), *arguments) as process:
        assert process.stdout is not None
        lines = (line for line in iter(process.stdout.readline, "") if "started with pid" in line)
        started = list(itertools.islice(lines, 3))
        pids = [int(line.rpartition("[")[2].rstrip("]\n")) for line in started]
        descriptors = [os.pidfd_open(pid) for pid in pids]
        process.terminate()
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], PATIENCE_S)[0]
            os.close(descriptor)


@needs_ros2
def test_a_group_sets_namespace_clock_and_parameters(tmp_path):
    config = tmp_path / "robot.yaml"
    config.write_text((ROOT / "config" / "so100_sim.yaml").read_text() + SHARED, encoding="utf-8")
    arguments = {**SHORT, "num_episodes": "0", "namespace": "left", "config": str(config)}
    arguments["root"] = str(tmp_path / "dataset")
    file = tmp_path / "group.launch.py"
    file.write_text(GROUP.format(file=str(FILE), arguments=arguments), encoding="utf-8")
    read = []
    with start(str(file)) as process:
        assert process.stdout is not None
        for line in iter(process.stdout.readline, ""):
            read.append(line)
            if "waiting for streams" in line:
                break
        missing = ""
        for _ in range(10):
            if "no message received on /clock yet" in missing:
                break
            missing = subprocess.run(
                ["ros2", "service", "call", "/robots/left/recorder/start_episode", "std_srvs/srv/Trigger"],
                env={**os.environ, **ALONE},
                stdout=subprocess.PIPE,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            ).stdout
        topics = subprocess.run(
            ["ros2", "topic", "list", "--no-daemon", "--spin-time", "3"],
            env={**os.environ, **ALONE},
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        ).stdout.splitlines()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    output = "".join(read)
    assert process.returncode == 0, output + rest
    assert "/done" in topics
    assert "/robots/left/episode_completed" not in topics
    assert "[robots.left.hardware]" in output
    assert "no message received on /clock yet" in missing
    assert "[robots.left.recorder]: waiting for streams: " in output
    assert "not used from sections for all nodes: 'robot_description'" in output


@needs_ros2
def test_a_mistake_in_the_file_is_named_before_any_node_starts(tmp_path):
    config = tmp_path / "robot.yaml"
    config.write_text("recoder:\n  ros__parameters: {fps: 30}\n", encoding="utf-8")
    status, output = run(str(FILE), *given(config=str(config), root=str(tmp_path / "dataset")))
    assert status == 1
    assert f"{config}:1:1: there is no node recoder (did you mean recorder?)" in output
    assert "process started" not in output

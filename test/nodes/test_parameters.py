from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy")

from rcl_interfaces.msg import Log
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.parameter import parameter_dict_from_yaml_file, parameter_value_to_python

from lerobot_recorder.cli.processes import NodeProcess
from lerobot_recorder.cli.status import end_reason
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.settings import Parameter


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("low", [None, 0])
def test_a_number_must_be_finite(low, value):
    with pytest.raises(ConfigError, match=f"length_s: expected a finite number, found {value}"):
        Parameter("length_s", 1.0, "How long", "s", low).check(value)


# With the real nodes

FATAL = 50
HARDWARE = {"cameras": ["top"], "top.source": "sim", "follower.port": "sim", "leader.port": "sim"}
SHARED = """
/**:
  ros__parameters:
    use_sim_time: false
    robot_description: robot.urdf
    tusk: of other nodes
"""


def started(graph: Any, make_robot: Any, name: str, root: Path) -> None:
    given = {
        "recorder": lambda: make_robot().recorder_parameters(root),
        "encoder": lambda: {"root": str(root)},
        "hardware": lambda: HARDWARE,
    }
    graph.start(name, given[name]())


def values_of(graph: Any, node: str) -> dict[str, Any]:
    names = graph.ask(ListParameters, f"{node}/list_parameters", ListParameters.Request()).result.names
    answer = graph.ask(GetParameters, f"{node}/get_parameters", GetParameters.Request(names=names))
    return dict(zip(names, map(parameter_value_to_python, answer.values), strict=True))


def dump(graph: Any, node: str, file: Path) -> Path:
    """Write a node's parameters as `ros2 param dump` does."""
    parameters: dict[str, Any] = {}
    for name, value in values_of(graph, node).items():
        *groups, last = name.split(".")
        group = parameters
        for each in groups:
            group = group.setdefault(each, {})
        group[last] = value
    file.write_text(yaml.dump({f"/{node}": {"ros__parameters": parameters}}), encoding="utf-8")
    return file


def load(graph: Any, node: str, file: Path) -> list[str]:
    """Load a file as `ros2 param load` does, and return what is refused."""
    parameters = [*parameter_dict_from_yaml_file(str(file), True, [f"/{node}"]).values()]
    answer = graph.ask(SetParameters, f"{node}/set_parameters", SetParameters.Request(parameters=parameters))
    assert len(answer.results) == len(parameters)
    return [result.reason for result in answer.results if not result.successful]


def run(graph: Any, node: str, file: Path, *arguments: str) -> NodeProcess:
    return graph.run(node, ["--ros-args", "--params-file", str(file), *arguments])


@pytest.mark.parametrize("node", ["recorder", "encoder", "hardware"])
def test_a_node_loads_its_own_dump_and_starts_from_it(graph, make_robot, tmp_path, node):
    started(graph, make_robot, node, tmp_path / "data")
    values = values_of(graph, node)
    file = dump(graph, node, tmp_path / "dump.yaml")
    assert load(graph, node, file) == []
    assert values_of(graph, node) == values
    (first,) = graph.processes
    first.interrupt()
    assert graph.end_of(first) == 0
    graph.clients.clear()
    run(graph, node, file)
    assert values_of(graph, node) == values


def test_a_number_keeps_its_type_when_a_file_changes_it(graph, make_robot, tmp_path):
    graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    file = tmp_path / "changes.yaml"
    file.write_text("/recorder:\n  ros__parameters: {episode_time_s: 30, task: 7}\n", encoding="utf-8")
    assert load(graph, "recorder", file) == []
    values = values_of(graph, "recorder")
    assert (values["episode_time_s"], values["task"]) == (30.0, "7")
    assert isinstance(values["episode_time_s"], float)


def test_a_fixed_parameter_is_read_only_and_refuses_another_value_only(graph, tmp_path):
    graph.start("encoder", {"root": str(tmp_path / "data")})
    request = DescribeParameters.Request(names=["root", "crf"])
    root, crf = graph.ask(DescribeParameters, "encoder/describe_parameters", request).descriptors
    assert (root.read_only, crf.read_only) == (True, False)
    assert graph.set_parameter("encoder", "root", str(tmp_path / "data")) == (True, "")
    changed, reason = graph.set_parameter("encoder", "root", "/elsewhere")
    assert not changed
    assert reason.startswith("root cannot change while the node runs")


def test_an_empty_list_is_one(graph, tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text("hardware:\n  ros__parameters: {cameras: []}\n", encoding="utf-8")
    hardware = run(graph, "hardware", file)
    assert graph.end_of(hardware) == 1
    assert end_reason([*hardware.last_lines]).startswith("nothing to publish")


def test_a_list_of_cameras_replaces_that_of_a_file_with_their_parameters(graph, tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text("hardware:\n  ros__parameters: {cameras: [top], top.source: '0'}\n", encoding="utf-8")
    hardware = run(graph, "hardware", file, "-p", "cameras:=['']")
    assert graph.end_of(hardware) == 1
    assert end_reason([*hardware.last_lines]).startswith("nothing to publish")


def test_a_section_for_all_nodes_may_be_for_others(graph, tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text(SHARED, encoding="utf-8")
    encoder = run(graph, "encoder", file, "-p", f"root:={tmp_path / 'data'}")
    graph.wait(lambda: graph.status["encoder"]["state"])
    unused = "not used from sections for all nodes: 'robot_description', 'tusk'"
    graph.wait(lambda: any(unused in line for line in encoder.last_lines))


def test_a_mistyped_parameter_is_named_with_its_place(graph, tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text(SHARED + "encoder:\n  ros__parameters:\n    vcodek: h264\n", encoding="utf-8")
    encoder = run(graph, "encoder", file, "-p", f"root:={tmp_path / 'data'}")
    assert graph.end_of(encoder) == 1
    reason = end_reason([*encoder.last_lines])
    assert reason.startswith(f"{file}:9:5: encoder has no parameter 'vcodek' (did you mean 'vcodec'?)")


def test_a_file_that_ros_cannot_read_ends_a_node_with_one_sentence(graph, tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text("encoder:\n  ros__parameters:\n\tcrf: 30\n", encoding="utf-8")
    encoder = run(graph, "encoder", file)
    assert graph.end_of(encoder) == 1
    others = ("[rcl]", "[rmw_fastrtps_shared_cpp]")  # they warn of the test's environment
    lines = [line for line in encoder.last_lines if not any(name in line for name in others)]
    assert [line for line in lines if "[FATAL]" in line] == lines
    assert end_reason([*encoder.last_lines]).startswith(f"{file}:3:1: expected spaces, found a tab")


def test_a_value_that_ros_cannot_read_ends_a_node_with_one_sentence(graph):
    recorder = graph.run("recorder", ["--ros-args", "-p", "joy_buttons:=[0:jump]"])
    assert graph.end_of(recorder) == 1
    assert end_reason([*recorder.last_lines]).startswith(
        "ROS cannot read -p joy_buttons:=[0:jump]: expected "
    )


def test_a_mistyped_action_of_a_button_ends_a_node_with_one_sentence(graph, make_robot, tmp_path):
    given = {**make_robot().recorder_parameters(tmp_path / "data"), "joy_buttons": ["0:save_episde"]}
    recorder = graph.start("recorder", given)
    assert graph.end_of(recorder) == 1
    assert end_reason([*recorder.last_lines]).endswith("'0:save_episde' (did you mean 'save_episode'?)")


@pytest.mark.parametrize("text", ["crf: 99", "crf:"])
def test_why_a_node_cannot_start_is_on_rosout(graph, tmp_path, text):
    logged: list[Log] = []
    graph.node.create_subscription(Log, "/rosout", logged.append, 10)
    file = tmp_path / "robot.yaml"
    file.write_text(f"encoder:\n  ros__parameters:\n    {text}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "lerobot_recorder.nodes.encoder",
        "--ros-args",
        "--params-file",
        str(file),
    ]
    assert subprocess.run(command, env=graph.environment, timeout=60, check=False).returncode == 1
    graph.wait(lambda: any(each.name == "encoder" and "crf" in each.msg for each in logged))
    (fatal,) = (each for each in logged if each.level == FATAL)
    assert fatal.name == "encoder"


def test_a_stream_with_the_name_of_a_parameter_is_refused(graph, make_robot, tmp_path):
    given = {**make_robot().recorder_parameters(tmp_path / "data"), "streams": ["state", "task"]}
    recorder = graph.start("recorder", given)
    assert graph.end_of(recorder) == 1
    assert "'task' is the name of a parameter" in end_reason([*recorder.last_lines])


def test_former_names_of_parameters_are_accepted(graph):
    graph.start("hardware", {**HARDWARE, "max_relative_target.gripper": 5})
    values = values_of(graph, "hardware")
    assert values["max_relative_target_by_joint.gripper"] == 5.0
    assert "max_relative_target.gripper" not in values

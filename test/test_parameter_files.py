from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.parameter_files import Section, check_files, file_parameters, files_in, read_sections

CONFIG = Path(__file__).parents[1] / "config"
MISTAKES = {
    "a tab": ("recorder:\n  ros__parameters:\n\tfps: 30\n", "3:1: expected spaces, found a tab"),
    "a wrong indent": (
        "recorder:\n  ros__parameters:\n    fps: 30\n   task: x\n",
        "4:4: not valid YAML: .*same column",
    ),
    "a colon": ("recorder:\n  ros__parameters:\n    task: a: b\n", "3:12: not valid YAML: .*needs quotes"),
    "no ros__parameters": (
        "/**/recorder:\n  fps: 30\n",
        "2:3: expected ros__parameters: below /\\*\\*/recorder:, with fps inside it",
    ),
    "a mistyped ros__parameters": (
        "recorder:\n  ros_parameters:\n    fps: 30\n",
        "2:3: ros_parameters .did you mean ros__parameters",
    ),
    "parameters beside it": (
        "recorder:\n  ros__parameters:\n  fps: 30\n",
        "3:3: fps is not inside ros__parameters: indent it",
    ),
    "ros__parameters beside the node": (
        "recorder:\nros__parameters:\n  fps: 30\n",
        "1:1: expected ros__parameters: below recorder:, indented, found nothing",
    ),
    "no node": ("ros__parameters:\n  fps: 30\n", "1:1: ros__parameters is not inside a node"),
    "nothing inside": (
        "recorder:\n  ros__parameters:\n",
        "2:19: expected parameters inside ros__parameters, found nothing",
    ),
    "no value": (
        "recorder:\n  ros__parameters:\n    task:\n",
        "3:10: task has no value; an empty text is written as ''",
    ),
    "mixed values": (
        "recorder:\n  ros__parameters:\n    a: [1, 2.5]\n",
        "3:8: a: expected values of one type",
    ),
    "lists of lists": (
        "recorder:\n  ros__parameters:\n    a: [[1]]\n",
        "3:8: a: expected a list of plain values",
    ),
    "a list of nodes": ("- recorder\n", "1:1: expected the name of a node, such as recorder:, found a list"),
    "a text": ("recorder\n", "1:1: expected the name of a node, such as recorder:, found 'recorder'"),
}


def write(directory: Path, text: str) -> Path:
    path = directory / "robot.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_column(tmp_path, mistake):
    text, message = MISTAKES[mistake]
    with pytest.raises(ConfigError, match=rf"robot\.yaml:{message}") as refused:
        read_sections(write(tmp_path, text))
    assert "\n" not in str(refused.value)


def test_parameters_are_found_wherever_ros_finds_them(tmp_path):
    text = """
left:
  recorder:
    ros__parameters: {fps: 30, state: {topic: joints, names: [one]}}
/**:
  ros__parameters:
    use_sim_time: true
"""
    left, shared = read_sections(write(tmp_path, text))
    assert (left.nodes, left.place) == ("/left/recorder", f"{tmp_path}/robot.yaml:3:3")
    assert left.parameters.keys() == {"fps", "state.topic", "state.names"}
    assert left.parameters["state.topic"].place == f"{tmp_path}/robot.yaml:4:40"
    assert not left.is_shared
    assert shared.is_shared


@pytest.mark.parametrize(
    ("pattern", "node", "applies"),
    [
        ("/recorder", "/recorder", True),
        ("/recorder", "/left/recorder", False),
        ("/**/recorder", "/recorder", True),
        ("/**/recorder", "/a/b/recorder", True),
        ("/*/recorder", "/a/recorder", True),
        ("/*/recorder", "/a/b/recorder", False),
        ("/**", "/a/b/recorder", True),
        ("/*", "/recorder", True),
        ("/*", "/a/recorder", False),
    ],
)
def test_a_section_applies_to_the_nodes_that_ros_gives_it_to(pattern, node, applies):
    assert Section(pattern, "", {}).applies_to(node) == applies


@pytest.mark.parametrize("file", sorted(CONFIG.glob("*.yaml")), ids=lambda file: file.name)
def test_the_files_that_come_along_are_accepted(file):
    assert check_files([file], ["/left/recorder", "/left/encoder"])


def test_a_mistyped_node_is_named(tmp_path):
    file = write(tmp_path, "/**/recoder:\n  ros__parameters:\n    fps: 30\n")
    with pytest.raises(
        ConfigError, match=r"robot.yaml:1:1: there is no node recoder \(did you mean recorder\?\)"
    ):
        check_files([file], ["/recorder", "/encoder"])


def test_a_section_for_another_namespace_is_named(tmp_path):
    file = write(tmp_path, "recorder:\n  ros__parameters:\n    fps: 30\n")
    with pytest.raises(ConfigError, match=r"1:1: /recorder is not the node /left/recorder.*/\*\*/recorder"):
        check_files([file], ["/left/recorder"])


@pytest.mark.parametrize(
    "text",
    [
        "/robot:\n  ros__parameters: {rate: 1.0}\n/**/recorder:\n  ros__parameters: {fps: 30}\n",
        "/left/recorder:\n  ros__parameters: {fps: 30}\n/recorder:\n  ros__parameters: {fps: 15}\n",
        "/camera:\n  ros__parameters: {fps: 30}\n",
        "",
    ],
)
def test_sections_of_other_nodes_are_left_alone(tmp_path, text):
    check_files([write(tmp_path, text)], ["/recorder"])


def test_files_are_found_on_a_command_line():
    arguments = [
        "node",
        "--ros-args",
        "-r",
        "__ns:=/left",
        "--params-file",
        "a.yaml",
        "--params-file",
        "b.yaml",
    ]
    assert files_in(arguments) == [Path("a.yaml"), Path("b.yaml")]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the parameter file .*nowhere\.yaml"):
        read_sections(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("section", "node", "is_given"),
    [
        ("/**/recorder", "/recorder", True),
        ("/**/recorder", "/robots/left/recorder", True),
        ("/**", "/robots/left/recorder", True),
        ("recorder", "/recorder", True),
        ("/left/recorder", "/left/recorder", True),
        ("/*/recorder", "/left/recorder", True),
        ("/*/recorder", "/recorder", False),
        ("/right/recorder", "/left/recorder", False),
        ("/**/encoder", "/recorder", False),
    ],
)
def test_sections_apply_to_nodes_as_in_ros(tmp_path, section, node, is_given):
    file = tmp_path / "robot.yaml"
    file.write_text(f"{section}:\n  ros__parameters:\n    fps: 15\n")
    assert file_parameters(file, node) == ({"fps": 15} if is_given else {})


def test_nested_names_and_nested_nodes_are_joined(tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text(
        "left:\n  recorder:\n    ros__parameters:\n      state: {topic: a, max: {age: 1}}\n      fps: 30\n"
    )
    expected = {"state.topic": "a", "state.max.age": 1, "fps": 30}
    assert file_parameters(file, "/left/recorder") == expected


def test_lists_in_the_files_of_launch_are_read(tmp_path):
    file = tmp_path / "launch_params_1"
    values = {"streams": ("state", "action")}
    file.write_text(yaml.dump({"/**": {"ros__parameters": values}}))
    assert "!!python/tuple" in file.read_text()
    assert file_parameters(file, "/recorder") == {"streams": ["state", "action"]}


def test_tags_are_ignored_as_by_ros(tmp_path):
    text = "recorder:\n  ros__parameters: {task: !x 7, names: !y [a], fps: 30}\n"
    given = file_parameters(write(tmp_path, text), "/recorder")
    assert given == {"task": "7", "names": ["a"], "fps": 30}

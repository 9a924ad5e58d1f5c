from __future__ import annotations

from pathlib import Path

import pytest

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.parameter_files import file_parameters


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


def test_what_is_no_yaml_is_named_with_its_line(tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text("/**:\n\tros__parameters: {}\n")
    with pytest.raises(ConfigError, match=r"robot\.yaml, line 2, column 1: no YAML: "):
        file_parameters(Path(file), "/recorder")

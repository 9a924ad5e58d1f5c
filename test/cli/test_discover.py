from __future__ import annotations

from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from lerobot_recorder.cli import discover
from lerobot_recorder.cli.app import app
from lerobot_recorder.cli.processes import node_environment
from lerobot_recorder.discovery import SeenTopic, Survey

STATE = SeenTopic("/arm/joint_states", "sensor_msgs/msg/JointState", received=9, joints=("elbow",))


@pytest.fixture
def robot(monkeypatch):
    """A graph in which an arm publishes its joint states."""
    monkeypatch.setattr("lerobot_recorder.cli.processes.find_spec", lambda name: True)
    monkeypatch.setattr(discover, "survey", lambda seconds: Survey((STATE,)))


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["discover", *map(str, arguments)])


def test_it_writes_a_file_and_prints_what_it_records(robot, tmp_path):
    file = tmp_path / "robot.yaml"
    result = invoke(file)
    assert result.exit_code == 0
    assert "observation.state  /arm/joint_states" in result.output
    assert f"--config {file}" in result.output
    assert 'state.topic: "/arm/joint_states"' in file.read_text()


def test_it_prints_what_it_leaves_out_and_what_it_offers(robot, monkeypatch, tmp_path):
    silent = SeenTopic("/top/image_raw", "sensor_msgs/msg/Image")
    wrench = SeenTopic("/ft", "geometry_msgs/msg/Wrench", received=9)
    found = Survey((STATE, silent, wrench), others=(("/tf", "tf2_msgs/msg/TFMessage"),))
    monkeypatch.setattr(discover, "survey", lambda seconds: found)
    output = invoke(tmp_path / "robot.yaml").output
    assert "offered in the file: /ft" in output
    assert "not recorded: /top/image_raw: no message arrived" in output
    assert "not recorded: 1 topic of other types, listed in the file" in output


def test_a_file_is_only_replaced_when_that_is_asked(robot, tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text("mine")
    result = invoke(file)
    assert result.exit_code == 1
    assert f"error: {file} already exists" in result.output
    assert file.read_text() == "mine"
    assert invoke("--force", file).exit_code == 0
    assert "state.topic" in file.read_text()


def test_a_path_with_a_blank_is_quoted_in_the_command(robot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "--config 'my robot.yaml'" in invoke("my robot.yaml").output


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none/robot.yaml", "its directory does not exist: create it"),
        ("folder", "it is a directory: give the path of a file"),
    ],
)
def test_a_file_that_cannot_be_written_is_an_error_with_a_way_out(robot, monkeypatch, tmp_path, name, reason):
    monkeypatch.setattr(discover, "is_bag_path", lambda path: False)
    (tmp_path / "folder").mkdir()
    result = invoke("--force", tmp_path / name)
    assert result.exit_code == 1
    assert f"error: {tmp_path / name}: cannot write the parameter file: {reason}" in result.output
    assert "Errno" not in result.output


def test_without_ros_it_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr("lerobot_recorder.cli.processes.find_spec", lambda name: None)
    result = invoke(tmp_path / "robot.yaml")
    assert result.exit_code == 1
    assert "error: this Python has no ROS 2" in result.output


@pytest.mark.skipif(find_spec("rclpy") is None, reason="no ROS 2 in this Python")
def test_in_an_empty_graph_the_error_explains_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(discover, "node_environment", lambda isolated: node_environment(isolated=True))
    result = invoke("--seconds", 0.5, tmp_path / "robot.yaml")
    assert result.exit_code == 1
    assert "error: no joint states, commands or images are published: start" in result.output
    assert not (tmp_path / "robot.yaml").exists()


def test_a_bag_is_discovered_without_ros(monkeypatch, tmp_path):
    pytest.importorskip("rosbags")
    pytest.importorskip("mcap")
    import bags

    monkeypatch.setattr("lerobot_recorder.cli.processes.find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    sent = [bags.joints(bags.START_NS + number * 10**7, {"elbow": 0.1}) for number in range(50)]
    path = bags.write_bag(tmp_path / "my bag", sent)
    command = f"lerobot-recorder import '{path}' --config robot.yaml --root DATASET"
    result = invoke(path)
    assert result.exit_code == 0, result.output
    assert command in result.output
    text = (tmp_path / "robot.yaml").read_text()
    assert 'state.names: ["elbow"]' in text
    assert "# 100.0 Hz, reliable" in text
    assert "# The bag has no commands" in text
    assert invoke(path, "other.yaml").exit_code == 0
    assert (tmp_path / "other.yaml").exists()


def test_of_a_damaged_bag_what_is_before_the_damage_is_discovered(tmp_path):
    pytest.importorskip("rosbags")
    pytest.importorskip("mcap")
    from bagged import break_in_the_middle, write_bag

    bag = write_bag(tmp_path / "bag.mcap", 6, sizes={0: (640, 480)})
    break_in_the_middle(bag)
    result = invoke(bag, tmp_path / "robot.yaml", "--seconds", "5")
    assert result.exit_code == 0, result.output
    assert "warning: " in result.output
    assert "bag.mcap is damaged at byte" in result.output
    assert "640x480" in (tmp_path / "robot.yaml").read_text()


def test_a_bag_of_a_dataset_is_discovered_with_its_action_and_episodes(monkeypatch, tmp_path):
    pytest.importorskip("rosbags")
    pytest.importorskip("mcap")
    import bags

    monkeypatch.chdir(tmp_path)
    times = [bags.START_NS + number * 10**7 for number in range(50)]
    sent = [
        bags.joints(now, {"a": 0.1}, topic) for now in times for topic in ("/observation/state", "/action")
    ]
    sent.append(bags.Sent("/episode_completed", "std_msgs/msg/String", times[-1], {"data": "{}"}))
    result = invoke(bags.write_bag(tmp_path / "bag", sent))
    assert "observation.state  /observation/state\naction             /action\n" in result.output
    assert "--config robot.yaml --from-recorder --root DATASET" in result.output


def test_a_bag_without_anything_to_record_is_refused_with_what_it_has(tmp_path):
    pytest.importorskip("rosbags")
    pytest.importorskip("mcap")
    import bags

    sent = [bags.Sent("/chatter", "std_msgs/msg/String", bags.START_NS, {"data": "hello"})]
    result = invoke(bags.write_bag(tmp_path / "bag", sent), tmp_path / "robot.yaml")
    assert result.exit_code == 1
    assert "or images that can be recorded; it has /chatter (std_msgs/msg/String)" in result.output


def test_what_is_no_bag_is_an_error(tmp_path):
    result = invoke(tmp_path / "notes.txt", tmp_path / "robot.yaml")
    assert result.exit_code == 1
    assert f"error: {tmp_path / 'notes.txt'} does not exist" in result.output

"""What an import keeps of the robot."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bagged import write_bag, write_config

from lerobot_recorder.bags import open_bag
from lerobot_recorder.importing import Cutting, ImportSession, import_bag, read_parameters
from lerobot_recorder.spool import Spool, setup_of

INFO = {"width": 64, "height": 48, "distortion_model": "plumb_bob", "d": [0.0] * 5}
INFO |= {"k": [60.0, 0, 32, 0, 60, 24, 0, 0, 1], "r": [1.0, 0, 0, 0, 1, 0, 0, 0, 1], "p": [0.0] * 12}


def test_urdf_calibration_and_parameters_are_kept(tmp_path):
    marks = [
        (0.1, "/robot_description", "std_msgs/msg/String", {"data": "<robot/>"}),
        *((at, "/cam/camera_info", "sensor_msgs/msg/CameraInfo", INFO) for at in (0.1, 0.2)),
    ]
    path = write_bag(tmp_path / "bag.mcap", 1, marks=marks)
    config = write_config(tmp_path / "robot.yaml", robot_type="arm")
    session = ImportSession(tmp_path / "data", read_parameters(config), Cutting())
    session.open([path])
    for job in session.jobs():
        assert [each.verdict for each in import_bag(job).episodes] == ["good"]
    files = setup_of(Spool(tmp_path / "data").ready()[0])
    assert files["robot_description.urdf"] == "<robot/>"
    assert "60.0" in files["camera_info/cam.yaml"]
    assert files["parameters/robot.yaml"] == config.read_text()
    described = json.loads(files["setup.json"])
    assert described["robot_type"] == "arm"
    assert described["features"]["observation.state"][0]["joints"] == ["one", "two"]


def test_the_kept_parameters_can_be_imported_with(tmp_path):
    path = write_bag(tmp_path / "bag.mcap", 1)
    session = ImportSession(
        tmp_path / "data", read_parameters(write_config(tmp_path / "robot.yaml")), Cutting()
    )
    session.open([path])
    import_bag(session.jobs()[0])
    kept = tmp_path / "recorder.yaml"
    kept.write_text(setup_of(Spool(tmp_path / "data").ready()[0])["recorder.yaml"])
    with open_bag(path):
        assert read_parameters(kept).streams == session.parameters.streams

"""What is kept of a robot beside the dataset."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from lerobot_recorder.arms import JOINTS, SIMULATED
from lerobot_recorder.cameras import load_camera_calibration
from lerobot_recorder.dataset import setup_id
from lerobot_recorder.topics import RobotSetup, RowSettings, StreamSettings, binding_of
from lerobot_recorder.topics.setup import camera_info_topic

FIELDS = {
    "sensor_msgs/msg/JointState": {"header": "std_msgs/Header", "name": "sequence<string>"},
    "sensor_msgs/msg/Image": {"header": "std_msgs/Header", "data": "sequence<uint8>"},
    "sensor_msgs/msg/CompressedImage": {"header": "std_msgs/Header", "data": "sequence<uint8>"},
    "tf2_msgs/msg/TFMessage": {"transforms": "sequence<geometry_msgs/TransformStamped>"},
    "std_msgs/msg/String": {"data": "string"},
    "std_msgs/msg/Float64MultiArray": {"data": "sequence<double>"},
    "std_msgs/Header": {"stamp": "builtin_interfaces/Time", "frame_id": "string"},
    "builtin_interfaces/Time": {"sec": "int32", "nanosec": "uint32"},
}


class Types:
    def fields(self, message_type: str) -> dict[str, str]:
        return FIELDS[message_type]


def a_setup(streams: dict[str, StreamSettings], **given: Any) -> RobotSetup:
    bindings = [binding_of(name, settings, "raw", Types()) for name, settings in streams.items()]
    return RobotSetup(bindings, streams, RowSettings(30, tuple(streams)), **given)


def camera_info(**changes: Any) -> SimpleNamespace:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    values = {
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "d": [0.1, 0.0, 0.0, 0.0, 0.0],
        "k": [600.0, 0.0, 320.0, 0.0, 600.0, 240.0, 0.0, 0.0, 1.0],
        "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "p": [600.0, 0.0, 320.0, 0.0, 0.0, 600.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "binning_x": 0,
        "binning_y": 0,
        "roi": roi,
    }
    return SimpleNamespace(**{**values, **changes})


ACTION = StreamSettings(topic="/commands", names=JOINTS, unit="so100", calibration="sim")
STATE = StreamSettings(topic="/joint_states", names=("a", "b"), unit="degrees")


def test_the_meaning_and_unit_of_each_feature_are_kept():
    files = a_setup({"state": STATE, "action": ACTION}, robot_type="so_follower", versions={"x": "1"}).files()
    described = json.loads(files["setup.json"])
    assert (described["robot_type"], described["versions"]) == ("so_follower", {"x": "1"})
    (state,), (action,) = (described["features"][key] for key in ("observation.state", "action"))
    assert (state["meaning"], state["unit"], state["topic"]) == (
        "absolute joint positions",
        "degrees",
        "/joint_states",
    )
    assert action["meaning"] == "absolute joint positions, as commanded"
    assert action["unit"] == "so100"
    assert action["names"] == [f"{joint}.pos" for joint in JOINTS]
    assert json.loads(files[action["calibration"]]) == json.loads(SIMULATED.text())


def test_transforms_texts_and_fields_are_described():
    streams = {
        "hand": StreamSettings(type="tf", parent="base", child="tool", rotation="rotation_vector"),
        "says": StreamSettings(topic="/says", type="std_msgs/msg/String"),
        "third": StreamSettings(topic="/data", type="std_msgs/msg/Float64MultiArray", field="data[2]"),
    }
    features = json.loads(a_setup(streams).files()["setup.json"])["features"]
    (hand,), (says,), (third,) = features.values()
    assert hand["meaning"] == "pose of tool in base"
    assert hand["unit_meaning"] == "positions in m, the rotation as axis times angle in rad"
    assert says["meaning"] == "text"
    assert (third["field"], third["names"]) == ("data[2]", ["data[2]"])


def test_the_kept_parameters_record_the_same_streams():
    files = a_setup({"state": STATE, "action": ACTION}).files()
    (section,) = yaml.safe_load(files["recorder.yaml"]).values()
    parameters = section["ros__parameters"]
    assert parameters["streams"] == ["state", "action"]
    assert parameters["fps"] == 30
    assert parameters["state.unit"] == "degrees"
    assert parameters["state.names"] == ["a", "b"]
    assert "state.max_age_s" not in parameters


def test_parameter_files_are_kept_without_passwords(tmp_path):
    first, second, generated = (
        tmp_path / name for name in ("robot.yaml", "b/robot.yaml", "launch_params_x1")
    )
    second.parent.mkdir()
    first.write_text("/**/hardware:\n  ros__parameters:\n    top.source: rtsp://me:secret@10.0.0.2/live\n")
    second.write_text("/**/recorder:\n  ros__parameters:\n    fps: 30\n")
    generated.write_text("random")
    files = a_setup({"state": STATE}, parameter_files=[first, second, generated]).files()
    assert sorted(name for name in files if name.startswith("parameters/")) == [
        "parameters/robot.yaml",
        "parameters/robot_2.yaml",
    ]
    assert "top.source: rtsp://***@10.0.0.2/live" in files["parameters/robot.yaml"]
    assert "secret" not in "".join(files.values())


def test_the_calibrations_of_the_hardware_node_are_kept(tmp_path):
    (tmp_path / "mine.json").write_text(SIMULATED.text().replace("-117", "-118"))
    parameters = tmp_path / "robot.yaml"
    parameters.write_text(
        "/**/hardware:\n  ros__parameters:\n"
        f"    follower.calibration: sim\n    leader.calibration: {tmp_path / 'mine.json'}\n"
    )
    files = a_setup({"action": ACTION}, parameter_files=[parameters], node="/left/recorder").files()
    assert json.loads(files["calibrations/follower.json"]) == json.loads(SIMULATED.text())
    assert json.loads(files["calibrations/leader.json"])["shoulder_pan"]["homing_offset"] == -118


def test_the_kept_calibration_of_a_camera_is_that_of_the_recorded_images(tmp_path):
    setup = a_setup({"top": StreamSettings(topic="/top/image_raw", resize=(320, 240))})
    setup.note_camera_info("top", camera_info())
    (tmp_path / "top.yaml").write_text(setup.files()["camera_info/top.yaml"])
    kept = load_camera_calibration(tmp_path / "top.yaml")
    assert (kept.width, kept.height) == (320, 240)
    assert kept.intrinsics[0] == pytest.approx(300)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0},
        {"k": [0.0] * 9},
        {"k": [float("nan")] * 9},
        {"d": [0.0] * 10**6},
        {"roi": SimpleNamespace(x_offset=900, y_offset=0, width=10**9, height=1)},
    ],
    ids=["size", "zero", "nan", "coefficients", "region"],
)
def test_a_camera_without_a_calibration_has_no_file(changes):
    setup = a_setup({"top": StreamSettings(topic="/top/image_raw")})
    setup.note_camera_info("top", camera_info())
    setup.note_camera_info("top", camera_info(**changes))
    assert not [name for name in setup.files() if name.startswith("camera_info")]


def test_hostile_texts_do_not_stop_a_recording():
    setup = a_setup({"state": STATE})
    setup.robot_description = "<robot name='\udcff'/>"
    assert setup_id(setup.files())
    assert "<robot name='?'/>" in setup.files().values()
    setup.robot_description = "x" * 10**8
    assert "robot_description.urdf" not in setup.files()


def test_the_same_robot_gives_the_same_set_up():
    def make() -> str:
        setup = a_setup({"state": STATE, "top": StreamSettings(topic="/top/image_raw")})
        setup.robot_description = "<robot/>"
        setup.note_camera_info("top", camera_info())
        return setup_id(setup.files())

    assert make() == make()


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ("cameras/top/image_raw/compressed", "cameras/top/camera_info"),
        ("/camera/depth/image_rect_raw", "/camera/depth/camera_info"),
        ("/camera/depth/image_rect_raw/compressedDepth", "/camera/depth/camera_info"),
        ("image", "camera_info"),
    ],
)
def test_the_calibration_is_published_beside_the_images(images, expected):
    assert camera_info_topic(images) == expected

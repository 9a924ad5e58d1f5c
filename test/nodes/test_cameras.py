from __future__ import annotations

import pytest

rclpy = pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from sensor_msgs.srv import SetCameraInfo  # noqa: E402

from lerobot_recorder.cameras import CameraSettings, camera_settings  # noqa: E402
from lerobot_recorder.errors import CalibrationError, ConfigError  # noqa: E402
from lerobot_recorder.hardware_settings import CAMERA_PARAMETERS  # noqa: E402
from lerobot_recorder.images import decode_rgb  # noqa: E402
from lerobot_recorder.nodes.cameras import camera_info, default_calibration  # noqa: E402
from lerobot_recorder.simulation import simulated_calibration  # noqa: E402
from lerobot_recorder.topics import image_to_rgb  # noqa: E402

DEFAULTS = {parameter.name: parameter.default for parameter in CAMERA_PARAMETERS} | {"source": "sim"}
SMALL = {"top.source": "sim", "top.width": 64, "top.height": 48}
CALIBRATION = """\
image_width: 64
image_height: 48
camera_matrix: {rows: 3, cols: 3, data: [50, 0, 31, 0, 51, 23, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}
"""


@pytest.fixture
def calibration_file(tmp_path):
    path = tmp_path / "top.yaml"
    path.write_text(CALIBRATION)
    return path


def test_parameters_become_settings():
    given = {"source": "0", "exposure": "12.5", "focus": "auto", "controls": ("gain = 4",)}
    settings = camera_settings("top", {**DEFAULTS, **given})
    assert (settings.source, settings.exposure, settings.focus) == ("0", "12.5", "auto")
    assert settings.controls == {"gain": 4}


def test_numbers_are_taken_for_texts():
    exposure = next(parameter for parameter in CAMERA_PARAMETERS if parameter.name == "exposure")
    assert [exposure.check(value) for value in (8, 8.5, "auto")] == ["8", "8.5", "auto"]
    with pytest.raises(ConfigError, match="expected a text, found True"):
        exposure.check(True)


@pytest.mark.parametrize("control", ["gain", "gain=much"])
def test_a_control_needs_a_number(control):
    with pytest.raises(ConfigError, match="camera top: controls: expected NAME=NUMBER"):
        camera_settings("top", {**DEFAULTS, "source": "0", "controls": [control]})


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_calibration_file_is_published_unchanged(calibration_file, scheme):
    settings = CameraSettings("top", "0", 64, 48)
    info = camera_info(settings, f"{scheme}{calibration_file}", "frame")
    assert (info.width, info.height, info.header.frame_id) == (64, 48, "frame")
    assert (info.k[0], info.p[5], info.d[0], info.r[8]) == (50, 51, 0.1, 1)


def test_a_calibration_at_another_size_is_refused(calibration_file):
    with pytest.raises(CalibrationError, match=r"is for images of 64x48, these are 640x480"):
        camera_info(CameraSettings("top", "0"), str(calibration_file), "")


def hear(graph, kind, topic):
    heard = []
    return heard, graph.node.create_subscription(kind, f"cameras/top/{topic}", heard.append, 10)


def test_images_are_compressed_while_there_is_a_subscriber(graph):
    graph.start("hardware", {"cameras": ["top"], "top.transport": "both", **SMALL})
    compressed, subscription = hear(graph, CompressedImage, "image_raw/compressed")
    graph.wait(lambda: compressed)
    assert decode_rgb(compressed[0].data.tobytes()).shape == (48, 64, 3)
    graph.node.destroy_subscription(subscription)
    raw, _ = hear(graph, Image, "image_raw")
    graph.wait(lambda: raw)
    assert image_to_rgb(raw[0]).std() > 10


def test_pixels_and_jpeg_are_those_of_the_same_images(graph):
    parameters = {"cameras": ["top"], "top.transport": "both", "top.pixel_format": "mjpeg", **SMALL}
    graph.start("hardware", parameters)
    raw, _ = hear(graph, Image, "image_raw")
    compressed, _ = hear(graph, CompressedImage, "image_raw/compressed")
    graph.wait(lambda: {str(m.header.stamp) for m in raw} & {str(m.header.stamp) for m in compressed})


def test_every_image_comes_with_the_calibration(graph):
    graph.start("hardware", {"cameras": ["top"], **SMALL})
    raw, _ = hear(graph, Image, "image_raw")
    infos, _ = hear(graph, CameraInfo, "camera_info")
    graph.wait(lambda: {str(m.header.stamp) for m in raw} & {str(m.header.stamp) for m in infos})
    truth = simulated_calibration(CameraSettings("top", "sim", 64, 48))
    assert tuple(infos[0].k) == truth.intrinsics
    assert (infos[0].width, infos[0].height, infos[0].header.frame_id) == (64, 48, "top_optical_frame")


def test_a_calibration_that_is_set_is_published_and_loaded_at_the_next_start(graph, tmp_path):
    file = tmp_path / "camera.yaml"
    file.write_text(CALIBRATION)
    parameters = {"cameras": ["top"], **SMALL, "top.camera_info_url": str(file)}
    hardware = graph.start("hardware", parameters)
    infos, _ = hear(graph, CameraInfo, "camera_info")
    graph.wait(lambda: infos)
    info = infos[-1]
    info.k[0], info.header.frame_id = 77.0, "of the tool"
    request = SetCameraInfo.Request(camera_info=info)
    answer = graph.ask(SetCameraInfo, "cameras/top/set_camera_info", request)
    assert (answer.success, answer.status_message) == (True, f"the calibration is saved in {file}")
    graph.wait(lambda: infos[-1].k[0] == 77.0 and infos[-1].header.frame_id == "top_optical_frame")
    hardware.interrupt()
    assert graph.end_of(hardware) == 0
    infos.clear()
    graph.start("hardware", parameters)
    graph.wait(lambda: infos)
    assert infos[0].k[0] == 77.0


def test_frames_and_diagnostics_carry_the_namespace(graph):
    heard: list[DiagnosticArray] = []
    graph.node.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)
    infos: list[CameraInfo] = []
    graph.node.create_subscription(CameraInfo, "/left/cameras/top/camera_info", infos.append, 10)
    graph.start("hardware", {"cameras": ["top"], **SMALL}, namespace="left")
    graph.wait(lambda: infos and heard)
    assert infos[0].header.frame_id == "left/top_optical_frame"
    (camera,) = heard[-1].status
    assert (camera.name, camera.hardware_id) == ("left/hardware: camera top", "sim")


def test_calibrations_are_kept_where_camera_info_manager_keeps_them(monkeypatch):
    monkeypatch.setenv("ROS_HOME", "/ros")
    assert str(default_calibration("/", "top")) == "/ros/camera_info/top.yaml"
    assert str(default_calibration("/robots/left", "top")) == "/ros/camera_info/robots_left_top.yaml"
